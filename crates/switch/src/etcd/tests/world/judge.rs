//! Judges each transition by what etcd held right before it, whoever made it and why.

use std::collections::HashSet;

use protocol::Strategy;
use teal_etcd::{Event, simulated::Etcd};

use crate::{
    Actor,
    PhaseName::{Announced, Draining, Stable},
    course::Truth,
    etcd::{Board, Prefix},
    instance::{InstanceStatus, Stage},
};

/// It reads what etcd has noted, so nothing is lost or late.
pub(super) struct Judge {
    prefix: Prefix,
    board: Board,
    /// In whose epochs a cutover was ordered to an unhealthy engine, too.
    pub(super) forced: HashSet<u64>,
    /// Whether an announcement ends by itself.
    pub(super) times_out: bool,
    /// Transitions; those by the actor `health`; and cutovers among them.
    pub(super) count: (u64, u64, u64),
}

impl Judge {
    pub(super) fn new(times_out: bool) -> Self {
        let prefix = Prefix::new("teal/").expect("it is good");
        Self { prefix, board: Board::empty(1), forced: HashSet::new(), times_out, count: (0, 0, 0) }
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// etcd holds other data from now on.
    pub(super) fn set_back(&mut self, board: Board) {
        self.board = board;
    }

    pub(super) fn judge(&mut self, etcd: &Etcd) {
        let events = etcd.events_after(self.board.revision);
        for events in events.chunk_by(|one, other| one.revision() == other.revision()) {
            let changes_truth = events.iter().any(|event| self.is_truth(event));
            let before = changes_truth.then(|| self.board.clone());
            let revision = events[0].revision();
            self.board.take(&self.prefix, events, revision).expect("they are a switch's");
            if let Some(before) = before
                && let (Some(from), Some(to)) = (&before.truth, &self.board.truth)
                && to.value.course.epoch == from.value.course.epoch + 1
            {
                let live = before.live();
                self.transition(&from.value, &to.value.clone(), &live);
            }
        }
    }

    fn is_truth(&self, event: &Event) -> bool {
        matches!(event, Event::Put(entry) if entry.key == self.prefix.state())
    }

    fn transition(&mut self, from: &Truth, to: &Truth, live: &[InstanceStatus]) {
        let (before, course, by) = (&from.course, &to.course, to.stamp.why);
        let (active, pending) = (before.active, before.active.other());
        let all = |says: &dyn Fn(&InstanceStatus) -> bool| live.iter().all(says);
        let ill = |strategy: Strategy| {
            live.iter().filter(|instance| instance.unhealthy.of(strategy).is_some()).count()
        };
        let is_most = |strategy| ill(strategy) * 2 > live.len();
        let by_health = by == Actor::Health;
        let mut is_failover = false;
        let why = format!("{from:?} to {to:?}, where {live:?}");
        match (before.phase, course.phase) {
            (Announced, Draining) if course.active != before.active => {
                assert!(all(&|one| one.epoch == before.epoch && one.stage == Stage::Telling), "told: {why}");
                let is_forced = by == Actor::Operator && self.forced.contains(&before.epoch);
                assert!(is_forced || ill(pending) == 0, "to an unhealthy engine: {why}");
                assert!(!by_health || is_most(active), "a failover by few: {why}");
                is_failover = by_health;
            }
            (Announced, Draining) => {
                let is_due = is_most(pending) || self.times_out && ill(pending) > 0;
                assert!(!by_health || is_due, "an abort by few: {why}");
            }
            (Stable | Draining, Announced) => {
                let is_due = is_most(active) && ill(pending) == 0;
                assert!(!by_health || is_due, "a failover by few: {why}");
            }
            (Draining, Stable) => {
                assert!(
                    all(&|one| one.epoch == before.epoch && one.stage == Stage::Closing),
                    "closed: {why}"
                );
            }
            _ => panic!("no transition: {why}"),
        }
        self.count.0 += 1;
        self.count.1 += u64::from(by_health);
        self.count.2 += u64::from(is_failover);
    }
}
