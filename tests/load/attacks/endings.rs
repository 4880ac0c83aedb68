//! Rows 5 and 10: streams that end too early, or never.

use std::{
    fs,
    net::SocketAddr,
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::timeout,
};

use super::{CANCEL, INITIAL_WINDOW_SIZE, KIB, LONG, MIB, engines, first_request, teal_before};
use crate::support::{
    beside,
    peers::{Call, engine, send, until, within},
    raw::{self, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, RESET, Raw, SETTINGS, WINDOW_UPDATE},
};

/// Sends data on a stream until its window stays full for a while. Returns the number of bytes.
async fn fill(raw: &mut Raw, stream: u32) -> usize {
    const EACH: usize = 8 * KIB;
    let initial = raw.settings.iter().rev().find(|(id, _)| *id == INITIAL_WINDOW_SIZE);
    let (mut window, mut sent) = (initial.map_or(65_535, |(_, window)| *window as usize), 0);
    loop {
        while window >= EACH {
            raw.write(DATA, 0, stream, &[7; EACH]).await;
            (window, sent) = (window - EACH, sent + EACH);
        }
        let Ok(Some(frame)) = timeout(Duration::from_millis(300), raw.any()).await else { return sent };
        if frame.kind == WINDOW_UPDATE && frame.stream == stream {
            window += frame.code() as usize;
        }
    }
}

/// Frames that cause a stream error after the end of the stream.
fn faults(stream: u32) -> [(&'static str, Vec<u8>); 5] {
    [
        ("a reset", raw::frame(RESET, 0, stream, &CANCEL.to_be_bytes())),
        ("a window of 0", raw::frame(WINDOW_UPDATE, 0, stream, &[0; 4])),
        ("a window that is too large", raw::frame(WINDOW_UPDATE, 0, stream, &i32::MAX.to_be_bytes())),
        ("more data", raw::frame(DATA, 0, stream, b"more")),
        ("more trailers", raw::frame(HEADERS, END_HEADERS | END_STREAM, stream, &raw::success())),
    ]
}

/// Asserts that a body arrived completely, or that its stream was reset.
fn is_honest(about: &str, sent: usize, frames: &[Frame]) {
    let bytes: usize =
        frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum();
    let is_reset = frames.last().is_some_and(|frame| frame.kind == RESET);
    assert!(is_reset || bytes == sent, "{about}: a clean end after {bytes} bytes of {sent}");
}

#[test]
fn a_cut_answer_has_no_clean_end() {
    let _beside = beside();
    let engines = engines();
    for number in 0..faults(1).len() {
        let about = faults(1)[number].0;
        engines.block_on(async {
            let (came, mut comes) = unbounded_channel();
            let engine = raw::engine(move |engine| cut_short(engine, number, came.clone()));
            let server = teal_before(engine.await);
            let mut client = Raw::connect_with(server.address, &[(INITIAL_WINDOW_SIZE, 100)]).await;
            client.write(HEADERS, END_HEADERS, 1, &raw::call("/a/b", &[("strategy", "blue")])).await;
            let sent = within(comes.recv()).await.unwrap();
            let mut frames = client.settled().await;
            if frames.last().is_some_and(|frame| frame.kind != RESET) {
                client.write(WINDOW_UPDATE, 0, 1, &(64 * MIB as u32).to_be_bytes()).await;
                client.write(WINDOW_UPDATE, 0, 0, &(64 * MIB as u32).to_be_bytes()).await;
                frames.extend(client.stream(1).await);
            }
            is_honest(about, sent, &frames);
        });
    }
}

/// Answers as a whole; then comes one of the [`faults`], and word that all was read.
async fn cut_short(mut engine: Raw, number: usize, came: UnboundedSender<usize>) {
    // A connection without a request ends with the test.
    let Some(stream) = first_request(&mut engine).await else { return };
    engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
    let sent = fill(&mut engine, stream).await;
    engine.write(HEADERS, END_HEADERS | END_STREAM, stream, &raw::success()).await;
    engine.write_all(&faults(stream)[number].1).await;
    engine.settled().await;
    _ = came.send(sent);
    while engine.next().await.is_some() {}
}

#[test]
fn a_cut_upload_is_no_half_close() {
    let _beside = beside();
    let engines = engines();
    for number in 0..faults(1).len() {
        let about = faults(1)[number].0;
        engines.block_on(async {
            let (came, mut comes) = unbounded_channel();
            let (open, opened) = tokio::sync::watch::channel(false);
            let engine = raw::engine_with(&[(INITIAL_WINDOW_SIZE, 0)], move |mut engine: Raw| {
                let (came, mut opened) = (came.clone(), opened.clone());
                async move {
                    let Some(stream) = first_request(&mut engine).await else { return };
                    // From here on the upload goes on beside the answer.
                    engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
                    _ = opened.wait_for(|it| *it).await;
                    for stream in [stream, 0] {
                        engine.write(WINDOW_UPDATE, 0, stream, &(64 * MIB as u32).to_be_bytes()).await;
                    }
                    _ = came.send(engine.stream(stream).await);
                }
            });
            let server = teal_before(engine.await);
            let mut client = Raw::connect(server.address).await;
            client.settled().await;
            client.write(HEADERS, END_HEADERS, 1, &raw::call("/a/b", &[("strategy", "blue")])).await;
            let sent = fill(&mut client, 1).await;
            client.write(DATA, END_STREAM, 1, &[]).await;
            client.write_all(&faults(1)[number].1).await;
            client.settled().await;
            open.send(true).unwrap();
            is_honest(about, sent, &within(comes.recv()).await.unwrap());
        });
    }
}

#[test]
fn two_sides_that_end_at_once_both_end() {
    let _beside = beside();
    const CLIENTS: usize = 30;
    let engines = engines();
    engines.block_on(async {
        let engine = engine(async |mut call: Call| {
            let mut stream = call.accept();
            while send(&mut stream, Bytes::from_static(&[7; 64 * KIB])).await {}
            drop(stream);
        });
        let engine = engine.await;
        let server = teal_before(engine.address);
        let files = server.open_files();
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = Raw::connect_with(server.address, &[(INITIAL_WINDOW_SIZE, 1 << 30)]).await;
            client.write(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()).await;
            for stream in 0..8 {
                let head = raw::call("/a/b", &[("strategy", "blue")]);
                client.write(HEADERS, END_HEADERS, 1 + 2 * stream, &head).await;
            }
            clients.push(tokio::spawn(ends_with_a_full_pipe(client)));
        }
        let began = Instant::now();
        for client in clients {
            within(client).await.unwrap();
        }
        // Some of them are connections to the engine, which does not read on the others.
        let most = files + CLIENTS / 2;
        until(|| server.open_files() <= most || began.elapsed() > LONG).await;
        eprintln!("{} open files, {files} before, after {:?}", server.open_files(), began.elapsed());
        assert!(server.open_files() <= most, "{} open files, {files} before", server.open_files());
    });
}

/// Reads nothing and, once teal can write no more, breaks the protocol, sends a lot, and ends. teal has to go on reading
/// until it has everything, or to close too.
async fn ends_with_a_full_pipe(mut client: Raw) {
    // Nothing tells a client that reads nothing how much has been written to it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    client.write(SETTINGS, 0, 1, &[]).await;
    let mut to = client.into_stream();
    let ends = [to.local_addr().unwrap(), to.peer_addr().unwrap()];
    let rest = raw::frame(DATA, 0, 1, &[7; 16 * KIB]);
    let mut before = 0;
    for _ in 0..32 * MIB / rest.len() {
        let mut sending = pin!(tokio::io::AsyncWriteExt::write_all(&mut to, &rest));
        let sent = loop {
            match timeout(Duration::from_secs(5), &mut sending).await {
                Ok(sent) => break sent,
                // A host short of memory for sockets may also drop what is sent, and wait before it sends it again.
                Err(_) => {
                    let left = unread(ends);
                    assert!(left == 0 || left != before, "teal does not read {left} bytes");
                    before = left;
                }
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The bytes that the second end of a TCP connection has received and not read.
fn unread([from, to]: [SocketAddr; 2]) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let hex = |address: SocketAddr| match address {
        SocketAddr::V4(it) => format!("{:08X}:{:04X}", u32::from_ne_bytes(it.ip().octets()), it.port()),
        SocketAddr::V6(it) => panic!("{it}: expected an IPv4 address"),
    };
    let ends = format!(" {} {} ", hex(to), hex(from));
    // The fifth field: bytes to be sent and to be read.
    let queues = table
        .lines()
        .find(|line| line.contains(&ends))
        .and_then(|line| line.split_whitespace().nth(4)?.split_once(':'));
    queues.map_or(0, |(_, received)| usize::from_str_radix(received, 16).unwrap())
}
