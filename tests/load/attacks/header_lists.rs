//! Rows 1, 7, 12 and 16: header lists that are too much for an engine, or for memory.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    KIB, MAX_HEADER_LIST_SIZE, MIB, PROTOCOL_ERROR, engines, serve, teal_before, teal_between,
    trial::{Attack, Trial},
    victim::Calls,
};
use crate::support::{
    alone, beside,
    peers::{Answer, Call, client, engine, framed, grpc, open, request, unary, until},
    raw::{self, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, RESET, Raw},
};

/// The limit of grpc-java.
const LIMIT: u32 = 8 * KIB as u32;

/// An engine that ends a connection on which a header block above [`LIMIT`] comes.
#[derive(Clone, Debug, Default)]
struct Strict {
    /// Calls that it holds until it is told to answer them.
    held: Arc<AtomicUsize>,
    /// For each such block, how many other calls came on its connection.
    ended: Arc<Mutex<Vec<usize>>>,
}

impl Strict {
    async fn serve(self, mut engine: Raw) {
        let (mut calls, mut held, mut block, mut answered) = (0, Vec::new(), 0, 0);
        while let Some(frame) = engine.next().await {
            match frame.kind {
                HEADERS => block = frame.payload.len(),
                CONTINUATION => block += frame.payload.len(),
                _ => {}
            }
            if block > LIMIT as usize {
                self.ended.lock().unwrap().push(calls);
                // What it has not answered it has not worked on, unless it holds it.
                let last = held.iter().copied().chain([answered]).max().unwrap_or_default();
                let word = [last, PROTOCOL_ERROR].map(u32::to_be_bytes).concat();
                engine.write(GOAWAY, 0, 0, &word).await;
                return engine.close().await;
            }
            calls += usize::from(frame.kind == HEADERS);
            match frame.payload.get(5..) {
                Some(b"hold") => {
                    held.push(frame.stream);
                    self.held.fetch_add(1, Ordering::SeqCst);
                }
                message if frame.kind == DATA && frame.ends_stream() => {
                    if message == Some(b"free") {
                        for stream in held.drain(..) {
                            answer(&mut engine, stream, &frame).await;
                        }
                    }
                    answer(&mut engine, frame.stream, &frame).await;
                    answered = answered.max(frame.stream);
                }
                _ => {}
            }
        }
    }
}

/// Answers a call with the message of a request.
async fn answer(engine: &mut Raw, stream: u32, request: &Frame) {
    engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
    engine.write(DATA, 0, stream, &request.payload).await;
    engine.write(HEADERS, END_HEADERS | END_STREAM, stream, &raw::success()).await;
}

/// A call with 20 KB of metadata.
async fn large_call(attack: Attack) -> Answer {
    let client = client(attack.address).await;
    let mut head = request("/attack/large");
    head.headers_mut().insert("large", HeaderValue::try_from("a0b1c2d3e4".repeat(2 * KIB)).unwrap());
    let (response, mut upload) = open(&client, head, false).await;
    _ = upload.send_data(framed(b"large").into(), true);
    Answer::of(response).await
}

#[test]
fn a_list_above_the_engines_limit_fails_alone() {
    let _alone = alone();
    let (engines, strict) = (engines(), Strict::default());
    let own = strict.clone();
    let engine = raw::engine_with(&[(MAX_HEADER_LIST_SIZE, LIMIT)], move |raw| own.clone().serve(raw));
    let mut trial = Trial::of(teal_before(engines.block_on(engine)), Calls::SMALL);
    let (bystander, held) = engines.block_on(async {
        let bystander = client(trial.server.address).await;
        let mut held = Vec::new();
        for _ in 0..20 {
            let (response, mut upload) = open(&bystander, request("/bystander/held"), false).await;
            _ = upload.send_data(framed(b"hold").into(), true);
            held.push(Answer::of(response));
        }
        until(|| strict.held.load(Ordering::SeqCst) == 20).await;
        (bystander, held)
    });
    trial.attack(2, async |attack| {
        for _ in 0..10 {
            let answer = large_call(attack).await;
            assert_eq!(answer.status(), Some("8"), "{answer:?}");
            let sizes = answer.message().split(|it: char| !it.is_ascii_digit());
            let sizes: Vec<u32> = sizes.filter_map(|size| size.parse().ok()).collect();
            assert!(sizes.contains(&LIMIT), "{answer:?}");
            assert!(sizes.iter().any(|size| (20 * KIB as u32..22 * KIB as u32).contains(size)), "{answer:?}");
        }
        attack.over().await;
    });
    trial.harmed_nobody();
    engines.block_on(async {
        assert_eq!(unary(&bystander, "/bystander/free", b"free").await.status(), Some("0"));
        for answer in held {
            assert_eq!(answer.await.status(), Some("0"), "a call that was in progress");
        }
    });
    assert!(strict.ended.lock().unwrap().is_empty(), "no connection ended");
}

#[test]
fn a_list_that_ends_connections_is_tried_twice() {
    let _alone = alone();
    let (engines, strict) = (engines(), Strict::default());
    let own = strict.clone();
    let engine = raw::engine(move |raw| own.clone().serve(raw));
    let mut trial = Trial::of(teal_before(engines.block_on(engine)), Calls::SMALL);
    let tried = Mutex::new(0);
    trial.attack(2, async |attack| {
        while !attack.is_over() {
            *tried.lock().unwrap() += 1;
            let answer = large_call(attack).await;
            assert!(answer.status().is_some_and(|status| status != "0"), "{answer:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let (tried, ended) = (tried.into_inner().unwrap(), strict.ended.lock().unwrap().clone());
    let shared = ended.iter().filter(|calls| **calls > 0).count();
    eprintln!("{tried} calls ended {} connections, {shared} of them with others' calls", ended.len());
    trial.harmed_nobody();
    assert!(ended.len() <= 2 * tried, "{tried} calls ended {} connections", ended.len());
    assert!(shared <= tried, "{tried} calls ended {shared} connections that others used");
}

#[test]
fn answers_of_many_fields_pass() {
    let _beside = beside();
    let engines = engines();
    engines.block_on(async {
        let engine = engine(async |mut call: Call| {
            let mut response = grpc();
            response.headers_mut().insert("grpc-status", HeaderValue::from_static("0"));
            response.headers_mut().extend(fields(5000));
            _ = call.respond.send_response(response, true);
        });
        let server = teal_before(engine.await.address);
        let answer = unary(&client(server.address).await, "/many/fields", b"").await;
        assert!(answer.error.is_none(), "{:?}", answer.error);
        let head = answer.head.unwrap().headers;
        assert_eq!(head.iter().filter(|(name, _)| name.as_str().starts_with("n-")).count(), 5000);
    });
}

/// This many short fields with different names.
fn fields(number: usize) -> HeaderMap {
    let name = |number| HeaderName::try_from(format!("n-{number}")).unwrap();
    (0..number).map(|number| (name(number), HeaderValue::from_static(""))).collect()
}

/// Requests that each hold so many short fields: by turns, the same one by its index, and some with names of
/// their own.
async fn many_fields(attack: Attack, requests: u32, fields: usize) {
    let mut client = Raw::connect(attack.address).await;
    client.settled().await;
    // An indexed field `a: b`; then no more than its index.
    let indexed = raw::call("/attack/silent", &[("strategy", "blue")]);
    let first = [&indexed[..], b"\x40\x01a\x01b"].concat();
    client.write(HEADERS, END_HEADERS, 1, &first).await;
    let letter = |it: usize| char::from(b'a' + it as u8);
    let name = |it: usize| String::from_iter([it / 676, it / 26 % 26, it % 26].map(letter));
    let names: Vec<_> = (0..fields).map(name).collect();
    let own: Vec<_> = names.iter().map(|name| (&name[..], "")).collect();
    let same = [&indexed[..], &vec![0xbe; fields]].concat();
    let blocks = [same, [&indexed[..], &raw::block(&own)].concat()];
    for request in 1..requests {
        client.write(HEADERS, END_HEADERS, 1 + 2 * request, &blocks[request as usize % 2]).await;
        // The test measures memory; reading this many fields takes time.
        if request % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    client.settled().await;
    attack.over().await;
}

#[test]
fn short_fields_cost_four_times_what_they_count() {
    const REQUESTS: u32 = 500;
    const FIELDS: usize = 950;
    let _alone = alone();
    let engines = engines();
    // Nobody takes a connection to this engine: calls wait for one.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let good = engines.block_on(engine(serve)).address;
    let server = teal_between(nobody.local_addr().unwrap(), good);
    let mut trial = Trial::of(server, Calls::GREEN).filling();
    trial.attack(1, async |attack| many_fields(attack, REQUESTS, FIELDS).await);
    trial.harmed_nobody();
    let counted = REQUESTS as usize * FIELDS * 64;
    assert!(trial.grown() < 4 * counted + 8 * MIB, "{} bytes for {counted}", trial.grown());
}

/// Calls with lists of many fields, one byte each on the wire: a hundred at a time, without a pause.
async fn long_lists(attack: Attack) {
    let mut client = Raw::connect(attack.address).await;
    client.settled().await;
    let indexed = raw::call("/attack/silent", &[("strategy", "blue")]);
    let first = [&indexed[..], b"\x40\x01a\x01b"].concat();
    let long = [&indexed[..], &[0xbe; 900]].concat();
    let mut open = 0;
    for call in 0.. {
        let list = if call == 0 { &first } else { &long };
        client.write(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * call, list).await;
        open += 1;
        while open == 100 {
            let frame = client.next().await.expect("the connection lives");
            open -= u32::from(frame.ends_stream() || frame.kind == RESET);
        }
        if attack.is_over() {
            break;
        }
    }
}

#[test]
fn lists_without_a_pause_take_turns_with_others() {
    let _alone = alone();
    // Each has an engine of its own: what is measured is the thread that they share in teal.
    let (engines, others) = (engines(), super::engines());
    let blue = engine(async |mut call: Call| {
        let mut response = grpc();
        response.headers_mut().insert("grpc-status", HeaderValue::from_static("0"));
        _ = call.respond.send_response(response, true);
    });
    let blue = others.block_on(blue).address;
    let green = engines.block_on(engine(serve)).address;
    let mut trial = Trial::of(teal_between(blue, green), Calls::GREEN);
    trial.attack(1, long_lists);
    trial.harmed_nobody();
}
