//! Which member is asked, and what is asked twice.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{SOON, World, both};
use crate::{Error, Op, Outcome, Range, Retry, Settings, Txn, members::Attempts, simulated::Etcd};

both! {
    Start::Own(3, &[]) => dead_member_is_left_aside silent_member_is_left_aside killed_leader_is_survived;
}

async fn dead_member_is_left_aside(world: World) {
    let dead = (world.leader().await + 1) % 3;
    world.kill(dead);
    let client = world.client_of(dead);
    for _ in 0..50 {
        let txn = Txn::new().then(Op::put("a", ""));
        client.txn(&txn, Retry::IfNotApplied).await.expect("nothing is sent to the dead one");
    }
    let status = client.status(dead).await.expect_err("it is dead");
    assert!(matches!(status, Error::Unreachable { .. }), "{status:?}");
    world.start(dead);
    let only = Settings { members: vec![world.settings().members[dead].clone()], ..world.settings() };
    world.client_with(only).within(SOON).range(&Range::new("a")).await.expect("it is back");
}

async fn silent_member_is_left_aside(world: World) {
    let silent = (world.leader().await + 1) % 3;
    world.stop(silent);
    let attempt = Duration::from_millis(500);
    let client = world.client_with(Settings { first: silent, attempt, ..world.settings() }).within(SOON);
    let outcome = client.txn(&Txn::new().then(Op::put("a", "")), Retry::Idempotent).await;
    assert!(outcome.expect("another one answers").repeated, "the silent one may have applied it");
    let members = &client.shared().members;
    assert_ne!(members.next(&Attempts::new(members)), Some(silent), "another one is asked next");
    client.put("a", "", 0).await.expect("another one answers");
    world.resume(silent);
    let only = Settings { members: vec![world.settings().members[silent].clone()], ..world.settings() };
    world.client_with(only).within(SOON).range(&Range::new("a")).await.expect("it is back");
}

async fn killed_leader_is_survived(world: World) {
    let leader = world.leader().await;
    let client = world.client_of(leader).within(SOON);
    client.put("a", "0", 0).await.expect("it is put");
    world.kill(leader);
    for value in 1..=20 {
        client.put("a", value.to_string(), 0).await.expect("it is put in the end");
    }
    let page = client.range(&Range::new("a")).await.expect("it is read");
    assert_eq!(page.entries[0].value, "20");
    assert_ne!(world.leader().await, leader);
}

#[tokio::test(start_paused = true)]
async fn unanswered_txn_is_not_sent_again() {
    let etcd = Etcd::new(3);
    let client = etcd.client(Settings { first: 1, ..etcd.settings() });
    etcd.lose_answers(1, 1);
    let txn = Txn::new().then(Op::put("a", ""));
    let error = client.txn(&txn, Retry::IfNotApplied).await.expect_err("there is no answer");
    let within = etcd.settings().deadline;
    assert_eq!(error, Error::Unanswered { member: etcd.settings().members[1].clone(), within });
    assert!(error.may_have_applied() && error.is_outage());
    etcd.stop(1);
    let began = Instant::now();
    let page = client.range(&Range::new("a")).await.expect("it is read");
    assert_eq!(page.entries[0].version, 1);
    assert!(began.elapsed().is_zero(), "the silent one is left aside");
}

/// Sends a txn to a member that dies between applying and answering it.
async fn broken(retry: Retry) -> (Result<Outcome, Error>, i64) {
    let etcd = Etcd::new(3);
    let client = etcd.client(Settings { first: 1, ..etcd.settings() });
    etcd.delay(1, Duration::from_millis(100));
    let txn = Txn::new().then(Op::put("a", ""));
    let (outcome, ()) = tokio::join!(client.txn(&txn, retry), async {
        sleep(Duration::from_millis(150)).await;
        etcd.kill(1);
    });
    let page = client.range(&Range::new("a")).await.expect("it is read");
    (outcome, page.entries[0].version)
}

#[tokio::test(start_paused = true)]
async fn broken_txn_is_sent_again_if_idempotent() {
    let (outcome, version) = broken(Retry::IfNotApplied).await;
    let error = outcome.expect_err("it may have been applied");
    assert!(matches!(error, Error::Broken { .. }) && error.may_have_applied(), "{error:?}");
    assert_eq!(version, 1);
    let (outcome, version) = broken(Retry::Idempotent).await;
    assert!(outcome.expect("the next one answers").repeated);
    assert_eq!(version, 2);
}

#[tokio::test(start_paused = true)]
async fn idempotent_txn_is_sent_again() {
    let etcd = Etcd::new(3);
    let client = etcd.client(etcd.settings());
    etcd.lose_answers(0, 1);
    let began = Instant::now();
    let outcome = client.txn(&Txn::new().then(Op::put("a", "")), Retry::Idempotent).await;
    assert!(outcome.expect("the second one answers").repeated);
    assert_eq!(began.elapsed(), etcd.settings().attempt);
    assert_eq!(client.range(&Range::new("a")).await.expect("it is read").entries[0].version, 2);
}

#[tokio::test(start_paused = true)]
async fn lone_silent_member_is_asked_again() {
    let etcd = Etcd::new(1);
    let client = etcd.client(etcd.settings());
    etcd.lose_answers(0, 1);
    let outcome = client.txn(&Txn::new().then(Op::put("a", "")), Retry::Idempotent).await;
    assert!(outcome.expect("it answers on another connection").repeated);
}

#[tokio::test(start_paused = true)]
async fn silent_member_costs_half_the_time() {
    let etcd = Etcd::new(2);
    let client = etcd.client(etcd.settings());
    let members = &client.shared().members;
    let attempt = etcd.settings().attempt;
    let mut attempts = Attempts::new(members);
    let name = || "a".to_owned();
    attempts.failed(0, Error::Unanswered { member: name(), within: attempt });
    for _ in 0..3 {
        assert_eq!(members.next(&attempts), Some(1));
        attempts.failed(1, Error::NoLeader { member: name() });
        assert_eq!(members.next(&attempts), None);
        attempts.again(attempt);
    }
    sleep(attempt).await;
    attempts.failed(1, Error::NoLeader { member: name() });
    attempts.again(attempt);
    assert_eq!(members.next(&attempts), Some(0));
    assert_eq!(attempts.patience(attempt), attempt);
    (0..2).for_each(|index| attempts.failed(index, Error::Unanswered { member: name(), within: attempt }));
    attempts.again(attempt);
    assert_eq!(members.next(&attempts), Some(0));
    assert_eq!(attempts.patience(attempt), attempt * 2);
}

#[tokio::test(start_paused = true)]
async fn slow_etcd_is_given_more_time() {
    let etcd = Etcd::new(3);
    let client = etcd.client(etcd.settings()).within(Duration::from_secs(60));
    // An answer takes longer than the first two attempts at each.
    (0..3).for_each(|member| etcd.delay(member, etcd.settings().attempt));
    client.range(&Range::new("a")).await.expect("it answers in time");
}

#[tokio::test(start_paused = true)]
async fn refusal_after_silence_may_have_applied() {
    let etcd = Etcd::new(2);
    let client = etcd.client(etcd.settings());
    etcd.lose_answers(0, 1);
    let txn = Txn::new().then(Op::put("a", ""));
    let (outcome, ()) = tokio::join!(client.txn(&txn, Retry::Idempotent), async {
        sleep(Duration::from_millis(100)).await;
        etcd.set_full(true);
    });
    let error = outcome.expect_err("it is full");
    assert!(error.may_have_applied(), "{error:?}");
    assert!(matches!(error.last(), Error::NoSpace { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn unsent_txn_goes_to_the_next() {
    let etcd = Etcd::new(3);
    let client = etcd.client(Settings { first: 1, ..etcd.settings() });
    etcd.kill(1);
    let outcome = client.txn(&Txn::new().then(Op::put("a", "")), Retry::IfNotApplied).await;
    assert!(!outcome.expect("the next one answers").repeated);
    etcd.isolate(2);
    let client = etcd.client(Settings { first: 2, ..etcd.settings() }).within(SOON);
    etcd.start(1);
    let outcome = client.txn(&Txn::new().then(Op::put("a", "")), Retry::IfNotApplied).await;
    assert!(!outcome.expect("one without a leader applies nothing").repeated);
}

#[tokio::test(start_paused = true)]
async fn member_that_answers_is_asked_again() {
    let etcd = Etcd::new(3);
    let client = etcd.client(etcd.settings());
    etcd.kill(0);
    client.put("a", "", 0).await.expect("the next one answers");
    etcd.start(0);
    // Whoever asked the first one again would wait for it.
    etcd.stop(0);
    let began = Instant::now();
    client.within(SOON).put("a", "", 0).await.expect("the next one answers");
    assert!(began.elapsed() < etcd.settings().attempt + crate::simulated::ELECTION * 2);
}
