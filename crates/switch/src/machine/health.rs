//! The transitions that the health of the engines forbids, and those that it brings about. A single instance decides alone; of several, all or
//! more than half have to agree.

use std::time::Instant;

use protocol::Strategy;

use super::{Machine, wish::Wish};
use crate::{
    course::TransitionKind,
    engines::EngineHealth,
    instance::{Unwell, abort_due, failover_due},
    phase::Actor,
    phase_name::PhaseName,
};

impl Machine {
    /// Takes in what the other live instances say of the engines, by this instance's clock.
    pub(crate) fn see_health(&mut self, others: Vec<Unwell>) {
        self.others = others;
    }

    /// Since when each engine is unhealthy as seen from here, for the others. Of those that new work may move to it is
    /// enough that they are not known to be healthy: they hold up a cutover. What is announced has to be asked anew.
    pub(crate) fn unwell(&self) -> Unwell {
        let Some(engines) = self.engines else { return Unwell::default() };
        let (active, phase) = (self.course.active, self.course.phase);
        Unwell(Strategy::ALL.map(|strategy| {
            let engine = engines[strategy.index()];
            let has_to_be_known = phase == PhaseName::Announced || self.rules.failover.is_some();
            match engine {
                EngineHealth::Unhealthy { since, .. } => Some(since),
                EngineHealth::Unknown { since } => (strategy != active && has_to_be_known).then_some(since),
                EngineHealth::Healthy { asked, .. } => {
                    let is_pending = strategy != active && phase == PhaseName::Announced;
                    (is_pending && asked < self.followed).then_some(self.followed)
                }
            }
        }))
    }

    /// An engine that is unhealthy as seen from here, and from no other live instance.
    pub(crate) fn unwell_here_alone(&self) -> Option<Strategy> {
        let engines = self.engines.filter(|_| !self.others.is_empty())?;
        Strategy::ALL.into_iter().find(|strategy| {
            let is_unwell = engines[strategy.index()].unhealthy().is_some();
            is_unwell && self.others.iter().all(|other| other.of(*strategy).is_none())
        })
    }

    /// Once the active engine has been unhealthy for too long while the other one is healthy: first announces the other
    /// one, then cuts over: a single instance at the same moment, several as soon as all tell.
    pub(super) fn wish_of_failover(&self) -> Option<Wish> {
        let (after, engines, active) = (self.rules.failover?, self.engines?, self.course.active);
        let own = engines[active.index()].unhealthy();
        let unhealthy = self.all(active, own.map(|(since, _)| since));
        let pending = active.other();
        // Of the others it is only known that they do not see it unhealthy, and that counts at once.
        let well = |other: &Unwell| other.of(pending).is_none().then_some(self.active_since);
        let mut healthy = vec![engines[pending.index()].healthy_since()];
        healthy.extend(self.others.iter().map(well));
        let due = failover_due(&unhealthy, &healthy, self.active_since, after)?;
        let due = own.map_or(due, |(_, known)| due.max(known));
        let kind = match self.course.phase {
            PhaseName::Stable => TransitionKind::Announce,
            PhaseName::Announced => TransitionKind::CutOver,
            PhaseName::Draining => TransitionKind::RollBack,
        };
        Some((due.max(self.ruled), kind, Actor::Health))
    }

    /// The cutover, once the pending engine has said that it is healthy after it was due; and the abort, where it
    /// does not say so here, or to enough of the others.
    pub(super) fn wishes_of_announcement(&self) -> [Option<Wish>; 2] {
        let due = self.cutover_due();
        let Some(engines) = self.engines else {
            return [due.map(|due| (due, TransitionKind::CutOver, Actor::Teal)), None];
        };
        let pending = self.course.active.other();
        let (engine, after) = (engines[pending.index()], self.rules.unhealthy_abort);
        let (cutover, own, known) = match engine {
            EngineHealth::Healthy { asked, known, .. } => {
                let due = due.filter(|due| *due <= asked).map(|due| due.max(known));
                (due.map(|due| (due, TransitionKind::CutOver, Actor::Teal)), None, self.ruled)
            }
            engine => (None, Some(engine.not_healthy_since()), engine.known()),
        };
        let unhealthy = self.all(pending, own);
        let abort = abort_due(&unhealthy, self.followed, after, self.announce_timed_out());
        let abort = abort.map(|due| (due.max(known).max(self.ruled), TransitionKind::Abort, Actor::Health));
        [cutover, abort]
    }

    /// Of several instances, the timer's announcement, once the engine has said that it is healthy after it was due.
    pub(super) fn wish_of_timer(&self) -> Option<Wish> {
        let due = self.timer_due()?;
        let due = match self.engines {
            None => due,
            Some(engines) => match engines[self.course.active.other().index()] {
                EngineHealth::Healthy { asked, known, .. } if due <= asked => due.max(known),
                _ => return None,
            },
        };
        Some((due, TransitionKind::Announce, Actor::Timer))
    }

    /// Since when an engine is unhealthy as seen from all live instances, of which this one sees it so since `own`.
    fn all(&self, strategy: Strategy, own: Option<Instant>) -> Vec<Option<Instant>> {
        [own].into_iter().chain(self.others.iter().map(|other| other.of(strategy))).collect()
    }

    /// From when on the pending engine has to be asked again: a cutover to it is due then, and the last good
    /// answer is older. One of several instances asks at once when it follows an announcement, for others wait for it.
    pub(crate) fn question_due(&self) -> Option<Instant> {
        if self.course.phase != PhaseName::Announced {
            return None;
        }
        match self.engines?[self.course.active.other().index()] {
            EngineHealth::Healthy { asked, .. } => {
                let followed = self.shared.map(|_| self.followed);
                [followed, self.cutover_due()].into_iter().flatten().filter(|due| *due > asked).min()
            }
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
