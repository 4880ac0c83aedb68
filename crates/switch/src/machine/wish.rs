//! The transition that is due next, and when, if nothing else happens.

use std::time::Instant;

use super::Machine;
use crate::{course::TransitionKind, phase::Actor, phase_name::PhaseName, rules::Cutover};

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

    fn wish_of_phase(&self) -> Option<Wish> {
        match self.course.phase {
            PhaseName::Stable => None,
            PhaseName::Announced => {
                self.wishes_of_announcement().into_iter().flatten().min_by_key(|(due, ..)| *due)
            }
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

    /// When the cutover is due in `ANNOUNCED`, health aside.
    pub(super) fn cutover_due(&self) -> Option<Instant> {
        let adopted = self.adopted.zip(self.all_tell).map(|(at, told)| at.max(told + self.rules.notice));
        let due = [adopted, self.announce_timed_out()].into_iter().flatten().min();
        due.map(|due| due.max(self.ruled))
    }

    pub(super) fn announce_timed_out(&self) -> Option<Instant> {
        let timeout = self.rules.announce_timeout?;
        Some(self.followed + timeout.max(self.rules.notice))
    }
}
