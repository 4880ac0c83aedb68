//! The HTTP API of the real binary: concurrent operators, readers that reconnect, and a generic client that knows
//! only the OpenAPI document.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use crate::support::{Connector, Running, answer, engine, packages, python, send, teal};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn of_two_operators_one_switches() {
    let server = teal().admin().switch_every("0").with("--announce-timeout", "0").run();
    let address = server.admin();
    let posts: Vec<_> = (0..16)
        .map(|_| thread::spawn(move || answer(send(address, "POST /api/v1/switch", r#"{"epoch": 0}"#))))
        .collect();
    let answers: Vec<String> = posts.into_iter().map(|post| post.join().expect("it is answered")).collect();
    let with = |start: &str| answers.iter().filter(|answer| answer.starts_with(start)).count();
    assert_eq!((with("HTTP/1.1 200 "), with("HTTP/1.1 409 ")), (1, 15), "{answers:#?}");
    server.wait_for("Strategy change pending: blue -> green", 1, SOON);
}

/// The ids of the next `number` events of a stream.
fn ids(stream: BufReader<TcpStream>, number: usize) -> Vec<String> {
    let lines = stream.lines().map(|line| line.expect("the stream goes on"));
    lines.filter_map(|line| line.strip_prefix("id: ").map(str::to_owned)).take(number).collect()
}

#[test]
fn a_reader_that_comes_back_misses_nothing() {
    let server = teal().admin().switch_every("0").cutover("strict").with("--announce-timeout", "0").run();
    let address = server.admin();
    for verb in ["switch", "cutover"] {
        server.operate(&[verb]).done();
    }
    let seen = ids(send(address, "GET /api/v1/events/stream?after=0", ""), 2);
    for verb in ["switch", "abort"] {
        server.operate(&[verb]).done();
    }
    let again = |last: &str| {
        let head = "GET /api/v1/events/stream";
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        write!(stream, "{head} HTTP/1.1\r\nhost: {address}\r\nlast-event-id: {last}\r\n\r\n")
            .expect("it reads");
        BufReader::new(stream)
    };
    let more = ids(again(&seen[1]), 2);
    let number = |id: &String| id.rsplit('-').next().map(str::to_owned);
    let numbers: Vec<_> = seen.iter().chain(&more).filter_map(number).collect();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
    // An event id of another run of the server is not taken for one of this run.
    assert_eq!(ids(again("0-4"), 4), [seen, more].concat());
}

#[test]
fn a_reader_does_not_hold_the_end() {
    let mut server = teal().admin().switch_every("0").run();
    let mut stream = send(server.admin(), "GET /api/v1/events/stream", "");
    let mut line = String::new();
    while line != "event: state\n" {
        line.clear();
        stream.read_line(&mut line).expect("the stream begins");
    }
    assert_eq!(server.end("TERM", SOON).code(), Some(0), "{}", server.output());
    let rest = answer(stream);
    assert!(rest.ends_with("0\r\n\r\n"), "the stream was cut: {rest:?}");
}

#[test]
fn it_is_ready_while_the_active_engine_answers() {
    let [mut blue, green] = [0, 1].map(|_| engine().run());
    let server = teal().admin().switch_every("0").between(blue.address, green.address).run();
    let ask = |path: &str| answer(send(server.admin(), &format!("GET {path}"), ""));
    assert!(ask("/readyz").starts_with("HTTP/1.1 200 "), "{}", ask("/readyz"));
    blue.end("TERM", SOON);
    let answer = ask("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains(&blue.address.to_string()), "{answer}");
    assert!(ask("/livez").starts_with("HTTP/1.1 200 "));
}

/// A generic client finds no response that the document lacks, and no server error.
#[test]
fn the_api_keeps_to_its_document() {
    let server = teal().admin().switch_every("0").notice("0s").grace("0s").run();
    // A client to list.
    python(Connector::V3_0_2).run(&server, "fates.py", &["stray"]);
    let mut schemathesis = packages("schemathesis").program("schemathesis");
    schemathesis
        .args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/schemathesis.toml")])
        .args(["run", &format!("http://{}/api/v1/openapi.json", server.admin())])
        // They don't end.
        .args(["--exclude-path", "/api/v1/events/stream", "--exclude-path", "/api/v1/calls/stream"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1"])
        .args(["--generation-deterministic", "--no-color", "--request-timeout", "30"])
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    let said = Running::start("schemathesis", &mut schemathesis).succeed(Duration::from_secs(300));
    assert!(!said.contains("FAILURES"), "{said}");
}
