//! Probes of load balancers: their requests, and their reactions to the response.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{Place, Running, engine, has, teal};

const SOON: Duration = Duration::from_secs(60);
/// The path on Debian, which is not in everyone's `PATH`.
const HAPROXY: &str = "/usr/sbin/haproxy";
const DOCUMENT: &str = include_str!("../../docs/probes.md");

/// The answer to these bytes, until its end.
fn answer(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer that ends");
    text
}

#[test]
fn http_1_0_without_host_is_answered_once() {
    let [mut blue, green] = [0, 1].map(|_| engine().run());
    let server = teal().admin().switch_every("0").between(blue.address, green.address).run();
    let ask = |path: &str| answer(server.admin(), &format!("GET {path} HTTP/1.0\r\n\r\n"));
    for path in ["/livez", "/readyz"] {
        let answer = ask(path);
        assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
    }
    blue.end("TERM", SOON);
    let statuses = ["/livez", "/readyz", "/metrics"].map(|path| ask(path)[..13].to_owned());
    assert_eq!(statuses, ["HTTP/1.0 200 ", "HTTP/1.0 503 ", "HTTP/1.0 400 "]);
}

/// A block of the document.
fn block(language: &str) -> &'static str {
    let mut blocks = DOCUMENT.split("```").skip(1).step_by(2);
    blocks.find_map(|block| block.strip_prefix(language)).expect("it is shown")
}

#[test]
fn haproxy_probes_as_the_document_says() {
    if !has(HAPROXY, "haproxy") {
        return;
    }
    let mut engines = [0, 1].map(|_| engine().run());
    let server = teal().admin().switch_every("0").between(engines[0].address, engines[1].address).run();
    let place = Place::new();
    let free = place.address;
    let config = block("haproxy")
        .replace("bind :443 proto h2", &format!("bind {free} proto h2"))
        .replace("teal-1.internal:50051", &server.address.to_string())
        .replace("port 50061", &format!("port {}", server.admin().port()))
        .replace("inter 2s", "inter 200ms");
    for replaced in [free, server.address] {
        assert!(config.contains(&replaced.to_string()), "{config}");
    }
    let head = "global\nlog stderr format raw daemon\ndefaults\nlog global\noption log-health-checks\n\
                timeout connect 5s\ntimeout client 60s\ntimeout server 60s\n";
    let folder = TempDir::new().expect("there is room for files");
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, format!("{head}{config}")).expect("files can be written");
    let haproxy = Running::start("haproxy", Command::new(HAPROXY).args(["-db", "-f"]).arg(&file));
    haproxy.wait_for("Layer7 check passed, code: 200", 1, SOON);
    let call = || {
        let metadata = [("authorization", "Bearer someone")];
        crate::support::call(free, "getSchemaNames", &metadata, Vec::new(), SOON)
    };
    call().expect("it is answered through both");
    engines[0].end("TERM", SOON);
    haproxy.wait_for("Layer7 wrong status, code: 503", 1, SOON);
    haproxy.wait_for("is DOWN", 1, SOON);
}
