//! Decides on the next write to etcd, and on the time to look again.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, sleep};

use super::{Driver, Follower, OrderError, Own, StoreError, TimerWaiting, Truth, Waiting, Written};
use crate::{
    course::{Course, TimerState, TransitionKind},
    instance::{InstanceStatus, Obstacle, Unwell, obstacle},
};

/// From one attempt to the next, where etcd does not do it.
const AGAIN: Duration = Duration::from_millis(100);
/// How much earlier than the others the eldest tries.
const HEAD_START: Duration = Duration::from_secs(1);

/// The outcome of a write.
pub(super) enum Writing {
    /// The status was published.
    Published(Result<Written, StoreError>, Unwell),
    /// A transition was tried, for an order where there is one.
    Proposed(Result<Written, StoreError>, Truth, Option<Waiting>),
    /// The timer was paused, or goes on.
    Timed(Result<Written, StoreError>, TimerWaiting),
    /// The drain seems to be over, but the copy of the record is not what etcd holds.
    WrongCopy,
}

type Next = BoxFuture<'static, Writing>;

impl<F: Follower> Driver<F> {
    /// The write that is due, if any; and whether it is the status.
    pub(super) fn next_write(&mut self, own: Own) -> Option<(Next, bool)> {
        if let Some(publish) = self.publish(own) {
            return Some((publish, true));
        }
        let next = self.ordered(own).or_else(|| self.timed(own)).or_else(|| self.wished(own))?;
        Some((next, false))
    }

    /// The own status, if it is not what etcd holds.
    fn publish(&mut self, own: Own) -> Option<Next> {
        let holds = self.board.truth.as_ref().is_some_and(|truth| self.recorder.holds(&truth.value.course));
        let may_be_quiet = self.is_listed && self.retractions.is_empty() && !holds;
        // What was put on record a moment ago counts.
        self.learn_record();
        let unwell = self.follower.unwell();
        let status = self.follower.report(may_be_quiet);
        let truth = self.board.truth.clone()?;
        let published = self.board.own(own.lease, own.created);
        let is_there = published.is_some_and(|published| published.says_the_same(&status));
        if is_there && self.said == unwell && !self.is_unsure {
            return None;
        }
        let (store, board) = (self.store.clone(), self.board.clone());
        let publish = async move {
            let published = store.publish(own, &board, &truth, &status).await;
            if published.is_err() {
                sleep(AGAIN).await;
            }
            Writing::Published(published, unwell)
        };
        Some(publish.boxed())
    }

    /// The transition of the first order that can be tried. Orders that cannot be are answered.
    fn ordered(&mut self, own: Own) -> Option<Next> {
        let course = self.board.truth.as_ref()?.value.course;
        let mut live = self.board.live();
        // The one furthest behind is named.
        live.sort_by_key(|instance| (instance.epoch, instance.stage));
        let now = Instant::now();
        for _ in 0..self.orders.len() {
            let waiting = self.orders.pop_front()?;
            let (order, epoch) = (waiting.order, course.epoch);
            let fits = course.phase == order.kind.starts_in();
            let seen = order.epoch.filter(|seen| *seen != epoch);
            if waiting.serial > self.read_serial && (seen.is_some() || !fits) {
                // Like a call, an order is refused by the truth alone.
                self.wants_read = true;
                self.orders.push_back(waiting);
                continue;
            }
            if let Some(seen) = seen {
                _ = waiting.done.send(Err(OrderError::Stale { epoch, seen }));
                continue;
            }
            match obstacle(order.kind, order.is_forced, &course, &live).filter(|_| fits) {
                Some(obstacle) if waiting.until <= now => {
                    _ = waiting.done.send(Err(self.refusal(&obstacle, &course)));
                }
                Some(_) => self.orders.push_back(waiting),
                None => match self.propose(own, order.kind, order.by, Some(waiting)) {
                    Some(next) => return Some(next),
                    None => continue,
                },
            }
        }
        None
    }

    /// The timer as it was ordered. Like any order it is refused by the truth alone.
    fn timed(&mut self, own: Own) -> Option<Next> {
        let kept = self.board.truth.clone()?;
        while let Some(waiting) = self.timers.pop_front() {
            let (order, epoch) = (waiting.order, kept.value.course.epoch);
            let seen = order.epoch.filter(|seen| *seen != epoch);
            let is_done = matches!(kept.value.timer, TimerState::Left(_)) == order.pauses;
            if (seen.is_some() || is_done) && waiting.serial > self.read_serial {
                self.wants_read = true;
                self.timers.push_front(waiting);
                return None;
            }
            if seen.is_some() || is_done {
                let refused = seen.map_or(Ok(false), |seen| Err(OrderError::Stale { epoch, seen }));
                _ = waiting.done.send(refused);
                continue;
            }
            let next = self.follower.with_timer(&kept.value, order.pauses, order.by);
            let store = self.store.clone();
            let set = async move {
                let set = store.set_timer(own, &kept, &next).await;
                if set.is_err() {
                    sleep(AGAIN).await;
                }
                Writing::Timed(set, waiting)
            };
            return Some(set.boxed());
        }
        None
    }

    /// The transition that is due first, of those that all live instances are ready for.
    fn wished(&mut self, own: Own) -> Option<Next> {
        let course = self.board.truth.as_ref()?.value.course;
        let live = self.board.live();
        let now = Instant::now();
        let is_ready = |kind| {
            course.phase == TransitionKind::starts_in(kind) && obstacle(kind, false, &course, &live).is_none()
        };
        let due = self.wishes(own).into_iter().filter(|(due, ..)| *due <= now);
        let (_, kind, by) = due
            .filter(|(_, kind, _)| {
                is_ready(*kind) && (*kind != TransitionKind::Drain || self.is_over(&course))
            })
            .min_by_key(|(due, ..)| *due)?;
        self.propose(own, kind, by, None)
    }

    /// Whether nothing on record holds the drain, in a copy that is as new as all reports of quiet.
    fn is_over(&self, course: &Course) -> bool {
        let copy = self.copy.lock();
        let reported = self.board.instances.values().map(|kept| kept.modified).max().unwrap_or_default();
        self.is_listed && copy.revision() >= reported && copy.holding(course) == 0
    }

    fn propose(
        &mut self,
        own: Own,
        kind: TransitionKind,
        by: crate::Actor,
        waiting: Option<Waiting>,
    ) -> Option<Next> {
        let kept = self.board.truth.clone()?;
        let next = match self.follower.next(&kept.value, kind, by) {
            Ok(next) => next,
            Err(invalid) => {
                if let Some(waiting) = waiting {
                    _ = waiting.done.send(Err(invalid.into()));
                }
                return None;
            }
        };
        let (store, board) = (self.store.clone(), self.board.clone());
        let (revision, keys) = {
            let copy = self.copy.lock();
            (copy.revision(), copy.keys() as u64)
        };
        let propose = async move {
            if kind == TransitionKind::Drain {
                match store.count(revision).await {
                    Ok(count) if count == keys => {}
                    Err(error) if error.is_outage() => {
                        sleep(AGAIN).await;
                        return Writing::Proposed(Err(error), next, waiting);
                    }
                    _ => return Writing::WrongCopy,
                }
            }
            let proposed = store.propose(own, &board, &kept, &next).await;
            if proposed.is_err() {
                sleep(AGAIN).await;
            }
            Writing::Proposed(proposed, next, waiting)
        };
        Some(propose.boxed())
    }

    /// When there is something to do, if nothing happens before.
    pub(super) fn wake(&self, own: Own) -> Option<Instant> {
        let now = Instant::now();
        let wishes = self.wishes(own).into_iter().map(|(due, ..)| due);
        // Quiet is reported when the drain is due by this instance, whoever goes first.
        let reports = self.follower.wishes().into_iter().map(|(due, ..)| Instant::from_std(due));
        let orders = self.orders.iter().map(|waiting| waiting.until);
        wishes.chain(reports).chain(orders).filter(|due| *due > now).min()
    }

    /// The follower's wishes; the eldest goes first.
    fn wishes(&self, own: Own) -> Vec<(Instant, TransitionKind, crate::Actor)> {
        let wait = if self.board.eldest() == Some(own.lease) { Duration::ZERO } else { HEAD_START };
        let later = |(due, kind, by)| (Instant::from_std(due) + wait, kind, by);
        self.follower.wishes().into_iter().map(later).collect()
    }

    fn refusal(&self, obstacle: &Obstacle<'_>, course: &Course) -> OrderError {
        match obstacle {
            Obstacle::Behind(instance) if instance.epoch < course.epoch => {
                let (name, epoch) = (&instance.name, instance.epoch);
                OrderError::Waiting(format!(
                    "instance {name} is still in epoch {epoch} ({})",
                    self.lease_ends(instance)
                ))
            }
            Obstacle::Behind(instance) => {
                OrderError::Waiting(format!("instance {} is not ready yet", instance.name))
            }
            Obstacle::Unhealthy(instance) => {
                let (name, pending) = (&instance.name, course.active.other());
                OrderError::Unhealthy(format!("instance {name} sees the engine of {pending} unhealthy"))
            }
        }
    }

    /// When the lease of an instance that does not follow ends: it was renewed for the last time before the present epoch
    /// began, or a moment later.
    fn lease_ends(&self, instance: &InstanceStatus) -> String {
        let lease =
            self.board.instances.iter().find(|(_, kept)| kept.value == *instance).map(|(lease, _)| *lease);
        let about = lease.and_then(|lease| self.people.abouts.get(lease));
        let ttl =
            about.filter(|about| about.ttl > 0).map_or(self.ttl, |about| Duration::from_secs(about.ttl));
        let left = ttl.saturating_sub(self.followed_at.elapsed());
        match left.as_secs() + u64::from(left.subsec_nanos() > 0) {
            0 => "its lease ends now".to_owned(),
            seconds => format!("its lease ends in {seconds} s at the latest"),
        }
    }
}
