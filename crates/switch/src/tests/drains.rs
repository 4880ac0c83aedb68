//! When a drain is over.

use protocol::Strategy::{Blue, Green};

use super::*;

/// In `DRAINING`, with green active.
fn draining(set: impl FnOnce(&mut Rules), before: impl FnOnce(&Switch)) -> Switch {
    let switch = switch(set);
    before(&switch);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    switch
}

#[tokio::test(start_paused = true)]
async fn a_silent_drain_lasts_the_grace() {
    let switch = draining(|_| {}, |_| {});
    pass(millis(4_999)).await;
    assert_eq!(switch.phase(), (Draining, Green));
    pass(millis(1)).await;
    assert_eq!(switch.phase(), (Stable, Green));
}

#[tokio::test(start_paused = true)]
async fn queries_of_the_old_strategy_hold_drains() {
    let switch = draining(|_| {}, |switch| switch.begin("a", BLUE));
    pass(secs(100)).await;
    assert_eq!(switch.phase(), (Draining, Green));
    switch.end("a");
    pass(millis(4_999)).await;
    assert_eq!(switch.phase(), (Draining, Green));
    pass(millis(1)).await;
    assert_eq!(switch.phase(), (Stable, Green));
}

#[tokio::test(start_paused = true)]
async fn requests_of_the_old_strategy_restart_grace() {
    let switch = draining(|_| {}, |_| {});
    pass(secs(4)).await;
    let neutral = switch.call(NEUTRAL, BLUE);
    pass(secs(20)).await;
    assert_eq!(switch.phase(), (Draining, Green), "in progress");
    neutral.answered(true);
    pass(millis(4_999)).await;
    assert_eq!(switch.phase(), (Draining, Green), "answered less than a grace ago");
    pass(millis(1)).await;
    assert_eq!(switch.phase(), (Stable, Green));
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_does_not_hold_the_drain() {
    let switch = draining(|_| {}, |_| {});
    pass(secs(4)).await;
    assert!(!switch.is_let_in(BEGIN, BLUE));
    pass(secs(1)).await;
    assert_eq!(switch.phase(), (Stable, Green));
}

#[tokio::test(start_paused = true)]
async fn requests_of_the_active_strategy_hold_nothing() {
    let switch = draining(|_| {}, |_| {});
    switch.begin("new", GREEN);
    let _open = switch.call(NEUTRAL, GREEN);
    pass(secs(5)).await;
    assert_eq!(switch.phase(), (Stable, Green));
}

#[tokio::test(start_paused = true)]
async fn begins_in_progress_at_cutover_hold_the_drain() {
    let switch = switch(|_| {});
    let mut begin = switch.call(BEGIN, BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    pass(secs(30)).await;
    begin.begun("late");
    begin.answered(true);
    pass(secs(30)).await;
    assert_eq!(switch.phase(), (Draining, Green));
    assert!(switch.is_let_in(continues("late"), BLUE));
}

#[tokio::test(start_paused = true)]
async fn after_drain_timeout_the_rest_follows_its_header() {
    let switch = draining(
        |_| {},
        |switch| {
            switch.begin("a", BLUE);
            switch.begin("b", BLUE);
        },
    );
    let mut begin = switch.call(continues("a"), BLUE);
    pass(millis(299_999)).await;
    assert_eq!(switch.phase(), (Draining, Green));
    pass(millis(1)).await;
    assert_eq!(switch.phase(), (Stable, Green));
    assert_eq!((switch.queries(Blue), switch.snapshot().forgotten), (0, 2));
    assert!(!switch.is_let_in(continues("a"), BLUE));
    assert!(switch.is_let_in(continues("b"), GREEN));
    begin.begun("ignored");
    begin.answered(true);
    assert_eq!(switch.snapshot().requests, [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn begins_that_outlast_their_drain_are_unrecorded() {
    let switch = switch(|_| {});
    let mut begin = switch.call(BEGIN, BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    pass(secs(300)).await;
    assert_eq!(switch.phase(), (Stable, Green));
    begin.begun("late");
    begin.answered(true);
    assert_eq!(switch.queries(Blue), 0);
    assert!(!switch.is_let_in(continues("late"), BLUE));
}

#[tokio::test(start_paused = true)]
async fn a_drain_timeout_of_0_is_never() {
    let switch = draining(|rules| rules.drain_timeout = None, |switch| switch.begin("a", BLUE));
    for _ in 0..3 {
        switch.call(continues("a"), BLUE).answered(true);
        pass(secs(3599)).await;
    }
    assert_eq!(switch.phase(), (Draining, Green));
}

#[tokio::test(start_paused = true)]
async fn after_aborts_queries_of_both_hold_drains() {
    let switch = switch(|_| {});
    switch.begin("a", BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Abort).unwrap();
    switch.begin("after", BLUE);
    pass(secs(100)).await;
    assert_eq!(switch.phase(), (Draining, Blue));
    switch.end("after");
    pass(secs(100)).await;
    assert_eq!(switch.phase(), (Draining, Blue));
    switch.end("a");
    pass(millis(4_999)).await;
    assert_eq!(switch.phase(), (Draining, Blue));
    pass(millis(1)).await;
    assert_eq!(switch.phase(), (Stable, Blue));
}

#[tokio::test(start_paused = true)]
async fn after_aborts_begins_in_progress_hold_the_drain() {
    let switch = switch(|_| {});
    let begin = switch.call(BEGIN, BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Abort).unwrap();
    pass(secs(100)).await;
    assert_eq!(switch.phase(), (Draining, Blue));
    drop(begin);
    pass(secs(5)).await;
    assert_eq!(switch.phase(), (Stable, Blue));
}

#[tokio::test(start_paused = true)]
async fn after_rollbacks_queries_of_both_hold_drains() {
    let switch = draining(|_| {}, |switch| switch.begin("blue", BLUE));
    switch.begin("green", GREEN);
    switch.operate(Command::Rollback).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    assert_eq!(switch.phase(), (Draining, Blue));
    switch.end("green");
    pass(secs(100)).await;
    assert_eq!(switch.phase(), (Draining, Blue));
    switch.end("blue");
    pass(secs(5)).await;
    assert_eq!(switch.phase(), (Stable, Blue));
}

#[tokio::test(start_paused = true)]
async fn cutovers_withhold_nothing_of_the_active_strategy() {
    let switch = switch(|_| {});
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.begin("green", GREEN);
    switch.operate(Command::Cutover { force: false }).unwrap();
    pass(secs(5)).await;
    assert_eq!(switch.phase(), (Stable, Green));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_query_lets_the_drain_end() {
    let switch = draining(|rules| rules.query_ttl = secs(60), |switch| switch.begin("a", BLUE));
    pass(secs(60)).await;
    assert_eq!(switch.queries(Blue), 0);
    assert_eq!(switch.phase(), (Draining, Green));
    pass(secs(5)).await;
    assert_eq!(switch.phase(), (Stable, Green));
}
