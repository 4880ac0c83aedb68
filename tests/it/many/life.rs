//! An instance joins, leaves, and is killed.

use std::time::{Duration, Instant};

use super::{Etcd, SOON, TTL, ask, engines, etcd::until, instance, is_ready, view};
use crate::support::{Place, answer, send, teal};

#[test]
fn old_etcd_is_warned_of() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let server = instance("web-1", &etcd, &engines).run();
    assert_eq!(etcd.instances(), ["web-1"]);
    // Debian 12 has 3.4.23.
    if let Some(line) = server.lines_with("has known faults").first() {
        assert!(line.contains("WARN") && line.contains(" or newer"), "{line}");
    }
    assert!(is_ready(&server));
}

#[test]
fn sigterm_leaves_at_once() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let mut servers = ["web-1", "web-2"].map(|name| instance(name, &etcd, &engines).run());
    assert_eq!(etcd.instances(), ["web-1", "web-2"]);
    assert_eq!(servers[0].end("TERM", SOON).code(), Some(0), "{}", servers[0].output());
    // The key is gone before the process is.
    assert_eq!(etcd.instances(), ["web-2"]);
    let output = servers[0].output();
    let told = ["SIGTERM: finishing calls in progress", "Left the other instances", "Server stopped"];
    let places = told.map(|text| output.find(text));
    assert!(places.is_sorted() && places[0].is_some(), "{output}");
    assert!(is_ready(&servers[1]));
}

#[test]
fn the_state_outlives_all_instances() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let mut server = instance("web-1", &etcd, &engines).run();
    server.operate(&["switch"]).done();
    server.operate(&["cutover"]).done();
    until("drained", SOON, || view(&server).0 == "STABLE");
    server.end("TERM", SOON);
    assert!(etcd.instances().is_empty());
    let server = instance("web-1", &etcd, &engines).run();
    assert_eq!(view(&server), ("STABLE".to_owned(), "green".to_owned(), 4));
}

#[test]
fn not_ready_before_it_has_joined() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    etcd.signal("STOP");
    let server = instance("web-1", &etcd, &engines).start();
    let line = server.wait_for("Admin API on http://", 1, SOON).remove(0);
    let admin = line.rsplit("http://").next().and_then(|at| at.parse().ok()).expect("it is an address");
    let ask = |head: &str| answer(send(admin, head, "{}"));
    let ready = ask("GET /readyz");
    assert!(ready.contains(" 503 ") && ready.contains("not joined yet"), "{ready}");
    assert!(ask("GET /livez").contains(" 200 "));
    let switch = ask("POST /api/v1/switch");
    assert!(switch.contains(" 503 ") && switch.contains("lost_etcd"), "{switch}");
    assert!(server.lines_with("Server started").is_empty(), "{}", server.output());
    etcd.signal("CONT");
    server.wait_for("Server started on", 1, SOON);
    assert!(ask("GET /readyz").contains(" 200 "));
}

#[test]
fn sigterm_ends_a_start_that_waits() {
    let engines = engines();
    let nobody = Place::new();
    let mut server = teal()
        .between(engines[0].address, engines[1].address)
        .with("--etcd", &format!("http://{}", nobody.text()))
        .start();
    server.wait_for("Waiting for etcd", 1, SOON);
    server.signal("TERM");
    assert_eq!(server.wait(Duration::from_secs(5)).code(), Some(0), "{}", server.output());
}

#[test]
fn a_killed_instance_delays_a_switch_briefly() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let [server, killed] = ["web-1", "web-2"].map(|name| instance(name, &etcd, &engines).run());
    server.operate(&["switch"]).done();
    killed.signal("KILL");
    let begin = Instant::now();
    let cutover = || server.operate(&["cutover"]).code == Some(0);
    until("cutover", SOON, cutover);
    until("drained", SOON, || view(&server).0 == "STABLE");
    let took = begin.elapsed();
    // A lease may last for a second more than its ttl in etcd, whose clock for leases is coarse.
    assert!(took < TTL + Duration::from_secs(3), "{took:?}");
    assert_eq!(view(&server).1, "green");
    assert_eq!(etcd.instances(), ["web-1"]);
    assert_eq!(ask(&server, "/readyz").0, 200);
}
