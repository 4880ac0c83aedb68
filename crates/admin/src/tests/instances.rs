//! A switch that instances share: the state lists them, and commands wait for them.

use std::time::Duration;

use switch::etcd::{Prefix, Store, Task};
use teal_etcd::simulated::Etcd;
use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TTL: Duration = Duration::from_secs(10);

async fn share(etcd: &Etcd, switch: &Switch, name: &str) -> Task {
    let store = Store::new(etcd.client(etcd.settings()), Prefix::new("teal/").unwrap());
    switch.share(store, name, TTL).await.unwrap()
}

#[tokio::test]
async fn one_instance_alone_lists_none() {
    let (_, state) = Bench::new(still()).get("/api/v1/state").await;
    for name in ["instances", "agreed", "etcd"] {
        assert!(state.get(name).is_none(), "{state}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_state_lists_the_instances() {
    let etcd = Etcd::new(1);
    let bench = Bench::new(still());
    let _task = share(&etcd, &bench.switch, "web-1").await;
    let other = Switch::new(Rules { grace: SECOND * 9, ..still() }).0;
    let task = share(&etcd, &other, "web-2").await;
    other.store().unwrap().set_admin(Some("10.0.0.2:50061".to_owned()));
    sleep(SECOND * 3).await;
    let (status, state) = bench.get("/api/v1/state").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(state["agreed"], json!({"open": 2, "telling": 2, "of": 2}));
    assert_eq!(
        (state["etcd"]["state"].as_str(), state["etcd"]["lag_seconds"].as_f64()),
        (Some("live"), Some(0.0))
    );
    assert!(state["etcd"]["lease_seconds"].as_f64().unwrap() > 5.0, "{state}");
    let there = json!({
        "name": "web-2", "id": state["instances"][1]["id"], "version": env!("CARGO_PKG_VERSION"), "admin": "10.0.0.2:50061",
        "live": true, "epoch": 1, "stage": "closing", "quiet": false, "requests": 0, "here": false, "waited_for": false,
        "differs": ["grace"],
    });
    assert_eq!(state["instances"][1], there);
    assert_eq!(
        (state["instances"][0]["name"].as_str(), &state["instances"][0]["here"]),
        (Some("web-1"), &json!(true))
    );

    drop(task);
    assert_eq!(bench.post("/api/v1/switch", "{}").await.0, StatusCode::OK);
    let (status, answer) = bench.post("/api/v1/cutover", "{}").await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "waiting"));
    let why = "instance web-2 is still in epoch 1 (its lease ends in 5 s at the latest)";
    assert_eq!(message(&answer), why);
    let (_, state) = bench.get("/api/v1/state").await;
    assert_eq!(state["agreed"], json!({"open": 1, "telling": 0, "of": 2}));
    assert_eq!(state["instances"][1]["waited_for"], true);
    sleep(TTL).await;
    assert_eq!(bench.post("/api/v1/cutover", "{}").await.0, StatusCode::OK);
    let (_, state) = bench.get("/api/v1/state").await;
    assert_eq!((&state["instances"][1]["live"], &state["agreed"]["of"]), (&json!(false), &json!(1)));
    let (_, events) = bench.get("/api/v1/events").await;
    let gone =
        events["events"].as_array().unwrap().iter().find(|event| event["kind"] == "instance_gone").unwrap();
    assert_eq!((&gone["instance"], &gone["why"]), (&json!("web-2"), &json!("lease")));
    let kinds: Vec<_> =
        events["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str()).collect();
    for kind in ["instance_joined", "waiting", "instance_gone", "agreed"] {
        assert!(kinds.contains(&Some(kind)), "{kind} is not in {kinds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_has_failed_is_not_alive() {
    let etcd = Etcd::new(1);
    let bench = Bench::new(still());
    let task = share(&etcd, &bench.switch, "web-1").await;
    assert_eq!(bench.get("/livez").await.0, StatusCode::OK);
    drop(task);
    sleep(SECOND).await;
    let (status, answer) = bench.get("/livez").await;
    assert_eq!((status, code(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "failed"));
    assert_eq!(message(&answer), "what follows etcd has ended by a fault: expected a restart");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_leaves_is_alive() {
    let etcd = Etcd::new(1);
    let bench = Bench::new(still());
    let _task = share(&etcd, &bench.switch, "web-1").await;
    bench.switch.store().unwrap().leave(SECOND).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(bench.get("/livez").await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn commands_to_a_lost_instance_are_refused() {
    let etcd = Etcd::new(1);
    let bench = Bench::new(still());
    let _task = share(&etcd, &bench.switch, "web-1").await;
    sleep(SECOND).await;
    etcd.stop(0);
    sleep(TTL).await;
    let (status, answer) = bench.post("/api/v1/switch", "{}").await;
    assert_eq!((status, code(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "lost_etcd"));
    let (_, state) = bench.get("/api/v1/state").await;
    assert_eq!(
        (state["etcd"]["state"].as_str(), &state["instances"][0]["live"]),
        (Some("cut_off"), &json!(false))
    );
}
