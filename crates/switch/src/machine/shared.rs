//! A machine that is one of several. It makes no transition: it wishes for some, and follows those that are made.

use std::time::Instant;

use super::{Countdown, Machine, wish::Wish};
use crate::{
    course::{Course, TransitionKind},
    instance::{InstanceStatus, Stage, Unhealthy},
    phase::Actor,
    phase_name::PhaseName,
    rules::Cutover,
    saved_state::SavedTimer,
};

/// The record that several instances share, as one of them knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    /// Queries on record that hold the drain. Begins in progress are counted with the requests.
    pub(super) holding: u64,
    /// Queries on record, by strategy.
    pub(super) queries: [u64; 2],
    /// When there last were any others.
    pub(super) changed: Instant,
    /// It has reported quiet, or is about to.
    is_reported: bool,
}

impl Machine {
    /// Joins others, whose course and timer are these, at the first stage. From then on it only wishes.
    pub(crate) fn join(&mut self, course: Course, timer: SavedTimer, now: Instant) {
        let is_other = course.active != self.course.active;
        self.shared = Some(Shared { holding: 0, queries: [0; 2], changed: now, is_reported: false });
        for (load, closed) in self.loads.iter_mut().zip(course.closed) {
            // What is still counted was begun by an earlier incarnation, in an epoch before.
            if closed > self.course.epoch {
                load.queries = 0;
            }
        }
        self.course = course;
        self.stage = Stage::join(&course);
        (self.followed, self.adopted, self.all_tell, self.closing) = (now, None, None, None);
        self.others.clear();
        if is_other {
            self.active_since = now;
        }
        if let Some(countdown) = Countdown::resumed(timer, self.rules.switch_every, now) {
            self.countdown = countdown;
        }
        self.withhold(now);
    }

    /// Whether it is one of several.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// How many queries on record hold the drain, as far as is known.
    pub(crate) fn held(&self) -> usize {
        self.shared.map_or(0, |shared| usize::try_from(shared.holding).unwrap_or(usize::MAX))
    }

    /// Takes over the timer as an instance has paused or resumed it.
    pub(crate) fn set_timer(&mut self, timer: SavedTimer, now: Instant) {
        if let Some(countdown) = Countdown::resumed(timer, self.rules.switch_every, now) {
            self.countdown = countdown;
        }
    }

    /// Adopts the course that somebody has made, and notes the transition, if it is the next one.
    pub(crate) fn follow_truth(&mut self, course: Course, by: Actor, now: Instant) {
        let before = self.course;
        let holding = self.shared.map_or(0, |shared| shared.holding);
        self.follow(course, now);
        if course.epoch == before.epoch + 1
            && let Some(kind) = kind_of(&before, &course, holding)
        {
            self.transitions.push((kind.transition(&before), by));
        }
    }

    /// So many queries on record hold the drain of the present course, and so many there are.
    pub(crate) fn learn(&mut self, holding: u64, queries: [u64; 2], now: Instant) {
        let Some(shared) = &mut self.shared else { return };
        shared.queries = queries;
        if shared.holding != holding {
            (shared.holding, shared.changed) = (holding, now);
        }
    }

    /// This instance's status. With `may_be_quiet` it says that it is quiet, if it is: from then on it
    /// [is held to that](Machine::is_reported).
    pub(crate) fn report(&mut self, name: &str, may_be_quiet: bool, now: Instant) -> InstanceStatus {
        let is_draining = self.course.phase == PhaseName::Draining;
        let quiet = may_be_quiet && is_draining && self.quiet_due().is_some_and(|due| due <= now);
        if let Some(shared) = &mut self.shared {
            shared.is_reported = quiet;
        }
        let joining = InstanceStatus::joining(name.to_owned());
        let unhealthy = Unhealthy::at(self.unwell(), now);
        InstanceStatus { epoch: self.course.epoch, stage: self.stage, quiet, unhealthy, ..joining }
    }

    /// Whether it has reported quiet, so that it has to take that back before it lets in what would hold the drain.
    pub(crate) fn is_reported(&self) -> bool {
        self.shared.is_some_and(|shared| shared.is_reported)
    }

    /// The transitions that are due by this instance's clock, and when. Others may have to be waited for, and one of them
    /// may be possible before an earlier one is.
    pub(crate) fn wishes(&self) -> Vec<Wish> {
        let by_teal = |kind| move |due| (due, kind, Actor::Teal);
        let of_phase = match self.course.phase {
            PhaseName::Stable => [self.wish_of_timer(), None],
            PhaseName::Announced => self.wishes_of_announcement(),
            PhaseName::Draining => [
                self.quiet_due().map(by_teal(TransitionKind::Drain)),
                self.drain_timed_out().map(by_teal(TransitionKind::TimeOutDrain)),
            ],
        };
        of_phase.into_iter().chain([self.wish_of_failover()]).flatten().collect()
    }
}

/// The transition between two courses. A drain that ends while something holds it has timed out.
fn kind_of(before: &Course, course: &Course, holding: u64) -> Option<TransitionKind> {
    use PhaseName::{Announced, Draining, Stable};
    Some(match (before.phase, course.phase) {
        (Stable, Announced) => TransitionKind::Announce,
        (Announced, Draining) if course.active != before.active => TransitionKind::CutOver,
        (Announced, Draining) => TransitionKind::Abort,
        (Draining, Announced) => TransitionKind::RollBack,
        (Draining, Stable) if holding > 0 || before.cutover == Cutover::Strict => {
            TransitionKind::TimeOutDrain
        }
        (Draining, Stable) => TransitionKind::Drain,
        _ => return None,
    })
}
