//! The active engine dies, without an announcement.

use std::thread;

use super::*;

const FAILOVER: Duration = Duration::from_secs(2);
const SWITCHED: &str = "Strategy switched from blue to green";

fn with_failover() -> Stage {
    Stage::new(|teal| teal.notice("0s").grace("500ms").with("--failover", "2s"))
}

#[test]
fn it_is_left_after_failover() {
    let mut stage = with_failover();
    stage.kill(BLUE);
    stage.told(SWITCHED, 1);
    stage.told("left on blue", 1);
    assert!(stage.has_event("cut_over", "health"), "{:?}", stage.events());
    let told = stage.end();
    told.lost_only_at(&[BLUE]);
    told.waited_at_most(FAILOVER + ANSWERS_WITHIN);
}

#[test]
fn without_failover_the_operator_leaves_it() {
    let mut stage = Stage::new(|teal| teal.notice("0s").grace("500ms"));
    stage.kill(BLUE);
    // Clients hear of it, and teal does nothing.
    stage.told("cannot be reached", 1);
    assert_eq!((&stage.state()["phase"], &stage.state()["active"]), (&"STABLE".into(), &"blue".into()));
    stage.order(&["switch"]);
    stage.order(&["cutover"]);
    stage.told("left on blue", 1);
    assert!(!stage.has_event("cut_over", "health"), "{:?}", stage.events());
    let told = stage.end();
    told.lost_only_at(&[BLUE]);
}

#[test]
fn one_that_hangs_is_left_too() {
    let stage = with_failover();
    stage.hang(BLUE);
    stage.told(SWITCHED, 1);
    assert!(stage.has_event("cut_over", "health"), "{:?}", stage.events());
    // New clients are served at once, while others wait for the results of queries they have begun.
    let late = python(Connector::V3_0_2).start(&stage.teal, "dying.py", &["2"]);
    late.wait_for("warm", 1, SOON);
    stage.wake(BLUE);
    stage.told("left on blue", 1);
    stage.end().lost_only_at(&[BLUE]);
}

#[test]
fn of_two_dead_ones_the_first_back_serves() {
    let mut stage = with_failover();
    stage.kill(GREEN);
    stage.kill(BLUE);
    stage.told("cannot be reached", 1);
    stage.start(GREEN);
    stage.told(SWITCHED, 1);
    stage.told("left on blue", 1);
    stage.end().lost_only_at(&[BLUE, GREEN]);
}

#[test]
fn flapping_ones_are_not_waited_for() {
    let mut stage = with_failover();
    for _ in 0..4 {
        stage.kill(BLUE);
        thread::sleep(FLAPS_EVERY);
        stage.start(BLUE);
        thread::sleep(FLAPS_EVERY);
    }
    let told = stage.end();
    told.lost_only_at(&[BLUE]);
    told.waited_at_most(FAILOVER + ANSWERS_WITHIN);
}
