//! The switch as one of several: it follows, and says what it wishes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use super::{
    about::About,
    copy::RecordCopy,
    follower::Follower,
    handle::{Handle, Task},
    lookout::FULL,
    remark::{Remark, Weight},
    store::{Store, StoreError},
};
use tracing::{error, info, warn};

use crate::{
    InvalidTransition, NewEvent, Switch,
    course::{Course, Proposer, Stamp, TimerState, TransitionKind, Truth},
    instance::{InstanceStatus, Unwell},
    phase::Actor,
    saved_state::SavedTimer,
};

/// A switch under the name of its instance.
#[derive(Debug)]
struct Member {
    switch: Switch,
    name: String,
    /// The epoch that this instance has made last.
    won: AtomicU64,
}

impl Switch {
    /// Shares the switch with other instances from now on, under the keys of `store`. Comes before the first request. The
    /// instance is driven for as long as the task is kept.
    pub async fn share(&self, store: Store, name: &str, ttl: Duration) -> Result<Task, StoreError> {
        let copy = RecordCopy::new(Arc::clone(&self.shared.queries));
        self.shared.queries.share(&self.rules());
        let member = Member { switch: self.clone(), name: name.to_owned(), won: AtomicU64::new(0) };
        let (handle, task) = Handle::join(store, Arc::new(member), copy, ttl).await?;
        // A switch is shared once: a second time its first store would stay.
        _ = self.shared.store.set(handle.clone());
        handle.ready().await;
        self.change(|_, _| ());
        Ok(task)
    }

    /// Why it lets in nothing new at present: it is one of several instances, and has not joined the others yet, has lost
    /// etcd, or etcd has no room for a query.
    pub fn unready(&self) -> Option<String> {
        match self.store() {
            None => self.shared.is_shared.then(|| "the other instances are not joined yet".to_owned()),
            Some(store) if store.own().is_none() || store.is_cut_off() => Some(store.lost()),
            Some(store) => store.counters().is_full().then(|| FULL.to_owned()),
        }
    }

    /// Why it will never let in anything new again: it is one of several instances, and the tasks that follow etcd have
    /// ended.
    pub fn failed(&self) -> Option<String> {
        let ended = "what follows etcd has ended by a fault: expected a restart";
        self.store().filter(|store| store.has_failed()).map(|_| ended.to_owned())
    }

    /// The store that it shares with others, if it does.
    pub fn store(&self) -> Option<&Handle> {
        self.shared.store.get()
    }
}

impl Member {
    fn every(&self) -> Duration {
        self.switch.lock().machine.rules().switch_every.unwrap_or_default()
    }

    fn stamp(&self, why: Actor) -> Stamp {
        Stamp { by: self.name.clone(), why, at: wall() }
    }
}

impl Follower for Member {
    fn limits(&self) -> (usize, Duration) {
        let state = self.switch.lock();
        let rules = state.machine.rules();
        (rules.max_queries, rules.query_ttl)
    }

    fn first(&self) -> Truth {
        let (rules, kept) =
            self.switch.change(|state, now| (state.machine.rules().clone(), state.machine.keep(now)));
        let stamp = self.stamp(Actor::Teal);
        let timer = TimerState::of(kept.timer, rules.switch_every.unwrap_or_default(), stamp.at);
        Truth { course: Course::stable(rules.initial, rules.cutover, 1), timer, stamp }
    }

    fn join(&self, truth: &Truth) {
        let timer = truth.timer.joined(self.every(), wall());
        self.switch.change(|state, now| state.machine.join(truth.course, timer, now));
    }

    fn follow(&self, truth: &Truth) {
        let timer = truth.timer.joined(self.every(), wall());
        self.switch.change(|state, now| {
            if truth.course.epoch > state.machine.epoch() {
                state.is_own = truth.course.epoch == self.won.load(Relaxed);
                state.proposed_at = Some(truth.stamp.at);
                state.machine.follow_truth(truth.course, truth.stamp.why, now);
            } else {
                state.machine.set_timer(timer, now);
            }
        });
    }

    fn see(&self, live: &[InstanceStatus], has_vanished: bool) {
        self.switch.change(|state, now| state.machine.see(live, has_vanished, now));
    }

    fn see_health(&self, others: Vec<Unwell>) {
        self.switch.change(|state, _| state.machine.see_health(others));
    }

    fn unwell(&self) -> Unwell {
        self.switch.lock().machine.unwell()
    }

    fn learn(&self, holding: u64, queries: [u64; 2]) {
        self.switch.change(|state, now| state.machine.learn(holding, queries, now));
    }

    fn report(&self, may_be_quiet: bool) -> InstanceStatus {
        self.switch.change(|state, now| state.machine.report(&self.name, may_be_quiet, now))
    }

    fn wishes(&self) -> Vec<(Instant, TransitionKind, Actor)> {
        self.switch.lock().machine.wishes()
    }

    fn with_timer(&self, truth: &Truth, pauses: bool, by: Actor) -> Truth {
        let (every, stamp) = (self.every(), self.stamp(by));
        let kept = self.switch.change(|state, now| state.machine.keep(now).timer);
        let timer = TimerState::of(SavedTimer { paused: pauses, ..kept }, every, stamp.at);
        truth.with_timer(timer, stamp)
    }

    fn about(&self, admin: Option<String>) -> About {
        let (rules, snapshot) = (self.switch.rules(), self.switch.snapshot());
        About::new(&rules, admin, snapshot.requests.iter().sum())
    }

    fn remark(&self, remark: &Remark) {
        let Remark { weight, kind, epoch, message, instance, details } = remark;
        let (epoch, instance) = (*epoch, instance.as_deref());
        match weight {
            Weight::Info => info!(epoch, instance, "{message}"),
            Weight::Warn => warn!(epoch, instance, "{message}"),
            Weight::Error => error!(epoch, instance, "{message}"),
        }
        let (message, details) = (message.clone(), details.clone());
        self.switch.event_log().note(NewEvent { kind, epoch, message, details, ..NewEvent::default() });
    }

    fn won(&self, epoch: u64) {
        self.won.store(epoch, Relaxed);
    }

    fn next(&self, truth: &Truth, kind: TransitionKind, by: Actor) -> Result<Truth, InvalidTransition> {
        let rules = self.switch.rules();
        let proposer = Proposer { cutover: rules.cutover, is_alone: false };
        truth.next(kind, proposer, rules.switch_every.unwrap_or_default(), self.stamp(by))
    }
}

/// Milliseconds since 1970, by the wall clock.
fn wall() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
