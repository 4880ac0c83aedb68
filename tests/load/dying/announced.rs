//! The announced engine dies.

use std::thread;

use super::*;

const WITHDRAWN: &str = "Strategy change withdrawn: green -> blue";

/// Every response announces green from now on, and blue again after the abort.
fn is_withdrawn(stage: &Stage) {
    stage.told(WITHDRAWN, 1);
    stage.told("left on green", 1);
    assert!(stage.has_event("aborted", "health"), "{:?}", stage.events());
    assert_eq!(stage.state()["active"], "blue");
}

#[test]
fn one_that_is_killed_is_given_up() {
    let mut stage = Stage::new(|teal| teal.notice("1s").grace("500ms"));
    stage.order(&["switch"]);
    stage.kill(GREEN);
    is_withdrawn(&stage);
    let told = stage.end();
    told.lost_only_at(&[GREEN]);
    told.waited_at_most(UNHEALTHY_ABORT + ANSWERS_WITHIN);
}

#[test]
fn one_that_hangs_is_given_up() {
    let stage = Stage::new(|teal| teal.notice("1s").grace("500ms"));
    stage.order(&["switch"]);
    stage.hang(GREEN);
    stage.told(WITHDRAWN, 1);
    assert!(stage.has_event("aborted", "health"), "{:?}", stage.events());
    assert!(stage.has_event("engine_left", "health"), "{:?}", stage.events());
    // Clients with a query there continue it now.
    stage.wake(GREEN);
    is_withdrawn(&stage);
    let told = stage.end();
    told.lost_only_at(&[GREEN]);
    told.waited_at_most(UNHEALTHY_ABORT + ANSWERS_WITHIN);
}

#[test]
fn flapping_ones_are_cut_over_to_or_aborted() {
    let stage = Stage::new(|teal| teal.notice("1s").grace("500ms"));
    stage.order(&["switch"]);
    for _ in 0..5 {
        stage.hang(GREEN);
        thread::sleep(FLAPS_EVERY);
        stage.wake(GREEN);
        thread::sleep(FLAPS_EVERY);
    }
    stage.told(" left on ", 1);
    let told = stage.end();
    told.lost_only_at(&[GREEN]);
    told.waited_at_most(UNHEALTHY_ABORT + ANSWERS_WITHIN);
}

#[test]
fn a_cutover_to_a_dead_one_takes_force() {
    let mut stage = Stage::new(|teal| teal.notice("1h").grace("500ms").with("--announce-timeout", "2h"));
    stage.order(&["switch"]);
    stage.kill(GREEN);
    let refused = stage.teal.operate(&["cutover"]).ended(1);
    assert!(refused.err.contains("cannot cut over in phase ANNOUNCED: engine http://"), "{}", refused.err);
    stage.order(&["cutover", "--force"]);
    assert!(stage.has_event("cut_over", "operator"), "{:?}", stage.events());
    stage.order(&["rollback"]);
    stage.order(&["cutover"]);
    stage.told("left on green", 1);
    stage.end();
}
