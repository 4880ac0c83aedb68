//! An instance joins, leaves, and is killed.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use super::{
    Etcd, GRACE, SOON, TTL, ask, bare, between, engines, etcd::until, instance, is_ready, state, view,
};
use crate::support::{Place, Server, answer, call, command, engine, send, teal};

#[test]
fn old_etcd_is_warned_of() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let server = instance("web-1", &etcd, &engines).run();
    assert_eq!(etcd.instances("teal/"), ["web-1"]);
    // Debian 12 has 3.4.23.
    let warned = server.lines_with("has known faults: expected 3.");
    assert_eq!(warned.len(), usize::from(etcd.is_old()), "{}", server.output());
    assert!(warned.iter().all(|line| line.contains("WARN")), "{warned:?}");
    assert!(is_ready(&server));
}

/// Two switches that were given one prefix by mistake are seen by that.
#[test]
fn other_engines_under_one_prefix_are_warned_of() {
    let Some(etcd) = Etcd::start(1) else { return };
    let ([blue, green], [_, other]) = (engines(), engines());
    let engines = [blue, green];
    let one = instance("web-1", &etcd, &engines).run();
    let engines = [&engines[0], &other];
    let two = between("web-2", &etcd, engines).run();
    for (server, to) in [(&one, "web-2"), (&two, "web-1")] {
        let line = server.wait_for(&format!("Settings differ from {to}: green"), 1, SOON).remove(0);
        assert!(line.contains("WARN"), "{line}");
    }
    let seen = state(&one)["instances"].to_string();
    assert!(seen.contains(&two.admin().to_string()), "{seen}");
}

/// Pods listen on all addresses, and would look alike.
#[test]
fn an_instance_on_all_addresses_has_a_name() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let token = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/admin-token");
    let server = bare("web-1", &etcd.urls(), engines.each_ref()).with("--admin", "0.0.0.0:0");
    let server = server.with("--admin-token-file", token).run();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("the host has a name");
    let at = format!(" {}:{} ", host.trim(), server.admin().port());
    let admin = format!("127.0.0.1:{}", server.admin().port());
    let args = ["instances", "--admin", &admin, "--admin-token-file", token];
    until(&at, SOON, || command().args(&args).run().done().contains(&at));
}

#[test]
fn sigterm_leaves_at_once() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let mut servers = ["web-1", "web-2"].map(|name| instance(name, &etcd, &engines).run());
    assert_eq!(etcd.instances("teal/"), ["web-1", "web-2"]);
    assert_eq!(servers[0].end("TERM", SOON).code(), Some(0), "{}", servers[0].output());
    // The key is gone before the process is.
    assert_eq!(etcd.instances("teal/"), ["web-2"]);
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
    assert!(etcd.instances("teal/").is_empty());
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

/// Kills one of two instances after these commands, and takes the switch to its end: how long that took.
fn killed_after(before: &[&str], etcd: &Etcd, engines: &[Server; 2]) -> Duration {
    let prefix = format!("after-{}/", before.len());
    let start = |name| instance(name, etcd, engines).with("--etcd-prefix", &prefix).run();
    let [server, killed] = ["web-1", "web-2"].map(start);
    let order = |command: &str| server.operate(&[command]).code == Some(0);
    assert!(before.iter().all(|command| order(command)), "{}", server.output());
    killed.signal("KILL");
    let begin = Instant::now();
    for command in ["switch", "cutover"].iter().skip(before.len()) {
        until(command, SOON, || order(command));
    }
    until("drained", SOON, || view(&server).0 == "STABLE");
    let took = begin.elapsed();
    assert_eq!((view(&server).1.as_str(), is_ready(&server)), ("green", true));
    assert_eq!(etcd.instances(&prefix), ["web-1"]);
    took
}

#[test]
fn a_killed_instance_delays_a_switch_briefly() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let cases: [&[&str]; 3] = [&[], &["switch"], &["switch", "cutover"]];
    let took = thread::scope(|scope| {
        let threads = cases.map(|before| scope.spawn(|| killed_after(before, &etcd, &engines)));
        threads.map(|thread| thread.join().expect("it ends"))
    });
    assert!(took.iter().all(|took| *took < TTL + GRACE + Duration::from_secs(1)), "{took:?}");
}

#[test]
fn a_stopped_instance_wakes_up_cut_off() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let [server, stopped] = ["web-1", "web-2"].map(|name| instance(name, &etcd, &engines).run());
    stopped.signal("STOP");
    server.operate(&["switch"]).done();
    until("cutover", SOON, || server.operate(&["cutover"]).code == Some(0));
    until("drained", SOON, || view(&server).0 == "STABLE");
    let call = |strategy: &'static str| {
        let address = stopped.address;
        thread::spawn(move || {
            let metadata = [("authorization", "Bearer someone"), ("strategy", strategy)];
            call(address, "getSchemaNames", &metadata, Vec::new(), SOON)
        })
    };
    // They are judged as soon as it wakes.
    let calls = ["blue"; 4].map(call);
    stopped.signal("CONT");
    until("ready again", Duration::from_secs(3), || is_ready(&stopped));
    for call in calls {
        let refused = call.join().expect("it ends").expect_err("blue is not served any more");
        let is_said =
            ["teal web-2 has lost etcd", "status: 456"].map(|text| refused.message().contains(text));
        assert!(is_said[0] || is_said[1], "{refused:?}");
    }
    assert_eq!(view(&stopped), view(&server));
    assert!(call("green").join().expect("it ends").is_ok());
    assert_eq!(etcd.instances("teal/"), ["web-1", "web-2"]);
}

#[test]
fn who_alone_misses_an_engine_is_unready() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let mut lost = engine().run();
    lost.end("KILL", SOON);
    let one = instance("web-1", &etcd, &engines).with("--failover", "1h").run();
    let other = between("web-2", &etcd, [&engines[0], &lost]).with("--failover", "1h").run();
    until("503", SOON, || !is_ready(&other));
    let (status, why) = ask(&other, "/readyz");
    assert!(status == 503 && why.contains("only this instance cannot reach the engine of green"), "{why}");
    assert!(is_ready(&one));
}
