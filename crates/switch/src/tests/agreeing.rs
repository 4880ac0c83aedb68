//! What one of several instances wishes, by its own sight of the engines and by what the others say of them.

use std::time::Instant;

use protocol::Strategy::{Blue, Green};

use super::*;
use crate::{engines::Report, instance::Unwell, machine::Machine, saved_state::SavedTimer};
use TransitionKind::{Abort, Announce, CutOver, RollBack};

/// Announced in epoch 2.
const ANNOUNCED: Course = Course {
    epoch: 2,
    phase: Announced,
    active: Blue,
    heading: 2,
    withheld: 0,
    closed: [0; 2],
    cutover: crate::Cutover::Drain,
};
const STABLE: Course = Course { epoch: 1, phase: Stable, heading: 1, ..ANNOUNCED };
const DRAINING: Course = Course { epoch: 3, phase: Draining, active: Green, ..ANNOUNCED };

/// One of three, which follows a course 10 s after its start.
struct Bench {
    machine: Machine,
    start: Instant,
}

impl Bench {
    fn new(course: Course) -> Self {
        let start = Instant::now();
        let rules = Rules {
            switch_every: Some(secs(100)),
            unhealthy_abort: Some(secs(5)),
            announce_timeout: Some(secs(60)),
            notice: secs(1),
            failover: Some(secs(3)),
            ..Rules::default()
        };
        let mut machine = Machine::new(rules, start).with_engines(start);
        let timer = SavedTimer { paused: false, left: Some(secs(10)) };
        let before =
            if course.phase == Stable { STABLE } else { Course { epoch: course.epoch - 1, ..STABLE } };
        machine.join(before, timer, start + secs(10));
        machine.follow(course, start + secs(10));
        Self { machine, start }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + secs(seconds)
    }

    fn hears(&mut self, strategy: Strategy, is_healthy: bool, seconds: u64) {
        let at = self.at(seconds);
        self.machine.hear(strategy, Report { is_healthy, asked: at }, at);
    }

    /// What two others say of an engine.
    fn others(&mut self, strategy: Strategy, since: [Option<u64>; 2]) {
        let others = since.map(|since| {
            let mut unwell = Unwell::default();
            unwell.0[strategy.index()] = since.map(|since| self.at(since));
            unwell
        });
        self.machine.see_health(others.to_vec());
    }

    fn wishes(&self) -> Vec<(u64, TransitionKind, Actor)> {
        let relative = |(due, kind, by): (Instant, _, _)| ((due - self.start).as_secs(), kind, by);
        self.machine.wishes().into_iter().map(relative).collect()
    }

    /// When it wishes this by the actor `health`.
    fn by_health(&self, kind: TransitionKind) -> Option<u64> {
        let is_it = |wish: &(u64, TransitionKind, Actor)| wish.1 == kind && wish.2 == Actor::Health;
        self.wishes().into_iter().find(is_it).map(|(due, ..)| due)
    }

    fn unwell(&self) -> [Option<u64>; 2] {
        self.machine.unwell().0.map(|since| since.map(|since| (since - self.start).as_secs()))
    }
}

#[test]
fn abort_by_health_needs_more_than_half() {
    for (own, others, expected) in [
        (None, [None, None], None),
        (Some(20), [None, None], Some(70)),
        (None, [Some(20), None], Some(70)),
        (Some(20), [Some(22), None], Some(27)),
        (None, [Some(20), Some(22)], Some(27)),
        (Some(24), [Some(20), Some(22)], Some(27)),
        // Not before the announcement: it was followed at 10.
        (Some(11), [Some(1), None], Some(16)),
    ] {
        let mut bench = Bench::new(ANNOUNCED);
        bench.hears(Blue, true, 10);
        bench.hears(Green, true, 11);
        if let Some(since) = own {
            bench.hears(Green, false, since);
        }
        bench.others(Green, others);
        assert_eq!(bench.by_health(Abort), expected, "{own:?} {others:?}");
    }
}

#[test]
fn failover_needs_more_than_half() {
    for (own, others, expected) in [
        (Some(20), [None, None], None),
        (None, [Some(20), None], None),
        (None, [Some(20), Some(22)], Some(25)),
        (Some(20), [Some(22), None], Some(25)),
        (Some(24), [Some(22), Some(20)], Some(25)),
    ] {
        let mut bench = Bench::new(STABLE);
        bench.hears(Blue, true, 10);
        bench.hears(Green, true, 10);
        if let Some(since) = own {
            bench.hears(Blue, false, since);
        }
        bench.others(Blue, others);
        assert_eq!(bench.by_health(Announce), expected, "{own:?} {others:?}");
    }
}

#[test]
fn failover_needs_all_to_see_the_other_healthy() {
    for (green_here, green_there, expected) in
        [(true, None, Some(13)), (true, Some(12), None), (false, None, None)]
    {
        let mut bench = Bench::new(STABLE);
        bench.hears(Green, green_here, 10);
        bench.hears(Blue, false, 10);
        let ill = |green| Unwell([Some(bench.at(10)), green]);
        let others = vec![ill(None), ill(green_there.map(|since| bench.at(since)))];
        bench.machine.see_health(others);
        assert_eq!(bench.by_health(Announce), expected, "{green_here} {green_there:?}");
    }
}

/// Announced by whomever, it is cut over without the notice; and a drain is taken back.
#[test]
fn failover_does_what_the_phase_needs() {
    for (course, kind) in [(STABLE, Announce), (ANNOUNCED, CutOver), (DRAINING, RollBack)] {
        let mut bench = Bench::new(course);
        let active = course.active;
        bench.hears(active.other(), true, 11);
        bench.hears(active, false, 12);
        bench.others(active, [Some(12), None]);
        assert_eq!(bench.by_health(kind), Some(15), "{course:?}");
    }
}

/// Seconds are counted from the first sight of a status.
#[test]
fn stated_seconds_are_measured_by_the_own_clock() {
    let status = InstanceStatus {
        unhealthy: crate::instance::Unhealthy { blue: None, green: Some(4) },
        ..InstanceStatus::joining("web-2".to_owned())
    };
    let mut bench = Bench::new(ANNOUNCED);
    bench.hears(Green, false, 18);
    let said = status.unwell(bench.at(24));
    bench.machine.see_health(vec![said, Unwell::default()]);
    assert_eq!(bench.by_health(Abort), Some(25));
}

#[test]
fn announced_engine_has_to_be_asked_anew() {
    let mut bench = Bench::new(ANNOUNCED);
    assert_eq!(bench.unwell(), [None, Some(0)], "it was never asked");
    bench.hears(Green, true, 9);
    assert_eq!(bench.unwell(), [None, Some(10)], "it was asked before the announcement");
    assert_eq!(bench.machine.question_due(), Some(bench.at(10)));
    bench.hears(Green, true, 10);
    assert_eq!(bench.unwell(), [None, None]);
    bench.hears(Green, false, 12);
    bench.hears(Green, false, 13);
    assert_eq!(bench.unwell(), [None, Some(12)]);
    assert_eq!(bench.machine.report("web-1", false, bench.at(16)).unhealthy.green, Some(4));
}

#[test]
fn unknown_engines_are_told_where_somebody_waits() {
    let mut bench = Bench::new(STABLE);
    assert_eq!(bench.unwell(), [None, Some(0)], "a failover to it would wait");
    bench.machine.set_rules(Rules { failover: None, ..bench.machine.rules().clone() }, bench.at(11));
    assert_eq!(bench.unwell(), [None, None]);
    bench.hears(Blue, false, 12);
    assert_eq!(bench.unwell(), [Some(12), None]);
}

/// The cutover needs an answer to a question that was asked when it was due; the timer's announcement, too.
#[test]
fn own_answer_is_asked_for_when_due() {
    let mut bench = Bench::new(ANNOUNCED);
    bench.hears(Green, true, 20);
    assert_eq!(bench.wishes(), []);
    assert_eq!(bench.machine.question_due(), Some(bench.at(70)));
    bench.hears(Green, true, 71);
    assert_eq!(bench.wishes(), [(71, CutOver, Actor::Teal)]);
    let mut bench = Bench::new(STABLE);
    bench.hears(Green, true, 19);
    assert_eq!(bench.wishes(), [], "its timer is due at 20");
    bench.hears(Green, true, 25);
    assert_eq!(bench.wishes(), [(25, Announce, Actor::Timer)]);
    bench.hears(Green, false, 26);
    assert_eq!(bench.wishes(), []);
}

#[test]
fn unhealthy_here_alone_is_told_apart() {
    let mut bench = Bench::new(STABLE);
    bench.hears(Blue, false, 12);
    assert_eq!(bench.machine.unwell_here_alone(), None, "nobody else is there");
    bench.others(Blue, [None, None]);
    assert_eq!(bench.machine.unwell_here_alone(), Some(Blue));
    bench.others(Blue, [Some(12), None]);
    assert_eq!(bench.machine.unwell_here_alone(), None);
}
