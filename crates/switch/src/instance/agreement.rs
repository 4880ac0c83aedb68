//! The conditions on all live instances, or on more than half of them, for a transition.

use std::time::{Duration, Instant};

use super::InstanceStatus;
use crate::course::{Course, TransitionKind};

/// The reason why a transition has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle<'a> {
    /// This instance has not reported the stage, or the quiet, that the transition needs.
    Behind(&'a InstanceStatus),
    /// The pending engine is unhealthy as seen from this instance.
    Unhealthy(&'a InstanceStatus),
}

/// The first obstacle to a transition, if there is one. `live`: all live instances, the proposer included. `is_forced`:
/// cut over even to an unhealthy engine.
pub fn obstacle<'a>(
    kind: TransitionKind,
    is_forced: bool,
    course: &Course,
    live: &'a [InstanceStatus],
) -> Option<Obstacle<'a>> {
    let is_ready = |instance: &&InstanceStatus| match kind {
        TransitionKind::Announce | TransitionKind::Abort | TransitionKind::RollBack => true,
        TransitionKind::CutOver => instance.tells(course),
        TransitionKind::Drain => instance.is_quiet(course),
        TransitionKind::TimeOutDrain => instance.is_closing(course),
    };
    if let Some(behind) = live.iter().find(|instance| !is_ready(instance)) {
        return Some(Obstacle::Behind(behind));
    }
    let needs_health = kind == TransitionKind::CutOver && !is_forced;
    let pending = course.active.other();
    let unhealthy = live.iter().find(|instance| needs_health && instance.unhealthy.of(pending).is_some());
    unhealthy.map(Obstacle::Unhealthy)
}

/// When an announcement is aborted because of the pending engine's health. `unhealthy`: since when the engine is
/// unhealthy, as seen from each live instance. More than half have to see it so for `after`; from `timed_out` on, one is
/// enough.
pub fn abort_due(
    unhealthy: &[Option<Instant>],
    announced: Instant,
    after: Option<Duration>,
    timed_out: Option<Instant>,
) -> Option<Instant> {
    let given_up = majority(unhealthy).zip(after).map(|(since, after)| since.max(announced) + after);
    let timed_out = timed_out.filter(|_| unhealthy.iter().any(Option::is_some));
    [given_up, timed_out].into_iter().flatten().min()
}

/// When a failover is due. `unhealthy`: since when the active engine is unhealthy, as seen from each live instance; more
/// than half have to see it so for `after`. `healthy`: since when the other engine is healthy, as seen from each; all have
/// to see it so.
pub fn failover_due(
    unhealthy: &[Option<Instant>],
    healthy: &[Option<Instant>],
    active_since: Instant,
    after: Duration,
) -> Option<Instant> {
    let given_up = majority(unhealthy)?.max(active_since) + after;
    healthy.iter().try_fold(given_up, |due, healthy| Some(due.max((*healthy)?)))
}

/// The moment from which on more than half agree.
fn majority(since: &[Option<Instant>]) -> Option<Instant> {
    let mut said: Vec<_> = since.iter().flatten().copied().collect();
    said.sort_unstable();
    said.get(since.len() / 2).copied()
}
