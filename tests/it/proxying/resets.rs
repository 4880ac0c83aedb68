//! Points 4 to 8: responses that are cut short, and calls that are cancelled.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use h2::Reason;

use super::{
    peers::{Call, Engine, announcing, before, client, engine, framed, open, request, unary, until, within},
    raw::{self, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RESET, Raw},
};
use crate::support::teal;

/// What a client sees of a call whose engine sends `frames` and then resets the stream with `code`.
async fn seen_of(frames: &'static [&'static [u8]], code: u8) -> Vec<raw::Frame> {
    let address = raw::engine(move |mut engine| async move {
        let stream = engine.request().await;
        engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
        for payload in frames {
            engine.write(DATA, 0, stream, payload).await;
        }
        engine.write(RESET, 0, stream, &[0, 0, 0, code]).await;
        while engine.next().await.is_some() {}
    })
    .await;
    let server = before(address);
    let mut client = Raw::connect(server.address).await;
    client.write(HEADERS, END_HEADERS | END_STREAM, 1, &raw::call("/a/b", &[])).await;
    client.stream(1).await
}

#[tokio::test]
async fn point_04_resets_are_never_clean_ends() {
    const CASES: [&[&[u8]]; 3] = [&[], &[b"\0\0\0\0\x01x"], &[b"\0\0\0", b"\0\x05x"]];
    for frames in CASES {
        for code in [0, 8] {
            let seen = seen_of(frames, code).await;
            let bytes: Vec<u8> = seen
                .iter()
                .filter(|frame| frame.kind == DATA)
                .flat_map(|frame| frame.payload.clone())
                .collect();
            assert_eq!(seen[0].kind, HEADERS);
            assert_eq!(bytes, frames.concat(), "what came before the reset passes");
            assert!(!seen.iter().any(raw::Frame::ends_stream), "{seen:?}");
            assert_eq!((seen.last().unwrap().kind, seen.last().unwrap().code()), (RESET, code.into()));
        }
    }
}

/// How an engine cuts a response short.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    Reset(u8),
    Close,
    GoAway,
}

#[tokio::test]
async fn point_05_cut_messages_pass_to_the_cut() {
    // getSchemaNames: its answer is due the field. The longer one is not held back until it is whole.
    for len in [3, 40_000] {
        let message = framed(&vec![b'\x0a'; len]);
        for how in [Cut::Reset(0), Cut::Reset(2), Cut::Close, Cut::GoAway] {
            let cut = Arc::new(Mutex::new(0));
            let (bytes, at) = (message.clone(), cut.clone());
            let address = raw::engine(move |mut engine| {
                let (bytes, at) = (bytes.clone(), at.clone());
                async move {
                    while let Some(frame) = engine.next().await {
                        if frame.kind != HEADERS {
                            continue;
                        }
                        let at: usize = *at.lock().unwrap();
                        engine.write(HEADERS, END_HEADERS, frame.stream, &raw::answer()).await;
                        for part in bytes[..at].chunks(16_000) {
                            engine.write(DATA, 0, frame.stream, part).await;
                        }
                        match how {
                            Cut::Reset(code) => engine.write(RESET, 0, frame.stream, &[0, 0, 0, code]).await,
                            Cut::Close => return engine.close().await,
                            Cut::GoAway => {
                                let last = [&frame.stream.to_be_bytes()[..], &[0, 0, 0, 2]].concat();
                                engine.write(GOAWAY, 0, 0, &last).await;
                                return engine.close().await;
                            }
                        }
                    }
                }
            })
            .await;
            let server = announcing(address);
            let client = client(server.address).await;
            for at in (0..8.min(message.len())).chain([message.len() - 1]) {
                *cut.lock().unwrap() = at;
                let answer = unary(&client, "/QueryEngineService/getSchemaNames", b"").await;
                let about = format!("{how:?} at {at} of {}: {:?}", message.len(), answer.error);
                if len < 16_384 {
                    assert_eq!(answer.body, message[..at], "{about}");
                } else if at > 5 {
                    assert_eq!(answer.body[5..], message[5..at], "{about}");
                }
                match how {
                    Cut::Reset(code) => {
                        let error = answer.error.expect(&about);
                        assert_eq!(error.reason(), Some(Reason::from(u32::from(code))), "{about}");
                    }
                    _ => assert_eq!(answer.status(), Some("14"), "{about}"),
                }
            }
        }
    }
}

const CODES: [Reason; 5] = [
    Reason::NO_ERROR,
    Reason::INTERNAL_ERROR,
    Reason::REFUSED_STREAM,
    Reason::CANCEL,
    Reason::ENHANCE_YOUR_CALM,
];

#[tokio::test]
async fn point_06_engines_reset_codes_reach_the_client() {
    let engine = engine(async |mut call: Call| {
        let words: Vec<_> = call.path().split('/').map(str::to_owned).collect();
        let code = Reason::from(words[2].parse::<u32>().unwrap());
        if words[1] == "late" {
            call.accept().send_reset(code);
        } else {
            call.respond.send_reset(code);
        }
    })
    .await;
    let server = before(engine.address);
    let client = client(server.address).await;
    for when in ["early", "late"] {
        for code in CODES {
            let answer = unary(&client, &format!("/{when}/{}", u32::from(code)), b"").await;
            assert_eq!(answer.error.unwrap().reason(), Some(code), "{when}");
        }
    }
}

/// When a client cancels a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    BeforeHeaders,
    MidUpload,
    AfterMessage,
    AfterMessageMidUpload,
}

const EVERY_WHEN: [When; 4] =
    [When::BeforeHeaders, When::MidUpload, When::AfterMessage, When::AfterMessageMidUpload];

/// An engine that reports how each stream was reset, after an optional message.
async fn telling() -> (Engine, Arc<Mutex<Vec<Option<Reason>>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let known = told.clone();
    let engine = engine(move |mut call: Call| {
        let known = known.clone();
        async move {
            let code = if call.path() == "/answered/call" {
                let mut stream = call.accept();
                stream.send_data(framed(b"x").into(), false).unwrap();
                std::future::poll_fn(|cx| stream.poll_reset(cx)).await
            } else {
                std::future::poll_fn(|cx| call.respond.poll_reset(cx)).await
            };
            known.lock().unwrap().push(code.ok());
        }
    })
    .await;
    (engine, told)
}

#[tokio::test]
async fn point_06_clients_reset_codes_reach_the_engine() {
    let (engine, told) = telling().await;
    let server = before(engine.address);
    let client = client(server.address).await;
    let mut expected = Vec::new();
    for when in EVERY_WHEN {
        for code in CODES {
            let is_whole = matches!(when, When::BeforeHeaders | When::AfterMessage);
            let is_answered = matches!(when, When::AfterMessage | When::AfterMessageMidUpload);
            let path = if is_answered { "/answered/call" } else { "/silent/call" };
            let (response, mut upload) = open(&client, request(path), is_whole).await;
            if !is_whole {
                upload.send_data(Bytes::from_static(b"\0\0\0\0\x09half"), false).unwrap();
            }
            expected.push(Some(code));
            let calls = expected.len();
            let held = if is_answered {
                let mut body = within(response).await.unwrap().into_body();
                within(body.data()).await.unwrap().unwrap();
                (None, Some(body))
            } else {
                until(|| engine.calls() == calls).await;
                (Some(response), None)
            };
            upload.send_reset(code);
            until(|| told.lock().unwrap().len() == calls).await;
            assert_eq!(told.lock().unwrap().last(), expected.last(), "{when:?}");
            drop(held);
        }
    }
}

#[tokio::test]
async fn point_07_disconnects_reset_the_upstream_stream() {
    for when in EVERY_WHEN {
        let (engine, told) = telling().await;
        let server = before(engine.address);
        let mut client = Raw::connect(server.address).await;
        let is_whole = matches!(when, When::BeforeHeaders | When::AfterMessage);
        let is_answered = matches!(when, When::AfterMessage | When::AfterMessageMidUpload);
        let path = if is_answered { "/answered/call" } else { "/silent/call" };
        let flags = END_HEADERS | if is_whole { END_STREAM } else { 0 };
        client.write(HEADERS, flags, 1, &raw::call(path, &[])).await;
        if !is_whole {
            client.write(DATA, 0, 1, b"\0\0\0\0\x09half").await;
        }
        if is_answered {
            while within(client.next()).await.unwrap().kind != DATA {}
        }
        until(|| engine.calls() == 1).await;
        drop(client);
        until(|| !told.lock().unwrap().is_empty()).await;
        assert_eq!(*told.lock().unwrap(), [Some(Reason::CANCEL)], "{when:?}");
        assert_eq!(engine.open(), 0);
    }
}

#[tokio::test]
async fn point_08_cancelled_uploads_are_no_half_close() {
    for code in [Reason::CANCEL, Reason::NO_ERROR] {
        let (sent, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let engine = engine(move |mut call: Call| {
            let sent = sent.clone();
            async move {
                let ended = call.body().await.map_err(|error| error.reason());
                sent.send(ended).unwrap();
            }
        })
        .await;
        let server = before(engine.address);
        let client = client(server.address).await;
        let (response, mut upload) = open(&client, request("/a/b"), false).await;
        upload.send_data(Bytes::from_static(b"\0\0\0\0\x09half"), false).unwrap();
        until(|| engine.calls() == 1).await;
        upload.send_reset(code);
        assert_eq!(within(ended.recv()).await.unwrap(), Err(Some(code)));
        drop(response);
    }
}

#[tokio::test]
async fn point_42_cancelled_calls_are_paced_per_connection() {
    // When each reset came, by connection.
    let resets: Arc<Mutex<Vec<Vec<Instant>>>> = Arc::default();
    let known = resets.clone();
    let calls = Arc::new(AtomicUsize::new(0));
    let arrived = calls.clone();
    let address = raw::engine(move |mut engine| {
        let (resets, arrived) = (known.clone(), arrived.clone());
        async move {
            let number = {
                let mut resets = resets.lock().unwrap();
                resets.push(Vec::new());
                resets.len() - 1
            };
            while let Some(frame) = engine.next().await {
                match frame.kind {
                    HEADERS => _ = arrived.fetch_add(1, Ordering::SeqCst),
                    RESET => resets.lock().unwrap()[number].push(Instant::now()),
                    _ => {}
                }
            }
        }
    })
    .await;
    let server = teal().switch_every("0").with("--threads", "1").upstream(address).run();
    let client = client(server.address).await;
    // All of them at once are less than a client may cancel.
    for round in 1..=9 {
        let mut held = Vec::new();
        for number in 0..100 {
            held.push(open(&client, request("/a/b"), number % 2 == 0).await);
        }
        until(|| calls.load(Ordering::SeqCst) == round * 100).await;
        for (_, upload) in &mut held {
            upload.send_reset(Reason::CANCEL);
        }
    }
    let all = || resets.lock().unwrap().iter().map(Vec::len).sum::<usize>();
    until(|| all() == 900).await;
    for times in resets.lock().unwrap().iter() {
        for (number, first) in times.iter().enumerate() {
            for (more, last) in times[number..].iter().enumerate() {
                let most = 200.0 + 1.0 + 33.0 * (*last - *first).as_secs_f64();
                assert!((more + 1) as f64 <= most, "{more} resets in {:?}", *last - *first);
            }
        }
    }
}
