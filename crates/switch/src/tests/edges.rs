//! The edges between the phases: what takes them, when, and what doesn't.

use protocol::Strategy::{Blue, Green};

use super::*;

#[tokio::test(start_paused = true)]
async fn the_timer_announces() {
    let switch = switch(|rules| rules.switch_every = Some(secs(120)));
    pass(millis(119_999)).await;
    assert_eq!(switch.phase(), (Stable, Blue));
    pass(millis(1)).await;
    assert_eq!(switch.phase(), (Announced, Blue));
}

#[tokio::test(start_paused = true)]
async fn timers_count_from_cutover_and_await_stable() {
    let switch = switch(|rules| rules.switch_every = Some(secs(120)));
    switch.begin("held", BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    pass(secs(125)).await;
    assert_eq!(switch.phase(), (Draining, Green));
    switch.end("held");
    pass(secs(5)).await;
    // Drained five seconds after the end; the timer had been waiting for that.
    assert_eq!(switch.phase(), (Announced, Green));
}

#[tokio::test(start_paused = true)]
async fn an_aborted_announcement_starts_the_timer_anew() {
    let switch = switch(|rules| rules.switch_every = Some(secs(120)));
    pass(secs(100)).await;
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Abort).unwrap();
    pass(secs(119)).await;
    assert_eq!(switch.phase(), (Stable, Blue));
    pass(secs(1)).await;
    assert_eq!(switch.phase(), (Announced, Blue));
}

#[tokio::test(start_paused = true)]
async fn a_paused_timer_resumes_where_it_stopped() {
    let switch = switch(|rules| rules.switch_every = Some(secs(120)));
    pass(secs(100)).await;
    assert!(switch.operates(Command::PauseTimer));
    assert!(!switch.operates(Command::PauseTimer));
    pass(secs(1000)).await;
    assert_eq!(switch.phase(), (Stable, Blue));
    assert!(switch.operates(Command::ResumeTimer));
    assert!(!switch.operates(Command::ResumeTimer));
    pass(secs(19)).await;
    assert_eq!(switch.phase(), (Stable, Blue));
    pass(secs(1)).await;
    assert_eq!(switch.phase(), (Announced, Blue));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_active_query_cuts_over() {
    let switch = switch(|_| {});
    switch.begin("a", BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    pass(secs(2)).await;
    switch.end("a");
    assert_eq!(switch.phase(), (Draining, Green));
}

#[tokio::test(start_paused = true)]
async fn early_adoptions_take_effect_after_the_notice() {
    for adopt in [
        |switch: &Switch| switch.end("a"),
        |switch: &Switch| _ = switch.call(LOG_IN, GREEN).answered(true),
        |switch: &Switch| switch.begin("b", GREEN),
    ] {
        let switch = switch(|_| {});
        switch.begin("a", BLUE);
        switch.operate(Command::Announce { to: None }).unwrap();
        adopt(&switch);
        pass(millis(999)).await;
        assert_eq!(switch.phase(), (Announced, Blue));
        pass(millis(1)).await;
        assert_eq!(switch.phase(), (Draining, Green));
    }
}

#[tokio::test(start_paused = true)]
async fn what_adopts_nothing_does_not_cut_over() {
    let switch = switch(|_| {});
    switch.begin("a", BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    pass(secs(2)).await;
    switch.call(LOG_IN, BLUE).answered(true);
    switch.call(LOG_IN, Header::Absent).answered(true);
    switch.begin("b", BLUE);
    switch.call(NEUTRAL, GREEN).answered(true);
    switch.call(continues("unseen"), GREEN).answered(true);
    switch.call(ends("never"), BLUE).answered(true);
    switch.call(ends("a"), BLUE).answered(false);
    assert_eq!(switch.phase(), (Announced, Blue));
}

#[tokio::test(start_paused = true)]
async fn unadopted_announcements_time_out_into_cutover() {
    let switch = switch(|_| {});
    switch.operate(Command::Announce { to: None }).unwrap();
    pass(millis(59_999)).await;
    assert_eq!(switch.phase(), (Announced, Blue));
    pass(millis(1)).await;
    assert_eq!(switch.phase(), (Draining, Green));
}

#[tokio::test(start_paused = true)]
async fn announce_timeouts_cover_the_notice_unless_0() {
    let patient = switch(|rules| rules.notice = secs(90));
    patient.operate(Command::Announce { to: None }).unwrap();
    pass(secs(89)).await;
    assert_eq!(patient.phase(), (Announced, Blue));
    pass(secs(1)).await;
    assert_eq!(patient.phase(), (Draining, Green));

    let endless = switch(|rules| rules.announce_timeout = None);
    endless.operate(Command::Announce { to: None }).unwrap();
    pass(secs(1_000_000)).await;
    assert_eq!(endless.phase(), (Announced, Blue));
}

#[tokio::test(start_paused = true)]
async fn operators_may_cut_over_during_the_notice() {
    let switch = switch(|_| {});
    switch.operate(Command::Announce { to: None }).unwrap();
    assert_eq!(
        switch.operate(Command::Cutover { force: false }).unwrap().what,
        "green is active; blue is being drained"
    );
    assert_eq!(switch.phase(), (Draining, Green));
}

#[tokio::test(start_paused = true)]
async fn an_abort_drains_what_had_adopted() {
    let switch = switch(|_| {});
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.begin("early", GREEN);
    let done = switch.operate(Command::Abort).unwrap();
    assert_eq!(done.what, "the announcement of green is withdrawn; blue stays active");
    assert_eq!(switch.phase(), (Draining, Blue));
    pass(secs(60)).await;
    assert_eq!(switch.phase(), (Draining, Blue));
    assert!(!switch.is_let_in(BEGIN, GREEN));
    switch.end("early");
    pass(secs(5)).await;
    assert_eq!(switch.phase(), (Stable, Blue));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_announces_the_old_strategy_again() {
    let switch = switch(|_| {});
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    let done = switch.operate(Command::Rollback).unwrap();
    assert_eq!(done.what, "blue is announced; green stays active until the cutover");
    assert_eq!(switch.phase(), (Announced, Green));
    assert!(switch.is_let_in(BEGIN, BLUE));
    switch.operate(Command::Cutover { force: false }).unwrap();
    assert_eq!(switch.phase(), (Draining, Blue));
}

#[tokio::test(start_paused = true)]
async fn refused_commands_name_the_phase() {
    let switch = switch(|_| {});
    let refusal = |refused: Result<Done, Refusal>| refused.unwrap_err().to_string();
    assert_eq!(
        refusal(switch.operate(Command::Cutover { force: false })),
        "cannot cut over in phase STABLE: expected ANNOUNCED"
    );
    assert_eq!(refusal(switch.operate(Command::Abort)), "cannot abort in phase STABLE: expected ANNOUNCED");
    assert_eq!(
        refusal(switch.operate(Command::Rollback)),
        "cannot roll back in phase STABLE: expected DRAINING"
    );
    switch.operate(Command::Announce { to: None }).unwrap();
    assert_eq!(
        refusal(switch.operate(Command::Announce { to: None })),
        "cannot announce in phase ANNOUNCED: expected STABLE"
    );
    assert_eq!(
        refusal(switch.operate(Command::Rollback)),
        "cannot roll back in phase ANNOUNCED: expected DRAINING"
    );
    switch.operate(Command::Cutover { force: false }).unwrap();
    assert_eq!(
        refusal(switch.operate(Command::Announce { to: None })),
        "cannot announce in phase DRAINING: expected STABLE"
    );
    assert_eq!(
        refusal(switch.operate(Command::Cutover { force: false })),
        "cannot cut over in phase DRAINING: expected ANNOUNCED"
    );
    assert_eq!(refusal(switch.operate(Command::Abort)), "cannot abort in phase DRAINING: expected ANNOUNCED");
    assert_eq!(switch.snapshot().epoch, 2);
}

#[tokio::test(start_paused = true)]
async fn strict_knows_no_draining() {
    let switch = switch(|rules| rules.cutover = Cutover::Strict);
    switch.begin("a", BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    assert!(switch.is_let_in(BEGIN, GREEN));
    switch.operate(Command::Cutover { force: false }).unwrap();
    assert_eq!(switch.phase(), (Stable, Green));
    assert!(!switch.is_let_in(continues("a"), BLUE));
    assert!(!switch.is_let_in(continues("a"), GREEN), "a query keeps its strategy");
    assert!(!switch.is_let_in(ends("a"), BLUE));
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Abort).unwrap();
    assert_eq!(switch.phase(), (Stable, Green));
}

/// Nobody runs the timer here: each request finds what was due before it.
#[tokio::test(start_paused = true)]
async fn due_transitions_happen_before_requests_are_judged() {
    let (switch, _timer) = Switch::new(Rules { switch_every: None, ..Rules::default() });
    let open = switch.call(NEUTRAL, BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.call(LOG_IN, GREEN).answered(true);
    tokio::time::advance(secs(2)).await;
    // The cutover was due a second ago.
    assert_eq!(switch.call(NEUTRAL, Header::Absent).strategy(), Green);
    tokio::time::advance(secs(1)).await;
    open.answered(true);
    tokio::time::advance(millis(4_999)).await;
    assert_eq!(switch.phase(), (Draining, Green));
    tokio::time::advance(millis(1)).await;
    assert_eq!(switch.phase(), (Stable, Green));

    let open = switch.call(NEUTRAL, GREEN);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.call(LOG_IN, BLUE).answered(true);
    tokio::time::advance(secs(2)).await;
    open.answered(true);
    tokio::time::advance(millis(4_999)).await;
    assert_eq!(switch.phase(), (Draining, Blue));
}

#[tokio::test(start_paused = true)]
async fn the_moment_follows_each_transition() {
    let switch = switch(|rules| (rules.grace, rules.announce_timeout) = (Duration::from_secs(5), None));
    let moment = || (switch.moment().phase(), switch.moment().epoch());
    assert_eq!(moment(), (Stable, 0));
    for (command, expected) in [
        (Command::Announce { to: None }, (Announced, 1)),
        (Command::Cutover { force: false }, (Draining, 2)),
        (Command::Rollback, (Announced, 3)),
    ] {
        switch.operate(command).unwrap();
        assert_eq!(moment(), expected);
    }
}
