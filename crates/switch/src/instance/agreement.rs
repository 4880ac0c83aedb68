//! What all live instances, or more than half of them, have to say before a transition is made.

use std::time::{Duration, Instant};

use super::InstanceStatus;
use crate::course::{Course, TransitionKind};

/// What a transition has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle<'a> {
    /// This instance is not as far as all have to be.
    Behind(&'a InstanceStatus),
    /// This instance sees the pending engine as unhealthy.
    Unhealthy(&'a InstanceStatus),
}

/// The first obstacle to a transition, if there is one. `live`: all live instances, the one that asks among them. An
/// operator may force a cutover to an engine that is not healthy.
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

/// When an announcement is aborted because of the pending engine's health. `unhealthy`: since when each live instance
/// sees that engine as unhealthy. `after`: how long more than half of them have to; `timed_out`: from when on it is
/// enough that one does.
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

/// When the active engine is left for the other one. `unhealthy`: since when each live instance sees the active engine
/// as unhealthy, of whom more than half have to for so long. `healthy`: since when each of them sees the other one as
/// healthy, as all have to.
pub fn failover_due(
    unhealthy: &[Option<Instant>],
    healthy: &[Option<Instant>],
    active_since: Instant,
    after: Duration,
) -> Option<Instant> {
    let given_up = majority(unhealthy)?.max(active_since) + after;
    healthy.iter().try_fold(given_up, |due, healthy| Some(due.max((*healthy)?)))
}

/// Since when more than half have said so.
fn majority(since: &[Option<Instant>]) -> Option<Instant> {
    let mut said: Vec<_> = since.iter().flatten().copied().collect();
    said.sort_unstable();
    said.get(since.len() / 2).copied()
}
