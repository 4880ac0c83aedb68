//! Every order of events of instances that share a course: each learns late, acts on what it has learned even later, says
//! so later still, vanishes or joins. Deadlines are not modelled: what may happen at some time may happen at once.

mod check;
mod explore;
mod state;
mod steps;
mod world;

use proptest::prelude::{ProptestConfig, any, prop, proptest};

use self::explore::{Clauses, Limits, explore, walk};
use super::*;

const fn limits(instances: usize, transitions: u64, vanish: u8, join: u8) -> Limits {
    Limits { instances, transitions, vanish, join }
}

#[track_caller]
fn holds(limits: Limits, least: usize) {
    let explored = explore(&Clauses::default(), limits).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(explored >= least, "{limits:?}: only {explored} states");
}

#[test]
fn two_instances_keep_the_promises() {
    holds(limits(2, 4, 0, 0), 100_000);
}

#[test]
fn instances_that_vanish_and_join_keep_them() {
    holds(limits(2, 3, 1, 1), 100_000);
}

#[test]
fn three_instances_keep_the_promises() {
    holds(limits(3, 2, 0, 0), 500_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_long_history_breaks_a_promise(choices in prop::collection::vec(any::<u16>(), 100..400)) {
        if let Err(violation) = walk(&Clauses::default(), limits(3, 40, 4, 4), &choices) {
            panic!("{violation}");
        }
    }
}

/// What goes wrong without a clause, at the latest with two instances of which one may vanish and one join.
#[track_caller]
fn breaks(clauses: &Clauses, expected: &[&str]) {
    let violation = explore(clauses, limits(2, 4, 1, 1)).expect_err("the clause is needed");
    let what = violation.lines().next().unwrap_or_default();
    assert!(expected.contains(&what), "{violation}");
}

const HEADINGS: &str = "two headings are told at once";
const EARLY: &str = "told before all let it in";
const REFUSED: &str = "refused before all tell";

#[test]
fn telling_waits_for_all_to_follow() {
    let advance = |stage: Stage, course: &Course, live: &[InstanceStatus]| match stage {
        Stage::Open => Stage::Telling,
        stage => stage.advance(course, live),
    };
    breaks(&Clauses { advance, ..Clauses::default() }, &[HEADINGS, EARLY]);
}

#[test]
fn refusing_waits_for_all_to_tell() {
    let advance = |stage: Stage, course: &Course, live: &[InstanceStatus]| match stage {
        Stage::Telling if course.phase == PhaseName::Draining => Stage::Closing,
        stage => stage.advance(course, live),
    };
    breaks(&Clauses { advance, ..Clauses::default() }, &[REFUSED, EARLY]);
}

#[test]
fn stages_are_said_before_the_next() {
    let advance = |stage: Stage, course: &Course, live: &[InstanceStatus]| {
        let next = stage.advance(course, live);
        if next == Stage::Telling && stage == Stage::Open && live.len() == 1 {
            return if course.phase == PhaseName::Announced { next } else { Stage::Closing };
        }
        next
    };
    breaks(&Clauses { advance, ..Clauses::default() }, &[REFUSED]);
}

#[test]
fn an_abort_does_not_refuse_at_once() {
    let follow = |stage: Stage, before: &Course, course: &Course| match course.phase {
        PhaseName::Draining => Stage::Closing,
        _ => stage.follow(before, course),
    };
    breaks(&Clauses { follow, ..Clauses::default() }, &[REFUSED, EARLY, HEADINGS]);
}

#[test]
fn a_new_heading_silences_the_one_before() {
    let follow = |stage: Stage, before: &Course, course: &Course| match course.phase {
        PhaseName::Announced => Stage::Telling,
        _ => stage.follow(before, course),
    };
    breaks(&Clauses { follow, ..Clauses::default() }, &[EARLY, HEADINGS]);
}

#[test]
fn joiners_tell_where_another_tells() {
    let advance = |stage: Stage, course: &Course, live: &[InstanceStatus]| match stage {
        Stage::Open if !live.iter().all(|instance| instance.has_followed(course)) => Stage::Open,
        stage => stage.advance(course, live),
    };
    breaks(&Clauses { advance, ..Clauses::default() }, &[REFUSED]);
}

#[test]
fn joiners_read_the_truth_first() {
    breaks(&Clauses { joiners_follow: false, ..Clauses::default() }, &[REFUSED, EARLY, HEADINGS]);
}

#[test]
fn refusals_are_said_by_the_truth() {
    breaks(&Clauses { refuses_by_truth: false, ..Clauses::default() }, &[REFUSED]);
}

#[test]
fn cutovers_wait_for_all_to_tell() {
    let is_free = |kind, course: &Course, live: &[InstanceStatus]| match kind {
        TransitionKind::CutOver => true,
        kind => obstacle(kind, false, course, live).is_none(),
    };
    breaks(&Clauses { is_free, ..Clauses::default() }, &["cut over before all tell"]);
}

#[test]
fn drains_need_a_report_of_each_instance() {
    let is_free = |kind, course: &Course, live: &[InstanceStatus]| match kind {
        TransitionKind::Drain => true,
        kind => obstacle(kind, false, course, live).is_none(),
    };
    breaks(&Clauses { is_free, ..Clauses::default() }, &["drained while the old strategy is in use"]);
}

#[test]
fn drain_timeouts_wait_for_all_to_close() {
    let is_free = |kind, course: &Course, live: &[InstanceStatus]| match kind {
        TransitionKind::TimeOutDrain => true,
        kind => obstacle(kind, false, course, live).is_none(),
    };
    breaks(&Clauses { is_free, ..Clauses::default() }, &["timed out before all close"]);
}

#[test]
fn quiet_is_retracted_before_anything_is_let_in() {
    let clauses = Clauses { retracts_quiet: |_, _, _| false, ..Clauses::default() };
    breaks(&clauses, &["drained while the old strategy is in use"]);
}
