//! Points 42 to 44: malicious clients, and too many clients.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use h2::Reason;
use tokio::net::TcpStream;

use super::{
    peers::{before, client, echo, engine, framed, open, request, unary, until, within},
    raw::{
        self, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RESET, Raw, SETTINGS,
        WINDOW_UPDATE,
    },
};
use crate::support::{Connector, Running, Server, python, teal};

/// Checks that another client of the same server is served.
async fn serves(server: &Server) {
    let client = client(server.address).await;
    assert_eq!(unary(&client, "/a/b", b"still here").await.body, framed(b"still here"));
}

#[tokio::test]
async fn point_42_rapid_resets_end_their_own_connection() {
    let engine = engine(echo).await;
    let server = before(engine.address);
    let other = client(server.address).await;
    unary(&other, "/a/b", b"").await;
    let resident_before = server.resident();
    let head = raw::call("/a/b", &[]);
    let mut bytes = Vec::new();
    for number in 0..10_000 {
        bytes.extend(raw::frame(HEADERS, END_HEADERS, 1 + 2 * number, &head));
        bytes.extend(raw::frame(RESET, 0, 1 + 2 * number, &8_u32.to_be_bytes()));
    }
    let mut client = Raw::connect(server.address).await;
    client.write_all(&bytes).await;
    sent_away(client).await;
    assert_eq!(unary(&other, "/a/b", b"x").await.body, framed(b"x"), "another client");
    assert!(engine.calls() < 5000, "{} of 10 000 calls reached the engine", engine.calls());
    let grown = server.resident().saturating_sub(resident_before);
    assert!(grown < 20 << 20, "{grown} bytes more");
}

#[tokio::test]
async fn point_42_honest_cancellations_are_no_attack() {
    let engine = engine(async |mut call: super::peers::Call| {
        _ = std::future::poll_fn(|cx| call.respond.poll_reset(cx)).await;
    })
    .await;
    let server = before(engine.address);
    let client = client(server.address).await;
    for round in 1..=20 {
        let mut calls = Vec::new();
        for _ in 0..200 {
            calls.push(open(&client, request("/a/b"), true).await);
        }
        for (_, upload) in &mut calls {
            upload.send_reset(Reason::CANCEL);
        }
        drop(calls);
        assert!(client.clone().ready().await.is_ok(), "round {round}");
    }
    until(|| engine.open() == 0).await;
}

/// Waits until teal ends the connection, with a reason if that can still be read.
async fn sent_away(mut client: Raw) {
    while let Some(frame) = within(client.next()).await {
        if frame.kind == GOAWAY {
            assert_eq!(frame.payload[4..8], 11_u32.to_be_bytes(), "ENHANCE_YOUR_CALM");
            return;
        }
    }
}

/// Floods a connection, with a stream open or not, until teal ends it.
async fn flood(address: SocketAddr, open: bool, frames: impl Fn(u32) -> Vec<u8>) -> Raw {
    let mut client = Raw::connect(address).await;
    client.settled().await;
    if open {
        client.write(HEADERS, END_HEADERS, 1, &raw::call("/a/b", &[])).await;
    }
    let started = Instant::now();
    for number in 0..200_000 {
        if !client.write_all(&frames(number)).await || started.elapsed() > Duration::from_secs(10) {
            break;
        }
    }
    client
}

#[tokio::test]
async fn point_43_floods_of_frames_do_no_harm() {
    let engine = engine(echo).await;
    let server = before(engine.address);
    serves(&server).await;
    let resident_before = server.resident();
    let address = server.address;
    // teal ends these soon.
    let long = raw::block(&[("name", &"v".repeat(1000))]);
    for more in [&long[..], &[]] {
        let flooded = flood(address, false, |number| match number {
            0 => raw::frame(HEADERS, END_STREAM, 1, &raw::call("/a/b", &[])),
            _ => raw::frame(CONTINUATION, 0, 1, more),
        });
        sent_away(flooded.await).await;
    }
    serves(&server).await;
    // These cost it little.
    flood(address, true, |_| raw::frame(DATA, 0, 1, &[])).await;
    flood(address, true, |_| raw::frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])).await;
    flood(address, true, |number| raw::frame(PING, 0, 0, &u64::from(number).to_be_bytes())).await;
    flood(address, true, |_| raw::frame(DATA, 0, 1, b"x")).await;
    flood(address, true, |_| raw::frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())).await;
    flood(address, true, |_| raw::frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())).await;
    flood(address, true, |_| raw::frame(2, 0, 1, &[0, 0, 0, 0, 1])).await;
    flood(address, true, |_| raw::frame(0xbe, 0, 1, &[7; 100])).await;
    serves(&server).await;
    let grown = server.resident().saturating_sub(resident_before);
    assert!(grown < 64 << 20, "{grown} bytes more");
}

#[tokio::test]
async fn point_43_other_protocols_end_their_own_connection() {
    let engine = engine(echo).await;
    let server = before(engine.address);
    let call = raw::call("/a/b", &[]);
    for (about, bytes) in [
        ("a compressed integer without end", raw::frame(HEADERS, END_HEADERS, 1, &[0x7f; 100])),
        ("a table of 4 GiB", raw::frame(HEADERS, END_HEADERS, 1, &[0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("an even stream", raw::frame(HEADERS, END_HEADERS, 2, &call)),
        ("DATA without a stream", raw::frame(DATA, 0, 5, b"x")),
        ("too much padding", raw::frame(DATA, raw::PADDED, 1, &[9, 0])),
        ("a frame of 16 MiB", vec![0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]),
        ("a window of 0", raw::frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("SETTINGS of 5 bytes", raw::frame(SETTINGS, 0, 0, &[0; 5])),
        ("GET / HTTP/1.1", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
    ] {
        let mut client = Raw::connect(server.address).await;
        client.settled().await;
        client.write_all(&bytes).await;
        let mut has_ended = false;
        while let Some(frame) = within(client.next()).await {
            has_ended |= frame.kind == GOAWAY;
        }
        assert!(has_ended, "{about}: the connection ends with a word");
    }
    serves(&server).await;
}

#[tokio::test]
async fn point_44_silent_clients_are_let_go() {
    let engine = engine(echo).await;
    let server = before(engine.address);
    let silent = TcpStream::connect(server.address).await.unwrap();
    within(async {
        let mut byte = [0];
        silent.readable().await.unwrap();
        // SETTINGS come first where they come at all; then the end.
        while let Ok(1..) | Err(_) = silent.try_read(&mut byte) {
            silent.readable().await.unwrap();
        }
    })
    .await;
    serves(&server).await;
}

#[tokio::test]
async fn point_44_thousands_of_silent_clients_are_harmless() {
    let engine = engine(echo).await;
    let server = before(engine.address);
    let mut idle = python(Connector::V3_0_2).start(&server, "idle.py", &["5000"]);
    idle.wait_for("connected", 1, Duration::from_secs(120));
    serves(&server).await;
    idle.close_stdin();
    idle.succeed(Duration::from_secs(60));
}

#[tokio::test]
async fn point_44_without_free_files_teal_waits() {
    let engine = engine(echo).await;
    // The real binary with room for few files.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_teal")]);
    limited.args(["--threads", "1", "--switch-every", "0", "--listen", "127.0.0.1:0", "--admin", "off"]);
    limited.arg("--upstream").arg(format!("http://{}", engine.address));
    let server = Running::start("teal", &mut limited);
    let line = &server.wait_for("Server started on ", 1, Duration::from_secs(20))[0];
    let address: SocketAddr = line.rsplit(' ').next().unwrap().trim().parse().unwrap();
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(TcpStream::connect(address).await.unwrap());
    }
    server.wait_for("cannot accept a connection", 1, Duration::from_secs(60));
    let (used, before) = (cpu(&server), Instant::now());
    // The test measures CPU time over this period.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (used, passed) = (cpu(&server) - used, before.elapsed());
    assert!(used < passed / 4, "it used {used:?} of {passed:?}");
    drop(held);
    let client = client(address).await;
    assert_eq!(unary(&client, "/a/b", b"x").await.body, framed(b"x"));
    let most = 1 + before.elapsed().as_secs() as usize / 10;
    assert!(server.lines_with("cannot accept a connection").len() <= most, "{}", server.output());
}

/// The CPU time of a process.
fn cpu(process: &Running) -> Duration {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(process.id().to_string()).join("stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[tokio::test]
async fn point_42_streams_reset_early_reach_no_engine() {
    let engine = engine(echo).await;
    let server = teal()
        .switch_every("0")
        .with("--threads", "1")
        .with("--upstream", &format!("http://{}", engine.address))
        .run();
    let mut client = Raw::connect(server.address).await;
    client.settled().await;
    let mut bytes = Vec::new();
    for number in 0..100 {
        bytes.extend(raw::frame(HEADERS, END_HEADERS, 1 + 2 * number, &raw::call("/a/b", &[])));
        bytes.extend(raw::frame(RESET, 0, 1 + 2 * number, &8_u32.to_be_bytes()));
    }
    assert!(client.write_all(&bytes).await);
    client.settled().await;
    let (_, calls) = (serves(&server).await, engine.calls());
    assert!(calls < 50, "{calls} calls reached the engine");
}
