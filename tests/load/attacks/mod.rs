//! Attacks on the real binary, beside a victim that continues its calls: they bound what one peer may cost another.
//!
//! A trial measures the victim's latency with and without the attack, in turn, so that a busy machine slows
//! down both. All calls go through one network thread. Attacks run one after the other, each for a few
//! seconds, on loopback.

#![allow(clippy::unwrap_used, reason = "a peer that fails is a test that fails")]

use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use crate::support::{
    Server,
    peers::{Call, Engine, echo, engine_with, framed, send, status},
    raw::{HEADERS, Raw},
    teal,
};

mod endings;
mod engines;
mod flooder;
mod floods;
mod header_lists;
mod headers;
mod quiet;
mod resets;
mod trial;
mod unread;
mod victim;

/// Longer than anything here takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(60);
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// The message of a large answer.
const LARGE: usize = 256 * KIB;

/// Codes of RST_STREAM and GOAWAY.
const PROTOCOL_ERROR: u32 = 1;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Codes of SETTINGS.
const HEADER_TABLE_SIZE: u16 = 1;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// Where engines run: on a thread of its own.
fn engines() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// teal with one network thread and an admin API, before an engine.
fn teal_before(engine: std::net::SocketAddr) -> Server {
    teal().switch_every("0").admin().with("--threads", "1").upstream(engine).run()
}

/// A teal that admits calls of both strategies, each to its own engine, for as long as a test takes.
fn teal_between(blue: std::net::SocketAddr, green: std::net::SocketAddr) -> Server {
    let server = teal()
        .switch_every("1ms")
        .notice("1h")
        .with("--announce-timeout", "0")
        .admin()
        .with("--threads", "1")
        .between(blue, green)
        .run();
    server.wait_for("Strategy change pending", 1, LONG);
    server
}

/// Serves a call by its path; victims' calls are answered at once.
async fn serve(mut call: Call) {
    match call.path() {
        "/attack/silent" => {
            _ = std::future::poll_fn(|cx| call.respond.poll_reset(cx)).await;
        }
        "/attack/endless" => {
            let mut stream = call.accept();
            while send(&mut stream, Bytes::from_static(&[7; 16 * KIB])).await {}
        }
        "/victim/large" => {
            let mut stream = call.accept();
            if send(&mut stream, framed(&vec![7; LARGE]).into()).await {
                _ = stream.send_trailers(status("0"));
            }
        }
        _ => echo(call).await,
    }
}

/// The number of refusals for this reason.
fn refused(server: &Server, reason: &str) -> u64 {
    let name = format!("teal_http2_refused_total{{reason=\"{reason}\"}} ");
    let metrics = server.get("/metrics");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

/// The stream of an engine's first request, if there is one.
async fn first_request(engine: &mut Raw) -> Option<u32> {
    while let Some(frame) = engine.next().await {
        if frame.kind == HEADERS {
            return Some(frame.stream);
        }
    }
    None
}

/// An engine that tolerates many resets, so that those of an attack can be counted without ending its connections.
async fn patient_engine<R>(serve: impl Fn(Call) -> R + Clone + Send + 'static) -> Engine
where
    R: Future<Output = ()> + Send + 'static,
{
    let mut settings = h2::server::Builder::new();
    settings.max_pending_accept_reset_streams(100_000).max_concurrent_reset_streams(100_000);
    settings.initial_connection_window_size(1 << 24).data_frame_budget(usize::MAX >> 1);
    engine_with(&settings, serve).await
}
