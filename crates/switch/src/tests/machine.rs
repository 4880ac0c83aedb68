//! The machine as one of several: it follows, and wishes for what it may not do alone.

use std::time::Instant;

use protocol::Strategy::{Blue, Green};

use super::*;
use crate::{
    course::TransitionKind::{Abort, Announce, CutOver, Drain, RollBack, TimeOutDrain},
    machine::Machine,
};

const SHARED: Proposer = Proposer { cutover: Cutover::Drain, is_alone: false };

/// A machine, the course that it shares, and when it began.
struct Shared {
    machine: Machine,
    course: Course,
    start: Instant,
}

impl Shared {
    fn new(set: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules { switch_every: None, ..Rules::default() };
        set(&mut rules);
        let start = Instant::now();
        let machine = Machine::new(rules, start);
        Self { course: *machine.course(), machine, start }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + secs(seconds)
    }

    /// Somebody makes a transition, which the machine follows then.
    fn follow(&mut self, kind: TransitionKind, seconds: u64) {
        self.course = self.course.next(kind, SHARED).unwrap();
        self.machine.follow(self.course, self.at(seconds));
    }

    /// It sees itself and another instance so far with the present heading.
    fn see(&mut self, own: Stage, other: Stage, seconds: u64) {
        let status = |stage| InstanceStatus {
            epoch: self.course.epoch,
            stage,
            ..InstanceStatus::joining(String::new())
        };
        self.machine.see(&[status(own), status(other)], false, self.start + secs(seconds));
    }

    fn pass_stages(&mut self, seconds: u64) {
        for stage in [Stage::Open, Stage::Telling, Stage::Closing] {
            self.see(stage, stage, seconds);
        }
    }

    fn wish(&self) -> Option<(u64, TransitionKind)> {
        self.machine.wish().map(|(due, kind, _)| ((due - self.start).as_secs(), kind))
    }

    /// A request that is let in, and counts as a query.
    fn begin(&mut self, strategy: Strategy, seconds: u64) -> crate::phase::Admission {
        self.machine.judge(CallKind::Begin, strategy, true, self.at(seconds)).unwrap()
    }
}

#[test]
fn the_notice_counts_from_when_all_tell() {
    let mut shared = Shared::new(|rules| rules.notice = secs(10));
    shared.follow(Announce, 1);
    assert_eq!(shared.wish(), Some((61, CutOver)), "the announce timeout");
    let login = shared.machine.judge(CallKind::LogIn, Green, false, shared.at(2)).unwrap();
    shared.machine.finish(login, false, true, shared.at(2));
    assert_eq!(shared.wish(), Some((61, CutOver)), "not all tell");
    shared.see(Stage::Open, Stage::Open, 3);
    shared.see(Stage::Telling, Stage::Open, 4);
    assert_eq!(shared.wish(), Some((61, CutOver)), "it tells, the other one does not");
    shared.see(Stage::Telling, Stage::Telling, 5);
    assert_eq!(shared.wish(), Some((15, CutOver)));
}

#[test]
fn an_end_adopts_only_what_is_told() {
    let mut shared = Shared::new(|rules| (rules.notice, rules.announce_timeout) = (secs(1), None));
    let query = shared.begin(Blue, 0);
    let other = shared.begin(Blue, 0);
    for query in [query, other] {
        shared.machine.finish(query, true, true, shared.at(0));
    }
    shared.follow(Announce, 1);
    shared.machine.end(Blue, 0, shared.at(2));
    shared.see(Stage::Open, Stage::Open, 3);
    shared.see(Stage::Telling, Stage::Telling, 3);
    assert_eq!(shared.wish(), None, "its answer carried no notice");
    shared.machine.end(Blue, 0, shared.at(3));
    assert_eq!(shared.wish(), Some((4, CutOver)));
}

#[test]
fn each_announcement_is_adopted_anew() {
    let mut shared = Shared::new(|_| {});
    shared.follow(Announce, 1);
    shared.pass_stages(1);
    let login = shared.machine.judge(CallKind::LogIn, Green, false, shared.at(1)).unwrap();
    shared.machine.finish(login, false, true, shared.at(1));
    assert_eq!(shared.wish(), Some((2, CutOver)));
    shared.follow(Abort, 2);
    shared.follow(RollBack, 3);
    shared.pass_stages(3);
    assert_eq!(shared.wish(), Some((63, CutOver)), "nobody has adopted it yet");
}

#[test]
fn grace_counts_from_closing() {
    let mut shared = Shared::new(|rules| rules.drain_timeout = None);
    shared.follow(Announce, 1);
    shared.follow(Abort, 2);
    assert_eq!(shared.wish(), None, "it lets all in still");
    shared.see(Stage::Open, Stage::Open, 3);
    shared.see(Stage::Telling, Stage::Open, 4);
    assert_eq!(shared.wish(), None);
    shared.see(Stage::Telling, Stage::Telling, 5);
    assert_eq!(shared.wish(), Some((10, Drain)));
    shared.see(Stage::Closing, Stage::Closing, 7);
    assert_eq!(shared.wish(), Some((10, Drain)));
}

#[test]
fn a_vanished_instance_restarts_the_grace() {
    let mut shared = Shared::new(|_| {});
    shared.follow(Announce, 1);
    shared.pass_stages(1);
    shared.follow(CutOver, 2);
    shared.pass_stages(2);
    assert_eq!(shared.wish(), Some((7, Drain)));
    let alone = InstanceStatus {
        epoch: shared.course.epoch,
        stage: Stage::Closing,
        ..InstanceStatus::joining(String::new())
    };
    shared.machine.see(&[alone], true, shared.at(6));
    assert_eq!(shared.wish(), Some((11, Drain)));
}

#[test]
fn begins_before_closing_are_withheld() {
    let mut shared = Shared::new(|rules| rules.drain_timeout = None);
    shared.follow(Announce, 1);
    shared.follow(Abort, 2);
    // Both are let in, and both may act on the withdrawn notice.
    let (active, old) = (shared.begin(Blue, 3), shared.begin(Green, 3));
    assert_eq!((active.birth, old.birth), (Some(1), Some(1)));
    shared.pass_stages(4);
    let later = shared.begin(Blue, 5);
    assert_eq!(later.birth, Some(2));
    assert!(shared.machine.judge(CallKind::Begin, Green, true, shared.at(5)).is_err());
    shared.machine.finish(old, false, false, shared.at(6));
    assert_eq!(shared.wish(), None, "held by the active strategy's");
    shared.machine.finish(active, false, false, shared.at(7));
    assert_eq!(shared.wish(), Some((12, Drain)));
    shared.machine.finish(later, false, false, shared.at(8));
    assert_eq!(shared.wish(), Some((12, Drain)), "begun after it: holds nothing");
}

#[test]
fn drain_timeouts_count_from_following() {
    let mut shared = Shared::new(|rules| rules.drain_timeout = Some(secs(30)));
    shared.follow(Announce, 1);
    shared.follow(CutOver, 2);
    let _open = shared.machine.judge(CallKind::Neutral, Blue, false, shared.at(2));
    assert_eq!(shared.wish(), Some((32, TimeOutDrain)));
    shared.follow(RollBack, 10);
    shared.follow(CutOver, 20);
    assert_eq!(shared.wish(), Some((50, TimeOutDrain)));
}

#[test]
fn strict_drains_of_several_time_out_at_once() {
    let mut shared = Shared::new(|rules| rules.cutover = Cutover::Strict);
    let strict = Proposer { cutover: Cutover::Strict, ..SHARED };
    for (kind, seconds) in [(Announce, 1), (CutOver, 2)] {
        shared.course = shared.course.next(kind, strict).unwrap();
        shared.machine.follow(shared.course, shared.at(seconds));
    }
    assert_eq!((shared.course.phase, shared.wish()), (Draining, Some((2, TimeOutDrain))));
}

#[test]
fn followers_may_skip_epochs() {
    let mut shared = Shared::new(|rules| rules.switch_every = Some(secs(120)));
    let query = shared.begin(Blue, 0);
    shared.machine.finish(query, true, true, shared.at(0));
    for kind in [Announce, CutOver, TimeOutDrain] {
        shared.course = shared.course.next(kind, SHARED).unwrap();
    }
    shared.machine.follow(shared.course, shared.at(10));
    shared.machine.follow(Course { epoch: 1, phase: Announced, ..shared.course }, shared.at(11));
    let machine = &shared.machine;
    assert_eq!((machine.phase(), machine.epoch()), (Phase::Stable { active: Green }, 3));
    assert_eq!(machine.queries(Blue), 0, "off the record");
    assert!(!machine.remembers(Blue, 0));
    assert_eq!(machine.timer_due(), Some(shared.at(130)), "since the cutover was heard of");
}
