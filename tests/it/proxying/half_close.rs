//! Point 9: the position of END_STREAM, frame by frame and in both directions.

use std::net::SocketAddr;

use super::{
    peers::{announcing, before, framed, within},
    raw::{self, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, RESET, Raw, frame},
};

/// Methods whose message the gate forwards or holds, and those whose response it holds.
const METHODS: [&str; 4] = [
    "/a/b",
    "/QueryEngineService/status",
    "/QueryEngineService/getSchemaNames",
    "/QueryEngineService/identifyPlanner",
];

/// The frames of a stream, without their payloads.
fn shape(frames: &[Frame]) -> Vec<(u8, bool, bool)> {
    frames.iter().map(|frame| (frame.kind, frame.ends_stream(), frame.payload.is_empty())).collect()
}

/// The frames of the next request, whose stream is told with them.
async fn request(engine: &mut Raw) -> (u32, Vec<Frame>) {
    let first = loop {
        let frame = within(engine.next()).await.expect("a request comes");
        if frame.kind == HEADERS {
            break frame;
        }
    };
    let stream = first.stream;
    let mut frames = vec![first];
    if !frames[0].ends_stream() {
        frames.extend(engine.stream(stream).await);
    }
    (stream, frames)
}

/// An engine that refuses each call this many times, reports the shape of each, and responds with only a status.
async fn telling(
    refusals: usize,
) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<Vec<(u8, bool, bool)>>) {
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let address = raw::engine(move |mut engine| {
        let (tell, calls) = (tell.clone(), calls.clone());
        async move {
            loop {
                let (stream, frames) = request(&mut engine).await;
                _ = tell.send(shape(&frames));
                if calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % (refusals + 1) < refusals {
                    engine.write(RESET, 0, stream, &[0, 0, 0, 7]).await;
                    continue;
                }
                let head = [raw::answer(), raw::block(&[("grpc-status", "0")])].concat();
                engine.write(HEADERS, END_HEADERS | END_STREAM, stream, &head).await;
            }
        }
    })
    .await;
    (address, told)
}

#[tokio::test]
async fn point_09_requests_end_where_clients_ended_them() {
    for refusals in [0, 1] {
        let (address, mut told) = telling(refusals).await;
        for server in [before(address), announcing(address)] {
            let mut client = Raw::connect(server.address).await;
            let mut stream = 1;
            for method in METHODS {
                let head = raw::call(method, &[]);
                let message = framed(b"\x0a\x01s");
                let empty = frame(DATA, END_STREAM, 0, &[]);
                // In one write, so that all of it is there when teal looks.
                let sent: [(&[Vec<u8>], &[_]); 4] = [
                    (&[frame(HEADERS, END_HEADERS | END_STREAM, 0, &head)], &[(HEADERS, true, false)]),
                    (
                        &[frame(HEADERS, END_HEADERS, 0, &head), empty.clone()],
                        &[(HEADERS, false, false), (DATA, true, true)],
                    ),
                    (
                        &[frame(HEADERS, END_HEADERS, 0, &head), frame(DATA, END_STREAM, 0, &message)],
                        &[(HEADERS, false, false), (DATA, true, false)],
                    ),
                    (
                        &[frame(HEADERS, END_HEADERS, 0, &head), frame(DATA, 0, 0, &message), empty],
                        &[(HEADERS, false, false), (DATA, false, false), (DATA, true, true)],
                    ),
                ];
                for (frames, expected) in sent {
                    let mut bytes = Vec::new();
                    for frame in frames {
                        let mut frame = frame.clone();
                        frame[5..9].copy_from_slice(&u32::to_be_bytes(stream));
                        bytes.extend(frame);
                    }
                    assert!(client.write_all(&bytes).await);
                    client.stream(stream).await;
                    for attempt in 0..=refusals {
                        let seen = within(told.recv()).await.unwrap();
                        assert_eq!(seen, expected, "{method}, attempt {attempt}");
                    }
                    stream += 2;
                }
            }
        }
    }
}

#[tokio::test]
async fn point_09_answers_end_where_engines_ended_them() {
    let message = framed(b"\x0a\x01s");
    let head = raw::answer();
    let answers: [&[(u8, u8, &[u8])]; 3] = [
        &[(HEADERS, END_HEADERS | END_STREAM, &head)],
        &[(HEADERS, END_HEADERS, &head), (DATA, END_STREAM, &[])],
        &[(HEADERS, END_HEADERS, &head), (DATA, 0, &message), (DATA, END_STREAM, &[])],
    ];
    for answer in answers {
        let frames: Vec<(u8, u8, Vec<u8>)> =
            answer.iter().map(|(kind, flags, payload)| (*kind, *flags, payload.to_vec())).collect();
        let address = raw::engine(move |mut engine| {
            let frames = frames.clone();
            async move {
                loop {
                    let (stream, _) = request(&mut engine).await;
                    let parts =
                        frames.iter().map(|(kind, flags, payload)| frame(*kind, *flags, stream, payload));
                    engine.write_all(&parts.collect::<Vec<_>>().concat()).await;
                }
            }
        })
        .await;
        for server in [before(address), announcing(address)] {
            let mut client = Raw::connect(server.address).await;
            for (number, method) in METHODS.iter().enumerate() {
                let stream = 1 + 2 * number as u32;
                client.write(HEADERS, END_HEADERS | END_STREAM, stream, &raw::call(method, &[])).await;
                let seen = shape(&client.stream(stream).await);
                let expected = answer
                    .iter()
                    .map(|(kind, flags, payload)| (*kind, flags & END_STREAM != 0, payload.is_empty()));
                assert_eq!(seen, expected.collect::<Vec<_>>(), "{method}");
            }
        }
    }
}
