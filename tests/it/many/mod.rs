//! Several instances that share one switch through a real etcd.

mod balanced;
mod balancer;
mod clocks;
#[allow(dead_code, reason = "tests under load use the rest of it")]
mod etcd;
mod example;
mod life;
mod links;
mod namespaces;
mod outages;
mod refusals;
mod switching;
mod webhooks;

use std::time::Duration;

use serde_json::Value;

pub(crate) use self::etcd::Etcd;
use crate::support::{Builder, Server, answer, engine, send, teal};

const SOON: Duration = Duration::from_secs(60);
/// The shortest lease.
const TTL: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_millis(200);

/// Two engines that take each other's sessions.
fn engines() -> [Server; 2] {
    [0, 1].map(|_| engine().with("--sessions", "any").run())
}

/// An instance to be, between two engines.
fn instance(name: &str, etcd: &Etcd, engines: &[Server; 2]) -> Builder {
    between(name, etcd, engines.each_ref())
}

fn between(name: &str, etcd: &Etcd, engines: [&Server; 2]) -> Builder {
    at(name, &etcd.urls(), engines)
}

fn at(name: &str, urls: &str, engines: [&Server; 2]) -> Builder {
    let grace = humantime::format_duration(GRACE).to_string();
    bare(name, urls, engines).admin().switch_every("0").notice("0s").grace(&grace)
}

/// With the default times, and without an admin API.
fn bare(name: &str, urls: &str, engines: [&Server; 2]) -> Builder {
    teal()
        .between(engines[0].address, engines[1].address)
        .with("--etcd", urls)
        .with("--instance", name)
        .with("--instance-ttl", "3s")
}

/// The status and the body of a probe or another request.
fn ask(server: &Server, path: &str) -> (u16, String) {
    let answer = answer(send(server.admin(), &format!("GET {path}"), ""));
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{path}: {answer}"));
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn is_ready(server: &Server) -> bool {
    ask(server, "/readyz").0 == 200
}

fn state(server: &Server) -> Value {
    serde_json::from_str(&server.get("/api/v1/state")).expect("the state is JSON")
}

/// Phase, active strategy and epoch.
fn view(server: &Server) -> (String, String, u64) {
    let state = state(server);
    let text = |name: &str| state[name].as_str().expect("it is text").to_owned();
    (text("phase"), text("active"), state["epoch"].as_u64().expect("it is a number"))
}
