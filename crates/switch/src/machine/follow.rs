//! The way from one course to the next. A single instance makes a transition and follows it in one step.

use std::{mem, time::Instant};

use super::{Machine, Withheld};
use crate::{
    course::{Course, Proposer, TransitionKind},
    instance::{InstanceStatus, Stage},
    phase::{Actor, InvalidTransition, Transition},
    phase_name::PhaseName,
};

impl Machine {
    /// Makes a transition on somebody's order, after all that is due by `now`.
    pub(crate) fn order(
        &mut self,
        kind: TransitionKind,
        by: Actor,
        now: Instant,
    ) -> Result<Transition, InvalidTransition> {
        self.advance(now);
        self.make(kind, by, now)
    }

    /// Takes every step that is due by `now`, each at its own moment.
    pub(crate) fn advance(&mut self, now: Instant) {
        while let Some((due, kind, by)) = self.wish()
            && due <= now
        {
            // Does not happen: a wish fits the phase. Without this the loop would not end.
            if self.make(kind, by, due).is_err() {
                break;
            }
        }
    }

    pub(super) fn make(
        &mut self,
        kind: TransitionKind,
        by: Actor,
        now: Instant,
    ) -> Result<Transition, InvalidTransition> {
        let transition = kind.transition(&self.course);
        let proposer = Proposer { cutover: self.rules.cutover, is_alone: true };
        let course = self.course.next(kind, proposer)?;
        self.follow(course, now);
        self.pass_stages(now);
        self.transitions.push((transition, by));
        Ok(transition)
    }

    /// Adopts a later course. All deadlines of its phase count from `now`.
    pub(crate) fn follow(&mut self, course: Course, now: Instant) {
        if course.epoch <= self.course.epoch {
            return;
        }
        let before = mem::replace(&mut self.course, course);
        self.stage = self.stage.follow(&before, &course);
        self.followed = now;
        self.adopted = None;
        self.closing = None;
        if course.heading != before.heading {
            self.all_tell = None;
        }
        if course.active != before.active {
            self.active_since = now;
        }
        if course.restarts_timer(&before) {
            self.countdown.restart(self.rules.switch_every, now);
        }
        for (load, (closed, before)) in
            self.loads.iter_mut().zip(course.closed.into_iter().zip(before.closed))
        {
            if closed != before {
                load.queries = 0;
            }
        }
        let withholds = course.phase == PhaseName::Draining && course.withheld != 0;
        let left = self.load(course.active).queries;
        self.withheld = withholds.then_some(Withheld { left, changed: now });
        self.amend();
    }

    /// Enters the next stage if the live instances, this one included, allow it. If an instance has vanished the grace
    /// starts anew, for nobody knows what that instance did last.
    pub(crate) fn see(&mut self, live: &[InstanceStatus], has_vanished: bool, now: Instant) {
        let course = &self.course;
        self.stage = self.stage.advance(course, live);
        if live.iter().all(|instance| instance.tells(course)) {
            self.all_tell.get_or_insert(now);
        }
        if self.stage == Stage::Closing && (has_vanished || self.closing.is_none()) {
            self.closing = Some(now);
        }
    }

    /// Passes all stages in the same step, for there is no other instance.
    pub(super) fn pass_stages(&mut self, now: Instant) {
        let mut said = None;
        while said != Some(self.stage) {
            said = Some(self.stage);
            let alone = InstanceStatus::joining(String::new());
            self.see(&[InstanceStatus { epoch: self.course.epoch, stage: self.stage, ..alone }], false, now);
        }
    }

    /// Applies a changed `--cutover`, except to a drain that has begun.
    pub(super) fn amend(&mut self) {
        if self.course.phase != PhaseName::Draining {
            self.course.cutover = self.rules.cutover;
        }
    }
}
