//! How keys of the record stay, and go, by age and number.

use std::time::Duration;

use protocol::{
    CallKind,
    Strategy::{self, Blue, Green},
};
use teal_etcd::{Settings, simulated::Etcd};
use tokio::time::{sleep, timeout};

use super::{SOON, World, both, store, switch::Instance, switch::rules};
use crate::{
    Arrival, Cutover, Header, OVERFULL, PhaseName, Rules, StrategyMismatch,
    course::TransitionKind,
    etcd::{MAX_DELETED, Rejected, Store},
    queries::Key,
};

const TTL: Duration = Duration::from_secs(400);
const QUARTER: Duration = Duration::from_secs(100);
const SECOND: Duration = Duration::from_secs(1);

fn with_ttl() -> Rules {
    Rules { query_ttl: TTL, ..rules() }
}

fn at(etcd: &Etcd) -> Store {
    store(&etcd.client(Settings { first: 0, ..etcd.settings() }), "teal/")
}

async fn keys(etcd: &Etcd) -> u64 {
    let store = at(etcd);
    let revision = store.read().await.expect("it is read").revision;
    store.count(revision).await.expect("it is counted")
}

/// Waits until so many queries have keys.
async fn come_to(etcd: &Etcd, expected: u64) {
    timeout(SOON, async {
        while keys(etcd).await != expected {
            sleep(SECOND / 10).await;
        }
    })
    .await
    .expect("it comes to that");
}

/// What becomes of a call with the wrong header about a query that is not on record.
fn off_the_record() -> Result<Strategy, Rejected> {
    Err(Rejected::Mismatch(StrategyMismatch { expected: Blue }))
}

#[tokio::test(start_paused = true)]
async fn known_query_goes_on_without_the_lock() {
    let etcd = Etcd::new(1);
    let one = Instance::start(at(&etcd), "web-1", rules()).await;
    let two = Instance::start(at(&etcd), "web-2", rules()).await;
    one.begin(Blue, "a").await.expect("it begins");
    sleep(SECOND).await;
    let held = two.switch.lock();
    for kind in [CallKind::Continue, CallKind::End] {
        let arrival = Arrival { kind, query: Some("a"), header: Header::Names(Green) };
        let guard = two.switch.pass_by(arrival).expect("it is in the copy");
        assert_eq!(guard.strategy(), Blue);
        std::mem::forget(guard);
    }
    drop(held);
    assert_eq!(two.switch.on_record(9, None).0[0].requests, 2);
}

#[tokio::test(start_paused = true)]
async fn query_in_use_is_put_again() {
    let etcd = Etcd::new(1);
    let one = Instance::start(at(&etcd), "web-1", with_ttl()).await;
    let two = Instance::start(at(&etcd), "web-2", with_ttl()).await;
    one.begin(Blue, "a").await.expect("it begins");
    one.begin(Blue, "idle").await.expect("it begins");
    // Only the instance that is not the eldest is asked about it.
    for _ in 0..20 {
        sleep(QUARTER).await;
        assert_eq!(two.call(CallKind::Continue, Green, "a").await, Ok(Blue));
    }
    assert_eq!(keys(&etcd).await, 1, "the other one was not used for five quarters");
    assert_eq!(two.call(CallKind::Continue, Green, "idle").await, off_the_record());
    let revision = etcd.revision();
    assert_eq!(two.call(CallKind::Continue, Green, "a").await, Ok(Blue));
    sleep(SECOND).await;
    assert!(etcd.revision() <= revision + 1, "it was put a moment ago");
}

#[tokio::test(start_paused = true)]
async fn call_in_progress_keeps_its_query() {
    let etcd = Etcd::new(1);
    let one = Instance::start(at(&etcd), "web-1", with_ttl()).await;
    let two = Instance::start(at(&etcd), "web-2", with_ttl()).await;
    one.begin(Blue, "a").await.expect("it begins");
    sleep(SECOND).await;
    let long = two.arrive(CallKind::Continue, Some(Blue), Some("a")).await.expect("it is let in");
    sleep(TTL * 10).await;
    assert_eq!(keys(&etcd).await, 1);
    long.answered(true);
    sleep(TTL * 2).await;
    assert_eq!(keys(&etcd).await, 0);
    assert!(one.switch.on_record(9, None).0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn least_recent_go_when_there_are_too_many() {
    const MAX: usize = 200;
    let etcd = Etcd::new(1);
    let rules = Rules { max_queries: MAX, ..rules() };
    let one = Instance::start(at(&etcd), "web-1", rules.clone()).await;
    let two = Instance::start(at(&etcd), "web-2", rules).await;
    for number in 0..MAX {
        one.begin(Blue, &format!("old-{number}")).await.expect("it begins");
        sleep(SECOND / 100).await;
    }
    sleep(SECOND).await;
    two.call(CallKind::Continue, Blue, "old-0").await.expect("it is on record");
    let used = one.arrive(CallKind::Continue, None, Some("old-1")).await.expect("it is on record");
    for number in 0..MAX + MAX_DELETED {
        one.begin(Blue, &format!("new-{number}")).await.expect("it begins");
        sleep(SECOND / 1000).await;
    }
    come_to(&etcd, MAX as u64).await;
    used.answered(true);
    assert_eq!(one.call(CallKind::Continue, Green, "old-1").await, Ok(Blue), "it was in use");
    assert_eq!(one.call(CallKind::Continue, Green, "old-2").await, off_the_record());
    let (last, total) = (format!("new-{}", MAX + MAX_DELETED - 1), one.switch.on_record(0, None).1);
    assert_eq!(one.call(CallKind::Continue, Green, &last).await, Ok(Blue));
    assert!(total >= MAX, "{total}");
}

#[tokio::test(start_paused = true)]
async fn begins_fail_when_the_record_is_overfull() {
    let etcd = Etcd::new(1);
    let rules = Rules { max_queries: 2, ..rules() };
    let one = Instance::start(at(&etcd), "web-1", rules).await;
    // The eldest is away: nobody deletes.
    let mut calls = Vec::new();
    for number in 0..2 * OVERFULL {
        let id = format!("q{number}");
        one.begin(Blue, &id).await.expect("it begins");
        calls.push(one.arrive(CallKind::Continue, None, Some(&id)).await.expect("it keeps its query"));
    }
    let mut begin = one.arrive(CallKind::Begin, None, None).await.expect("it is let in");
    let refused = begin.record("one-more").expect("it is shared").await;
    assert_eq!(refused, Err("too many queries on record: expected less than 8".to_owned()));
    drop((begin, calls));
    come_to(&etcd, 2).await;
    one.begin(Blue, "again").await.expect("it begins");
}

/// What a drain's timeout abandons is off the record at once, and its keys go later.
#[tokio::test(start_paused = true)]
async fn closed_queries_are_deleted_later() {
    let etcd = Etcd::new(1);
    let rules = Rules { cutover: Cutover::Drain, drain_timeout: Some(SECOND), ..rules() };
    let one = Instance::start(at(&etcd), "web-1", rules.clone()).await;
    let two = Instance::start(at(&etcd), "web-2", rules).await;
    let all = 3 * MAX_DELETED;
    for number in 0..all {
        one.begin(Blue, &format!("q{number}")).await.expect("it begins");
    }
    one.order(TransitionKind::Announce).await;
    one.order(TransitionKind::CutOver).await;
    two.until(PhaseName::Draining, Green).await;
    assert_eq!(two.call(CallKind::Continue, Green, "q0").await, Ok(Blue));
    two.until(PhaseName::Stable, Green).await;
    assert_eq!(two.switch.on_record(9, None), (Vec::new(), 0));
    assert!(keys(&etcd).await > 0, "there are more than one transaction deletes");
    let last = format!("q{}", all - 1);
    assert_eq!(two.call(CallKind::Continue, Green, &last).await, Ok(Green));
    let refused = two.call(CallKind::Continue, Blue, "q1").await;
    assert_eq!(refused, Err(Rejected::Mismatch(StrategyMismatch { expected: Green })));
    // The call under green was a query of its own since then.
    come_to(&etcd, 1).await;
}

both! { key_that_was_put_again_stays }

async fn key_that_was_put_again_stays(world: World) {
    let one = Instance::start(world.store.clone(), "web-1", rules()).await;
    one.begin(Blue, "a").await.expect("it begins");
    let own = one.switch.store().expect("it is shared").own().expect("it is live");
    let (_, listed, _) = world.store.list().await.expect("it is listed");
    let [(id, query, modified)] = &listed[..] else { panic!("{listed:?}") };
    let stale = Key { query: *query, modified: modified - 1, is_seen: true };
    world.store.delete(own, &[(id.clone(), stale)]).await.expect("etcd answers");
    assert_eq!(world.store.list().await.expect("it is listed").1, listed);
    world
        .store
        .delete(own, &[(id.clone(), Key { modified: *modified, ..stale })])
        .await
        .expect("etcd answers");
    assert!(world.store.list().await.expect("it is listed").1.is_empty());
}
