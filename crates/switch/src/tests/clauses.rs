//! Who is let in, which strategy a request has, what goes on record, and what a response tells.

use protocol::Strategy::{Blue, Green};

use super::*;

const ALL: [Kind<'static>; 5] = [LOG_IN, BEGIN, continues("unseen"), ends("unseen"), NEUTRAL];

fn let_in(switch: &Switch, header: Header) -> Vec<Kind<'static>> {
    ALL.into_iter().filter(|action| switch.is_let_in(*action, header)).collect()
}

#[tokio::test(start_paused = true)]
async fn each_phase_lets_in_what_the_table_says() {
    let switch = switch(|rules| rules.notice = secs(10));
    assert_eq!(let_in(&switch, BLUE), ALL);
    assert_eq!(let_in(&switch, GREEN), [ends("unseen")]);
    switch.operate(Command::Announce { to: None }).unwrap();
    assert_eq!(let_in(&switch, BLUE), ALL);
    assert_eq!(let_in(&switch, GREEN), ALL);
    switch.operate(Command::Cutover { force: false }).unwrap();
    let all_but_begin: Vec<_> = ALL.into_iter().filter(|action| *action != BEGIN).collect();
    assert_eq!(let_in(&switch, BLUE), all_but_begin);
    assert_eq!(let_in(&switch, GREEN), ALL);
}

#[tokio::test(start_paused = true)]
async fn strict_refuses_ends_of_the_other_strategy() {
    let switch = switch(|rules| rules.cutover = Cutover::Strict);
    assert_eq!(let_in(&switch, BLUE), ALL);
    assert_eq!(let_in(&switch, GREEN), []);
}

#[tokio::test(start_paused = true)]
async fn headers_naming_no_strategy_are_rejected() {
    let switch = switch(|_| {});
    switch.begin("a", BLUE);
    for _ in 0..2 {
        assert_eq!(let_in(&switch, Header::Unknown), []);
        assert!(!switch.is_let_in(continues("a"), Header::Unknown));
        switch.operate(Command::Announce { to: None }).unwrap();
        assert_eq!(let_in(&switch, Header::Unknown), []);
        switch.operate(Command::Cutover { force: false }).unwrap();
        assert_eq!(let_in(&switch, Header::Unknown), []);
        switch.end("a");
        pass(secs(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_active_strategy() {
    let switch = switch(|_| {});
    assert_eq!(switch.try_call(NEUTRAL, GREEN).unwrap_err(), StrategyMismatch { expected: Blue });
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    assert_eq!(switch.try_call(BEGIN, BLUE).unwrap_err(), StrategyMismatch { expected: Green });
}

#[tokio::test(start_paused = true)]
async fn recorded_queries_keep_their_strategy_despite_headers() {
    let switch = switch(|_| {});
    switch.begin("a", BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    for header in [BLUE, GREEN, Header::Absent] {
        assert_eq!(switch.call(continues("a"), header).strategy(), Blue);
    }
    assert_eq!(switch.call(ends("a"), GREEN).strategy(), Blue);
}

#[tokio::test(start_paused = true)]
async fn requests_without_header_take_the_active_strategy() {
    let switch = switch(|_| {});
    assert_eq!(switch.call(BEGIN, Header::Absent).strategy(), Blue);
    switch.operate(Command::Announce { to: None }).unwrap();
    assert_eq!(switch.call(BEGIN, Header::Absent).strategy(), Blue);
    switch.operate(Command::Cutover { force: false }).unwrap();
    assert_eq!(switch.call(BEGIN, Header::Absent).strategy(), Green);
}

#[tokio::test(start_paused = true)]
async fn continued_unseen_queries_are_put_on_record() {
    let switch = switch(|_| {});
    let seen = switch.call(continues("old"), BLUE);
    assert_eq!(switch.queries(Blue), 1, "while in progress it counts as a query");
    seen.answered(true);
    assert_eq!(switch.queries(Blue), 1);
    switch.call(continues("unknown"), BLUE).answered(false);
    assert_eq!(switch.queries(Blue), 1);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    assert_eq!(switch.call(continues("old"), GREEN).strategy(), Blue);
}

#[tokio::test(start_paused = true)]
async fn two_continuations_record_an_unseen_query_once() {
    let switch = switch(|_| {});
    let (first, second) = (switch.call(continues("q"), BLUE), switch.call(continues("q"), BLUE));
    first.answered(true);
    second.answered(true);
    assert_eq!(switch.queries(Blue), 1);
}

#[tokio::test(start_paused = true)]
async fn a_begin_that_fails_leaves_no_query() {
    let switch = switch(|_| {});
    switch.call(BEGIN, BLUE).answered(false);
    drop(switch.call(BEGIN, BLUE));
    let mut undelivered = switch.call(BEGIN, BLUE);
    undelivered.begun("a");
    assert_eq!(switch.queries(Blue), 1);
    drop(undelivered);
    let mut failed = switch.call(BEGIN, BLUE);
    failed.begun("b");
    failed.answered(false);
    assert_eq!(switch.snapshot().queries, [0, 0]);
    assert_eq!(switch.snapshot().requests, [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn begins_without_query_count_while_in_progress() {
    let switch = switch(|_| {});
    let unnamed = switch.call(BEGIN, BLUE);
    assert_eq!(switch.queries(Blue), 1);
    unnamed.answered(true);
    assert_eq!(switch.queries(Blue), 0);
}

#[tokio::test(start_paused = true)]
async fn only_an_end_with_success_ends_a_query() {
    let switch = switch(|_| {});
    switch.begin("a", BLUE);
    switch.call(ends("a"), BLUE).answered(false);
    drop(switch.call(ends("a"), BLUE));
    assert_eq!(switch.queries(Blue), 1);
    let (first, second) = (switch.call(ends("a"), BLUE), switch.call(ends("a"), BLUE));
    first.answered(true);
    second.answered(true);
    assert_eq!(switch.queries(Blue), 0);
}

#[tokio::test(start_paused = true)]
async fn queries_are_forgotten_when_left_alone() {
    let switch = switch(|rules| rules.query_ttl = secs(60));
    switch.begin("asked", BLUE);
    switch.begin("silent", BLUE);
    pass(secs(59)).await;
    switch.call(continues("asked"), BLUE).answered(true);
    pass(secs(1)).await;
    assert_eq!(switch.queries(Blue), 1);
    assert_eq!(switch.call(continues("asked"), Header::Absent).strategy(), Blue);
}

#[tokio::test(start_paused = true)]
async fn queries_are_kept_while_requests_name_them() {
    let switch = switch(|rules| rules.query_ttl = secs(60));
    switch.begin("slow", BLUE);
    let slow = switch.call(continues("slow"), BLUE);
    for _ in 0..3 {
        pass(secs(61)).await;
    }
    assert_eq!(switch.queries(Blue), 1);
    slow.answered(true);
    pass(secs(59)).await;
    assert_eq!(switch.queries(Blue), 1);
    pass(secs(1)).await;
    assert_eq!(switch.queries(Blue), 0);
}

#[tokio::test(start_paused = true)]
async fn too_long_query_ids_are_not_recorded() {
    let switch = switch(|_| {});
    switch.call(continues(&"x".repeat(257)), BLUE).answered(true);
    switch.begin(&"x".repeat(60_000), BLUE);
    assert_eq!(switch.queries(Blue), 0);
    switch.begin(&"x".repeat(256), BLUE);
    assert_eq!(switch.queries(Blue), 1);
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_the_oldest_query_is_forgotten() {
    let switch = switch(|rules| rules.max_queries = 2);
    for id in ["a", "b", "c", "d"] {
        switch.begin(id, BLUE);
        pass(millis(1)).await;
    }
    assert_eq!(switch.queries(Blue), 2);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    assert_eq!(switch.call(continues("d"), Header::Absent).strategy(), Blue);
    assert_eq!(switch.call(continues("a"), Header::Absent).strategy(), Green, "judged by its header");
}

#[tokio::test(start_paused = true)]
async fn begins_forgotten_before_delivery_are_counted_once() {
    let switch = switch(|rules| rules.max_queries = 1);
    let mut begin = switch.call(BEGIN, BLUE);
    begin.begun("a");
    pass(millis(1)).await;
    switch.begin("b", BLUE);
    drop(begin);
    assert_eq!(switch.snapshot().queries, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_notice_names_where_the_work_is_headed() {
    let told = |pass: &RequestGuard| pass.notice().map(|notice| notice.strategy);
    let switch = switch(|_| {});
    switch.begin("a", BLUE);
    let (blue, end) = (switch.call(NEUTRAL, BLUE), switch.call(ends("a"), BLUE));
    let foreign = switch.call(ends("unseen"), GREEN);
    assert_eq!(told(&blue), None);
    assert_eq!(told(&foreign), Some(Blue), "let in under green, headed for blue");
    switch.operate(Command::Announce { to: None }).unwrap();
    assert_eq!(told(&blue), Some(Green), "at the moment the message leaves");
    let green = switch.call(NEUTRAL, GREEN);
    assert_eq!(told(&green), None);
    let announcement = blue.notice().unwrap().announcement;
    end.answered(true);
    pass(secs(1)).await;
    assert_eq!(switch.phase(), (Draining, Green));
    assert_eq!(told(&blue), Some(Green));
    assert_eq!(blue.notice().unwrap().announcement, announcement, "a cutover is no new announcement");
    switch.operate(Command::Rollback).unwrap();
    assert_eq!((told(&blue), told(&green)), (None, Some(Blue)));
    switch.operate(Command::Abort).unwrap();
    assert_eq!((told(&blue), told(&green)), (Some(Green), None));
}

#[tokio::test(start_paused = true)]
async fn earlier_requests_learn_of_switches_in_stable() {
    let switch = switch(|rules| rules.cutover = Cutover::Strict);
    let slow = switch.call(NEUTRAL, BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    assert_eq!(switch.phase(), (Stable, Green));
    assert_eq!(slow.notice().unwrap().strategy, Green);
}

#[tokio::test(start_paused = true)]
async fn the_epoch_counts_the_transitions() {
    let switch = switch(|_| {});
    assert_eq!(switch.snapshot().epoch, 0);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    switch.operate(Command::Rollback).unwrap();
    switch.operate(Command::Abort).unwrap();
    assert_eq!(switch.snapshot().epoch, 4);
    pass(secs(5)).await;
    assert_eq!((switch.phase(), switch.snapshot().epoch), ((Stable, Green), 5));
}
