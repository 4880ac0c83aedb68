//! The clauses Health and Failover, and adoption by those alone whose answer was a success.

use protocol::Strategy::{Blue, Green};

use super::*;

pub(super) const ANNOUNCE: Command = Command::Announce { to: None };
pub(super) const CUTOVER: Command = Command::Cutover { force: false };
pub(super) const DEAD: Result<(), &str> = Err("engine http://green is dead");

/// A switch between two healthy engines. Nobody asks them; the test says what is heard.
pub(super) fn between(set: impl FnOnce(&mut Rules)) -> Switch {
    let mut rules = Rules { switch_every: None, notice: secs(0), ..Rules::default() };
    set(&mut rules);
    let (switch, timer) = Switch::start(rules, Start { has_engines: true, ..Start::default() }).unwrap();
    // Keeps deadlines, and asks engines that never answer.
    tokio::spawn(timer.run(|_| std::future::pending()));
    for strategy in Strategy::ALL {
        switch.hears(strategy, Ok(()));
    }
    switch
}

/// Who made the last transition.
fn last_by(switch: &Switch) -> (&'static str, String) {
    let events = switch.event_log().after(0, KEPT);
    let last = events.iter().rfind(|event| event.note.details.contains_key("phase")).unwrap();
    (last.note.kind, last.note.details["by"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn adoptions_count_once_answered_with_success() {
    let switch = switch(|rules| rules.notice = secs(0));
    switch.operate(ANNOUNCE).unwrap();
    for action in [LOG_IN, BEGIN] {
        switch.call(action, GREEN).answered(false);
        drop(switch.call(action, GREEN));
        assert_eq!(switch.phase(), (Announced, Blue), "{action:?} was not answered with success");
    }
    let login = switch.call(LOG_IN, GREEN);
    assert_eq!(switch.phase(), (Announced, Blue));
    login.answered(true);
    assert_eq!(switch.phase(), (Draining, Green));
}

#[tokio::test(start_paused = true)]
async fn earlier_logins_do_not_adopt_an_announcement() {
    let switch = switch(|rules| rules.notice = secs(0));
    switch.operate(ANNOUNCE).unwrap();
    let login = switch.call(LOG_IN, GREEN);
    switch.operate(Command::Abort).unwrap();
    switch.operate(Command::Rollback).unwrap();
    assert_eq!(switch.phase(), (Announced, Blue));
    login.answered(true);
    assert_eq!(switch.phase(), (Announced, Blue));
}

#[tokio::test(start_paused = true)]
async fn announced_engines_that_stay_unhealthy_are_aborted() {
    let switch = between(|_| {});
    switch.operate(ANNOUNCE).unwrap();
    pass(secs(2)).await;
    switch.hears(Green, DEAD);
    pass(millis(4_999)).await;
    switch.hears(Green, DEAD);
    assert_eq!(switch.phase(), (Announced, Blue));
    pass(millis(1)).await;
    assert_eq!(switch.phase(), (Draining, Blue));
    assert_eq!(last_by(&switch), ("aborted", "health".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn hanging_engines_are_unhealthy_from_the_question() {
    let switch = between(|_| {});
    switch.operate(ANNOUNCE).unwrap();
    let asked = Instant::now();
    pass(secs(2)).await;
    switch.hear(Green, Err("gives no answer".to_owned()), asked);
    pass(secs(3)).await;
    assert_eq!(switch.phase(), (Draining, Blue));
}

#[tokio::test(start_paused = true)]
async fn with_0_unhealthy_announced_engines_are_kept() {
    let switch = between(|rules| (rules.unhealthy_abort, rules.announce_timeout) = (None, None));
    switch.operate(ANNOUNCE).unwrap();
    switch.hears(Green, DEAD);
    pass(secs(3_600)).await;
    assert_eq!(switch.phase(), (Announced, Blue));
}

#[tokio::test(start_paused = true)]
async fn cutovers_wait_until_the_engine_is_healthy() {
    let switch = between(|_| {});
    switch.operate(ANNOUNCE).unwrap();
    switch.begin("a", BLUE);
    switch.hears(Green, DEAD);
    switch.end("a");
    pass(secs(3)).await;
    assert_eq!(switch.phase(), (Announced, Blue), "no cutover to an engine that is not healthy");
    switch.hears(Green, Ok(()));
    assert_eq!(switch.phase(), (Draining, Green));
    assert_eq!(last_by(&switch), ("cut_over", "teal".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn announcements_of_unhealthy_engines_abort_on_timeout() {
    let switch = between(|rules| (rules.unhealthy_abort, rules.announce_timeout) = (None, Some(secs(60))));
    switch.operate(ANNOUNCE).unwrap();
    pass(secs(59)).await;
    switch.hears(Green, DEAD);
    pass(secs(1)).await;
    assert_eq!((switch.phase(), last_by(&switch).1.as_str()), ((Draining, Blue), "health"));
}

#[tokio::test(start_paused = true)]
async fn engines_that_come_and_go_are_kept() {
    let switch = between(|rules| rules.announce_timeout = None);
    switch.operate(ANNOUNCE).unwrap();
    for _ in 0..20 {
        switch.hears(Green, DEAD);
        pass(secs(4)).await;
        switch.hears(Green, Ok(()));
        pass(secs(1)).await;
    }
    assert_eq!(switch.phase(), (Announced, Blue));
}

#[tokio::test(start_paused = true)]
async fn ordered_cutovers_to_unhealthy_engines_need_force() {
    let switch = between(|_| {});
    switch.operate(ANNOUNCE).unwrap();
    switch.hears(Green, DEAD);
    for by in [Actor::Operator, Actor::Scenario] {
        let refusal = switch.command(CUTOVER, Order::by(by)).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::Engine);
        assert_eq!(refusal.why, "cannot cut over in phase ANNOUNCED: engine http://green is dead");
    }
    switch.operate(Command::Cutover { force: true }).unwrap();
    assert_eq!(switch.phase(), (Draining, Green));
}

#[tokio::test(start_paused = true)]
async fn announcements_and_rollbacks_need_a_healthy_engine() {
    let switch = between(|_| {});
    let found = |by, health| Order::by(by).found(Instant::now().into_std(), health);
    for by in [Actor::Operator, Actor::Scenario] {
        let why = switch.command(ANNOUNCE, found(by, Err("it is ill".to_owned()))).unwrap_err().why;
        assert_eq!(why, "cannot announce in phase STABLE: it is ill");
    }
    switch.command(ANNOUNCE, found(Actor::Scenario, Ok(()))).unwrap();
    assert_eq!(last_by(&switch), ("announced", "scenario".to_owned()));
    switch.operate(CUTOVER).unwrap();
    switch.hears(Blue, Err("blue is ill"));
    for order in [Order::by(Actor::Operator), found(Actor::Scenario, Err("blue is ill".to_owned()))] {
        let why = switch.command(Command::Rollback, order).unwrap_err().why;
        assert_eq!(why, "cannot roll back in phase DRAINING: blue is ill");
    }
    switch.command(Command::Rollback, found(Actor::Operator, Ok(()))).unwrap();
    assert_eq!(switch.phase(), (Announced, Green));
}

#[tokio::test(start_paused = true)]
async fn unhealthy_active_engines_are_left_for_healthy() {
    for after in [None, Some(secs(3))] {
        let switch = between(|rules| rules.failover = after);
        for strategy in Strategy::ALL {
            switch.hears(strategy, Ok(()));
        }
        switch.hears(Blue, Err("blue is dead"));
        pass(millis(2_999)).await;
        assert_eq!((switch.phase(), switch.snapshot().epoch), ((Stable, Blue), 0));
        pass(millis(1)).await;
        let Some(_) = after else {
            assert_eq!(switch.phase(), (Stable, Blue), "it is off by default");
            continue;
        };
        assert_eq!((switch.phase(), switch.snapshot().epoch), ((Draining, Green), 2));
        assert_eq!(last_by(&switch), ("cut_over", "health".to_owned()));
        // Back again, in one step too, while blue is still being drained.
        let _holds = switch.call(NEUTRAL, BLUE);
        switch.hears(Blue, Ok(()));
        switch.hears(Green, DEAD);
        pass(secs(3)).await;
        assert_eq!((switch.phase(), switch.snapshot().epoch), ((Draining, Blue), 4));
    }
}

#[tokio::test(start_paused = true)]
async fn failover_waits_for_a_healthy_engine() {
    let switch = between(|rules| rules.failover = Some(secs(3)));
    for strategy in Strategy::ALL {
        switch.hears(strategy, Err("dead"));
    }
    pass(secs(60)).await;
    assert_eq!(switch.phase(), (Stable, Blue));
    switch.hears(Green, Ok(()));
    assert_eq!(switch.phase(), (Draining, Green));
}

#[tokio::test(start_paused = true)]
async fn dead_active_engines_are_left_while_announcing() {
    let switch = between(|rules| rules.failover = Some(secs(3)));
    for strategy in Strategy::ALL {
        switch.hears(strategy, Ok(()));
    }
    switch.operate(ANNOUNCE).unwrap();
    switch.hears(Blue, Err("blue is dead"));
    pass(secs(3)).await;
    assert_eq!((switch.phase(), switch.snapshot().epoch), ((Draining, Green), 2));
    assert_eq!(last_by(&switch), ("cut_over", "health".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn calls_to_left_engines_fail_until_it_returns() {
    let switch = between(|_| {});
    switch.operate(ANNOUNCE).unwrap();
    let waiting = [switch.call(LOG_IN, GREEN), switch.call(BEGIN, GREEN)];
    let others = [switch.call(LOG_IN, BLUE), switch.call(BEGIN, BLUE)];
    assert!(switch.call(NEUTRAL, GREEN).left().is_none());
    switch.hears(Green, DEAD);
    pass(secs(5)).await;
    let is_left =
        |pass: &RequestGuard| futures::FutureExt::now_or_never(pass.left().unwrap().wait()).is_some();
    for pass in &waiting {
        assert!(is_left(pass));
        assert_eq!(pass.left().unwrap().why(), "engine http://green is dead");
    }
    let refused = StrategyMismatch { expected: Blue };
    assert!(!others.iter().any(is_left));
    // UNAVAILABLE would not tell them where to go on, and their logins would hold the drain.
    assert_eq!(switch.try_call(LOG_IN, GREEN).unwrap_err(), refused);
    assert_eq!(switch.try_call(BEGIN, GREEN).unwrap_err(), refused);
    assert!(switch.is_let_in(NEUTRAL, GREEN));
    switch.hears(Green, Ok(()));
    assert!(!is_left(&switch.call(LOG_IN, GREEN)));
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_survive_an_operators_abort() {
    let switch = between(|_| {});
    switch.operate(ANNOUNCE).unwrap();
    let waiting = switch.call(LOG_IN, GREEN);
    switch.operate(Command::Abort).unwrap();
    assert!(futures::FutureExt::now_or_never(waiting.left().unwrap().wait()).is_none());
}
