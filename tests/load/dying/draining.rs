//! An engine dies during a drain.

use super::*;

const SWITCHED: &str = "Strategy switched from blue to green";
const BACK: &str = "Strategy switched from green to blue";

#[test]
fn the_new_one_is_left_after_failover() {
    let mut stage = Stage::new(|teal| teal.notice("0s").grace("6s").with("--failover", "2s"));
    stage.order(&["switch"]);
    stage.told(SWITCHED, 1);
    stage.kill(GREEN);
    stage.told(BACK, 1);
    assert!(stage.has_event("cut_over", "health"), "{:?}", stage.events());
    assert_eq!(stage.state()["phase"], "DRAINING");
    let told = stage.end();
    told.lost_only_at(&[GREEN]);
    told.waited_at_most(Duration::from_secs(2) + ANSWERS_WITHIN);
}

#[test]
fn without_failover_the_operator_rolls_back() {
    let mut stage = Stage::new(|teal| teal.notice("0s").grace("6s"));
    stage.order(&["switch"]);
    stage.told(SWITCHED, 1);
    stage.kill(GREEN);
    stage.told("cannot be reached", 1);
    assert_eq!(stage.state()["active"], "green");
    stage.order(&["rollback"]);
    stage.order(&["cutover"]);
    stage.told(BACK, 1);
    stage.end().lost_only_at(&[GREEN]);
}

#[test]
fn only_queries_of_the_old_one_are_lost() {
    let mut stage = Stage::new(|teal| teal.notice("0s").grace("500ms"));
    stage.order(&["switch"]);
    stage.told(SWITCHED, 1);
    assert_eq!(stage.state()["phase"], "DRAINING");
    stage.kill(BLUE);
    stage.told("left on blue", 1);
    assert_eq!(stage.state()["active"], "green");
    let told = stage.end();
    told.lost_only_at(&[BLUE]);
    told.waited_at_most(UNHEALTHY_ABORT + ANSWERS_WITHIN);
}
