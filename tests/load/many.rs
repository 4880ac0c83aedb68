//! Instances on three members of etcd, before two engines, of which each part is killed or stopped under load.

#[path = "../it/many/balancer.rs"]
mod balancer;
#[allow(dead_code, reason = "the other tests of several instances use the rest of it")]
#[path = "../it/many/etcd.rs"]
mod etcd;

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use self::{
    balancer::{HAPROXY, balancer},
    etcd::{Etcd, until},
};
use crate::support::{Place, Rehearsed, Server, alone, has, rehearse_at, teal};

const SOON: Duration = Duration::from_secs(60);
/// A query waits no longer where etcd loses its leader.
const LEADERLESS: Duration = Duration::from_secs(5);
/// A rehearsal ends before that, once all that is to happen has happened.
const LONGEST: &str = "10m";
const SWITCHED: &str = "Strategy switched from ";
/// The status of a query that died with its engine.
const NOT_FOUND: u64 = 5;

struct Stage {
    etcd: Etcd,
    engines: [Place; 2],
    doors: [[Place; 2]; 3],
}

impl Stage {
    fn engine(&self, number: usize) -> Server {
        teal().with("--gate", "off").with("--sessions", "any").listen(&self.engines[number].text()).run()
    }

    fn instance(&self, number: usize, ttl: &str) -> Server {
        let [listen, admin] = &self.doors[number];
        teal()
            .listen(&listen.text())
            .with("--admin", &admin.text())
            .between(self.engines[0].address, self.engines[1].address)
            .with("--etcd", &self.etcd.urls())
            .with("--instance", &format!("web-{number}"))
            .with("--instance-ttl", ttl)
            .with("--drain-timeout", "4s")
            .with("--query-ttl", "8s")
            .switch_every("0")
            .notice("100ms")
            .grace("200ms")
            .run()
    }
}

fn view(server: &Server) -> (Value, Value, Value) {
    let state: Value = serde_json::from_str(&server.get("/api/v1/state")).expect("the state is JSON");
    (state["phase"].clone(), state["active"].clone(), state["epoch"].clone())
}

/// Waits until the switch has moved on twice.
fn moves_on(server: &Server) {
    let so_far = server.lines_with(SWITCHED).len();
    server.wait_for(SWITCHED, so_far + 2, SOON);
}

/// Each leader of etcd is killed in turn, and what the watches have not read yet is compacted away.
#[test]
fn queries_survive_killed_leaders_and_compaction() {
    let Some(etcd) = Etcd::start(3) else { return };
    let _alone = alone();
    let places = || [Place::new(), Place::new()];
    let mut stage = Stage { etcd, engines: places(), doors: [places(), places(), places()] };
    let _engines = [0, 1].map(|number| stage.engine(number));
    let servers = [0, 1].map(|number| stage.instance(number, "10s"));
    let (process, json) = rehearse_at(servers[0].address)
        .with("--admin", &format!("http://{}", servers[0].admin()))
        .with("--clients", "16")
        .with("--duration", LONGEST)
        .with("--switch-every", "1s")
        .with("--log-level", "error")
        .start();
    for _ in 0..3 {
        moves_on(&servers[0]);
        stage.etcd.compact();
        stage.etcd.kill_leader();
        stage.etcd.compact();
    }
    moves_on(&servers[0]);
    process.signal("INT");
    let rehearsed = Rehearsed::of(process, &json);
    rehearsed.keeps_promises();
    assert_eq!(rehearsed.report["failures"], serde_json::json!([]), "{}", rehearsed.output);
    let longest = Duration::from_micros(rehearsed.number("/longest_query"));
    assert!(longest < LEADERLESS, "{longest:?}: {}", rehearsed.output);
}

/// Behind a balancer that deals out single calls an instance and an engine are killed, each member of etcd is stopped, and
/// an instance is stopped for longer than its lease.
#[test]
fn instances_keep_the_promises_in_chaos() {
    if !has(HAPROXY, "haproxy") {
        return;
    }
    let Some(etcd) = Etcd::start(3) else { return };
    let _alone = alone();
    let places = || [Place::new(), Place::new()];
    let stage = Stage { etcd, engines: places(), doors: [places(), places(), places()] };
    let mut engines = [0, 1].map(|number| stage.engine(number));
    let mut servers = [0, 1, 2].map(|number| stage.instance(number, "3s"));
    let folder = TempDir::new().expect("there is room for files");
    let (_haproxy, place) = balancer(&servers, &folder);
    let (process, json) = rehearse_at(place.address)
        .with("--admin", &format!("http://{}", servers[0].admin()))
        .with("--clients", "32")
        .with("--duration", LONGEST)
        .with("--switch-every", "1s")
        .arg("--chaos")
        .with("--log-level", "error")
        .start();
    moves_on(&servers[0]);
    servers[2].end("KILL", SOON);
    servers[0].wait_for("Instance web-2 is gone", 1, SOON);
    servers[2] = stage.instance(2, "3s");
    for member in 0..3 {
        stage.etcd.member(member).signal("STOP");
        moves_on(&servers[0]);
        stage.etcd.member(member).signal("CONT");
    }
    engines[0].end("KILL", SOON);
    engines[0] = stage.engine(0);
    servers[1].signal("STOP");
    servers[0].wait_for("Instance web-1 is gone", 1, SOON);
    servers[1].signal("CONT");
    servers[1].wait_for("Back: etcd answers", 1, SOON);
    moves_on(&servers[0]);

    process.signal("INT");
    let rehearsed = Rehearsed::of(process, &json);
    rehearsed.keeps_promises();
    let list = |pointer| rehearsed.report.pointer(pointer).and_then(Value::as_array).expect("a list");
    let is_given_up = list("/story/happened").iter().any(|happened| happened["kind"] == "drain_timed_out");
    for failure in list("/failures").iter().filter(|failure| failure["is_broken"] == false) {
        let message = failure["message"].as_str().unwrap_or_default();
        // What the balancer makes of a call whose instance was killed is no gRPC.
        let is_forgiven = failure["code"] == NOT_FOUND
            || message.starts_with("protocol error: ")
            || message == "teal web-1 has lost etcd"
            || is_given_up && message == "status: 456";
        assert!(is_forgiven, "{failure}\n{}", rehearsed.output);
    }
    assert!(rehearsed.number("/queries/completed") > 100, "{}", rehearsed.output);
    let views = || servers.each_ref().map(view);
    until("all instances agree", SOON, || views().iter().all(|view| *view == views()[0]));
    until("no key of a query is left", SOON, || stage.etcd.keys("teal/queries/").0.is_empty());
    assert_eq!(stage.etcd.instances("teal/"), ["web-0", "web-1", "web-2"]);
}
