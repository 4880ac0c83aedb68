//! What one instance says of itself, and what all of them have to say before a transition.

use protocol::Strategy::{Blue, Green};

use super::*;
use crate::course::TransitionKind::{Abort, Announce, CutOver, Drain, RollBack, TimeOutDrain};

/// Announced in epoch 7, cut over in epoch 8.
const DRAINING: Course = Course {
    epoch: 8,
    phase: PhaseName::Draining,
    active: Green,
    heading: 7,
    withheld: 0,
    closed: [0; 2],
    cutover: crate::Cutover::Drain,
};
const ANNOUNCED: Course = Course { epoch: 7, phase: PhaseName::Announced, active: Blue, ..DRAINING };

fn status(epoch: u64, stage: Stage, quiet: bool) -> InstanceStatus {
    InstanceStatus { epoch, stage, quiet, ..InstanceStatus::joining("web-1".to_owned()) }
}

#[test]
fn stages_are_reached_as_the_table_says() {
    use Stage::{Closing, Open, Telling};
    let (aborted, before) = (Course { epoch: 8, heading: 8, ..DRAINING }, status(6, Closing, false));
    let (open, telling) = (status(8, Open, false), status(8, Telling, false));
    for (course, stage, live, expected) in [
        (&ANNOUNCED, Open, vec![status(7, Open, false), before.clone()], Open),
        (&ANNOUNCED, Open, vec![status(7, Open, false), status(7, Open, false)], Telling),
        (&ANNOUNCED, Telling, vec![status(7, Telling, false), status(7, Telling, false)], Telling),
        (&aborted, Open, vec![open.clone(), before], Open),
        (&aborted, Open, vec![open.clone(), open.clone()], Telling),
        (&aborted, Open, vec![InstanceStatus::joining(String::new()), telling.clone()], Telling),
        (&aborted, Telling, vec![telling.clone(), open], Telling),
        (&aborted, Telling, vec![telling.clone(), telling], Closing),
    ] {
        assert_eq!(stage.advance(course, &live), expected, "{course:?} {stage:?} {live:?}");
    }
}

#[test]
fn following_begins_at_the_right_stage() {
    use Stage::{Closing, Open, Telling};
    let stable = Course { epoch: 6, phase: PhaseName::Stable, active: Blue, heading: 5, ..DRAINING };
    let aborted = Course { epoch: 8, heading: 8, active: Blue, ..DRAINING };
    let drained = Course { epoch: 9, phase: PhaseName::Stable, ..DRAINING };
    for (stage, before, course, expected) in [
        (Closing, stable, ANNOUNCED, Open),
        (Telling, ANNOUNCED, DRAINING, Closing),
        (Telling, ANNOUNCED, aborted, Open),
        (Closing, DRAINING, drained, Closing),
        (Open, ANNOUNCED, drained, Closing),
        (Open, ANNOUNCED, DRAINING, Open),
    ] {
        assert_eq!(stage.follow(&before, &course), expected, "{stage:?} from {before:?} to {course:?}");
    }
    assert_eq!([stable, ANNOUNCED, DRAINING].map(|course| Stage::join(&course)), [Closing, Open, Open]);
}

#[test]
fn transitions_wait_for_the_instances_that_are_behind() {
    let waits = |kind, course, own: &InstanceStatus| {
        let live = [status(8, Stage::Closing, true), own.clone()];
        let live = if course == ANNOUNCED { [status(7, Stage::Telling, false), own.clone()] } else { live };
        match obstacle(kind, false, &course, &live) {
            Some(Obstacle::Behind(behind)) => Some(behind == own),
            Some(Obstacle::Unhealthy(_)) => panic!("nothing is unhealthy"),
            None => None,
        }
    };
    for (kind, course, stage, epoch, quiet, expected) in [
        (CutOver, ANNOUNCED, Stage::Telling, 7, false, None),
        (CutOver, ANNOUNCED, Stage::Open, 7, false, Some(true)),
        (CutOver, ANNOUNCED, Stage::Closing, 6, false, Some(true)),
        (Drain, DRAINING, Stage::Closing, 8, true, None),
        (Drain, DRAINING, Stage::Closing, 8, false, Some(true)),
        (Drain, DRAINING, Stage::Closing, 7, true, Some(true)),
        (TimeOutDrain, DRAINING, Stage::Closing, 8, false, None),
        (TimeOutDrain, DRAINING, Stage::Telling, 8, false, Some(true)),
        (TimeOutDrain, DRAINING, Stage::Closing, 7, false, Some(true)),
        (Announce, DRAINING, Stage::Open, 0, false, None),
        (Abort, DRAINING, Stage::Open, 0, false, None),
        (RollBack, DRAINING, Stage::Open, 0, false, None),
    ] {
        let own = status(epoch, stage, quiet);
        assert_eq!(waits(kind, course, &own), expected, "{kind:?} {own:?}");
    }
}

#[test]
fn cutovers_need_a_healthy_engine_everywhere() {
    let mut live = [status(7, Stage::Telling, false), status(7, Stage::Telling, false)];
    live[1].unhealthy.blue = Some(60);
    assert_eq!(obstacle(CutOver, false, &ANNOUNCED, &live), None, "blue is the active one");
    live[1].unhealthy.green = Some(0);
    assert_eq!(obstacle(CutOver, false, &ANNOUNCED, &live), Some(Obstacle::Unhealthy(&live[1])));
    assert_eq!(obstacle(CutOver, true, &ANNOUNCED, &live), None, "forced");
}

#[test]
fn quiet_is_retracted_for_the_old_strategy_alone() {
    let quiet = status(8, Stage::Closing, true);
    assert!(quiet.retracts_quiet(&DRAINING, Blue));
    assert!(!quiet.retracts_quiet(&DRAINING, Green));
    assert!(!quiet.retracts_quiet(&Course { phase: Stable, ..DRAINING }, Blue), "the drain is over");
    assert!(!status(8, Stage::Closing, false).retracts_quiet(&DRAINING, Blue));
}

#[test]
fn later_epochs_tell_nothing_of_a_heading() {
    let later = status(9, Stage::Telling, true);
    assert!(later.has_followed(&DRAINING));
    assert!(!later.tells(&DRAINING) && !later.is_quiet(&DRAINING) && !later.is_closing(&DRAINING));
}

#[test]
fn health_decides_by_more_than_half() {
    let start = std::time::Instant::now();
    let at = |seconds| start + secs(seconds);
    let abort = |unhealthy: &[Option<u64>], timed_out: Option<u64>| {
        let unhealthy: Vec<_> = unhealthy.iter().map(|since| since.map(at)).collect();
        abort_due(&unhealthy, at(10), Some(secs(5)), timed_out.map(at)).map(|due| (due - start).as_secs())
    };
    for (unhealthy, timed_out, expected) in [
        (vec![Some(20)], None, Some(25)),
        (vec![Some(0)], None, Some(15)),
        (vec![Some(20), None], None, None),
        (vec![Some(30), Some(20)], None, Some(35)),
        (vec![None, Some(30), Some(20)], None, Some(35)),
        (vec![Some(40), Some(30), Some(20)], None, Some(35)),
        (vec![None, Some(30), None], Some(70), Some(70)),
        (vec![None, None], Some(70), None),
        (vec![Some(20), Some(20)], Some(70), Some(25)),
    ] {
        assert_eq!(abort(&unhealthy, timed_out), expected, "{unhealthy:?} {timed_out:?}");
    }
    let failover = |unhealthy: &[Option<u64>], healthy: &[Option<u64>]| {
        let [unhealthy, healthy] =
            [unhealthy, healthy].map(|all| all.iter().map(|since| since.map(at)).collect::<Vec<_>>());
        failover_due(&unhealthy, &healthy, at(10), secs(3)).map(|due| (due - start).as_secs())
    };
    assert_eq!(failover(&[Some(20), Some(21), None], &[Some(0); 3]), Some(24));
    assert_eq!(failover(&[Some(20), None], &[Some(0); 2]), None);
    assert_eq!(failover(&[Some(20), Some(20)], &[Some(0), None]), None, "one cannot reach the other one");
    assert_eq!(failover(&[Some(20), Some(20)], &[Some(0), Some(60)]), Some(60));
    assert_eq!(failover(&[Some(0)], &[Some(0)]), Some(13), "active for that long");
}

#[test]
fn a_status_is_one_json_object() {
    let text = r#"{"name":"web-1","epoch":7,"stage":"telling","quiet":false}"#;
    let status: InstanceStatus = serde_json::from_str(text).unwrap();
    assert_eq!(status, self::status(7, Stage::Telling, false));
    assert_eq!(serde_json::to_string(&status).unwrap(), text);
    let ill = text.replace("false}", r#"false,"unhealthy":{"green":4}}"#);
    let read: InstanceStatus = serde_json::from_str(&ill.replace("{\"name", "{\"later\":1,\"name")).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), ill);
    let seen = std::time::Instant::now() + secs(60);
    assert_eq!(read.unhealthy_since(Green, seen), Some(seen - secs(4)));
    assert_eq!(read.unhealthy_since(Blue, seen), None);
}
