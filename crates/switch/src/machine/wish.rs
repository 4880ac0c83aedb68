//! The transition that is due next, and when, if nothing else happens.

use std::time::Instant;

use protocol::Strategy;

use super::Machine;
use crate::{
    course::TransitionKind,
    engines::EngineHealth,
    instance::{abort_due, failover_due},
    phase::Actor,
    phase_name::PhaseName,
    rules::Cutover,
};

/// When a transition is due, which one, and who makes it.
pub(crate) type Wish = (Instant, TransitionKind, Actor);

impl Machine {
    /// The next one.
    pub(crate) fn wish(&self) -> Option<Wish> {
        [self.wish_of_failover(), self.wish_of_phase()].into_iter().flatten().min_by_key(|(due, ..)| *due)
    }

    /// When [`Machine::advance`] has something to do, if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.wish().filter(|_| self.shared.is_none()).map(|(due, ..)| due)
    }

    /// Once the active engine has been unhealthy for too long while the other one is healthy: first announces the other
    /// one, then cuts over at the same moment.
    fn wish_of_failover(&self) -> Option<Wish> {
        let (after, engines, active) = (self.rules.failover?, self.engines?, self.course.active);
        let (since, known) = engines[active.index()].unhealthy()?;
        let healthy = engines[active.other().index()].healthy_since();
        let due = failover_due(&[Some(since)], &[healthy], self.active_since, after)?;
        let kind = match self.course.phase {
            PhaseName::Stable => TransitionKind::Announce,
            PhaseName::Announced => TransitionKind::CutOver,
            PhaseName::Draining => TransitionKind::RollBack,
        };
        Some((due.max(known).max(self.ruled), kind, Actor::Health))
    }

    fn wish_of_phase(&self) -> Option<Wish> {
        match self.course.phase {
            PhaseName::Stable => None,
            PhaseName::Announced => self.wish_of_announcement(),
            PhaseName::Draining => self.wish_of_drain(),
        }
    }

    /// When a drain takes too long.
    pub(super) fn drain_timed_out(&self) -> Option<Instant> {
        let timed_out = match self.course.cutover {
            Cutover::Strict => Some(self.followed),
            Cutover::Drain => self.rules.drain_timeout.map(|timeout| self.followed + timeout),
        };
        timed_out.map(|due| due.max(self.ruled))
    }

    fn wish_of_drain(&self) -> Option<Wish> {
        let timed_out = self.drain_timed_out();
        match (self.quiet_due(), timed_out) {
            (Some(drained), timed_out) if timed_out.is_none_or(|timeout| drained <= timeout) => {
                Some((drained, TransitionKind::Drain, Actor::Teal))
            }
            (_, timed_out) => Some((timed_out?, TransitionKind::TimeOutDrain, Actor::Teal)),
        }
    }

    /// When the old strategy will have been idle for the whole grace.
    pub(super) fn quiet_due(&self) -> Option<Instant> {
        let old = self.load(self.course.active.other());
        let withheld = self.withheld.map_or(0, |withheld| withheld.left);
        let on_record = self.shared.map_or(0, |shared| shared.holding);
        if old.queries + old.requests + withheld + on_record > 0 {
            return None;
        }
        let closing = self.closing?;
        let released = self.withheld.map_or(closing, |withheld| withheld.changed);
        let left = self.shared.map_or(closing, |shared| shared.changed);
        let quiet = closing.max(old.changed).max(released).max(left);
        Some((quiet + self.rules.grace).max(self.ruled))
    }

    /// The cutover, once the pending engine has said that it is healthy after it was due; or the abort, where it
    /// does not.
    pub(super) fn wish_of_announcement(&self) -> Option<Wish> {
        let due = self.cutover_due();
        let Some(engines) = self.engines else {
            return Some((due?, TransitionKind::CutOver, Actor::Teal));
        };
        match engines[self.course.active.other().index()] {
            EngineHealth::Healthy { asked, known, .. } => {
                let due = due.filter(|due| *due <= asked)?;
                Some((due.max(known), TransitionKind::CutOver, Actor::Teal))
            }
            engine => {
                let (unhealthy, after) = ([Some(engine.not_healthy_since())], self.rules.unhealthy_abort);
                let due = abort_due(&unhealthy, self.followed, after, self.announce_timed_out())?;
                Some((due.max(engine.known()).max(self.ruled), TransitionKind::Abort, Actor::Health))
            }
        }
    }

    /// When the cutover is due in `ANNOUNCED`, health aside.
    fn cutover_due(&self) -> Option<Instant> {
        let adopted = self.adopted.zip(self.all_tell).map(|(at, told)| at.max(told + self.rules.notice));
        let due = [adopted, self.announce_timed_out()].into_iter().flatten().min();
        due.map(|due| due.max(self.ruled))
    }

    fn announce_timed_out(&self) -> Option<Instant> {
        let timeout = self.rules.announce_timeout?;
        Some(self.followed + timeout.max(self.rules.notice))
    }

    /// From when on the pending engine has to be asked again: a cutover to it is due then, and the last good
    /// answer is older.
    pub(crate) fn question_due(&self) -> Option<Instant> {
        if self.course.phase != PhaseName::Announced {
            return None;
        }
        let due = self.cutover_due();
        match self.engines?[self.course.active.other().index()] {
            EngineHealth::Healthy { asked, .. } => due.filter(|due| *due > asked),
            EngineHealth::Unknown { .. } | EngineHealth::Unhealthy { .. } => None,
        }
    }

    /// The strategy whose engine is neither active nor announced, and when it has been unhealthy for so long that
    /// nobody is to wait for it.
    pub(crate) fn leaves(&self) -> Option<(Strategy, Instant)> {
        if self.course.phase == PhaseName::Announced {
            return None;
        }
        let old = self.course.active.other();
        let (since, known) = self.engines?[old.index()].unhealthy()?;
        Some((old, (since + self.rules.unhealthy_abort?).max(known).max(self.ruled)))
    }
}
