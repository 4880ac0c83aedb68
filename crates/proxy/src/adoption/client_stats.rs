//! The statistics of a client. Those of several threads are merged.

use std::{collections::VecDeque, time::Instant};

use protocol::{CallKind, Strategy};
use switch::{Effect, Notice};

use crate::telemetry::{Outcome, Status};

/// The number of switches for which a client's statistics are kept.
pub(crate) const SWITCHES: usize = 20;

/// A call in progress, as adoption sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallRecord {
    pub(crate) arrived: Instant,
    /// See [`Method::label`](protocol::Method).
    pub(crate) label: usize,
    pub(crate) kind: CallKind,
    /// The strategy it was admitted under.
    pub(crate) strategy: Option<Strategy>,
    /// The last announcement when it was admitted or rejected.
    pub(crate) heading: Notice,
}

impl CallRecord {
    /// Returns whether the client could choose the strategy, because the call does not continue an earlier query.
    fn chooses(&self) -> bool {
        !matches!(self.kind, CallKind::Continue | CallKind::End)
    }
}

/// The statistics of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientStats {
    pub(crate) heard: Option<(Instant, Instant)>,
    /// The strategy used last, and when.
    pub(crate) strategy: Option<(Instant, Strategy)>,
    pub(crate) requests: u64,
    pub(crate) rejected: u64,
    /// The last 456: when, and the target strategy at that time.
    last_rejected: Option<(Instant, Strategy)>,
    /// When it last chose each strategy and was admitted.
    chosen: [Option<Instant>; 2],
    pub(crate) begun: u64,
    pub(crate) completed: u64,
    pub(crate) abandoned: u64,
    /// Queries on record by strategy. A query may end on another thread than it began on, so only the sum over all
    /// threads is meaningful.
    open: [i64; 2],
    pub(crate) errors: [u64; Status::COUNT],
    /// Oldest first.
    switches: VecDeque<SwitchStats>,
}

/// The statistics of a client in one switch window: from an announcement to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SwitchStats {
    /// The number of the switch window.
    pub(crate) turn: u64,
    /// The first notice: when, and on a call of which label.
    pub(crate) told: Option<(Instant, usize)>,
    /// The first and last admitted call for which it chose the announced strategy.
    pub(crate) used: Option<(Instant, Instant)>,
    /// The time of its last call.
    pub(crate) heard: Option<Instant>,
    /// The number of 456s.
    pub(crate) rejected: u64,
    /// The number of 456s that were not for a login; the last one, and the label of its call.
    pub(crate) refused_work: u64,
    pub(crate) last_refused: Option<(Instant, usize)>,
    /// Queries abandoned at a drain timeout.
    pub(crate) abandoned: u64,
}

impl ClientStats {
    /// The time of its last call.
    pub(crate) fn last_heard(&self) -> Option<Instant> {
        self.heard.map(|(_, last)| last)
    }

    pub(crate) fn hear(&mut self, at: Instant) {
        self.heard = span(self.heard, Some((at, at)));
    }

    /// Records that a response carries a notice.
    pub(crate) fn tell(&mut self, record: &CallRecord, notice: Notice, at: Instant) {
        if let Some(switch) = self.switch_mut(notice.announcement) {
            switch.told = first(switch.told, Some((at, record.label)));
        }
    }

    /// Records the end of a call.
    pub(crate) fn end(
        &mut self,
        record: &CallRecord,
        outcome: Outcome,
        status: Status,
        effect: Effect,
        now: Instant,
    ) {
        self.requests += 1;
        self.hear(record.arrived);
        self.hear(now);
        let is_rejected = outcome == Outcome::Rejected;
        if is_rejected {
            self.rejected += 1;
            self.last_rejected = self.last_rejected.max_by_time((record.arrived, record.heading.strategy));
        } else if outcome == Outcome::Error {
            self.errors[status.index()] += 1;
        }
        if let Some(strategy) = record.strategy {
            if record.chooses() {
                let chosen = &mut self.chosen[strategy.index()];
                *chosen = (*chosen).max(Some(record.arrived));
            }
            if record.chooses() || self.strategy.is_none() {
                self.strategy = self.strategy.max_by_time((record.arrived, strategy));
            }
            match effect {
                Effect::Nothing => {}
                Effect::Begun => {
                    self.begun += 1;
                    self.open[strategy.index()] += 1;
                }
                Effect::Ended => {
                    self.completed += 1;
                    self.open[strategy.index()] -= 1;
                }
            }
        }
        // Before the first announcement there is no switch window.
        if record.heading.announcement == 0 {
            return;
        }
        let Some(switch) = self.switch_mut(record.heading.announcement) else { return };
        switch.heard = switch.heard.max(Some(record.arrived));
        if is_rejected {
            switch.rejected += 1;
            if record.kind != CallKind::LogIn {
                switch.refused_work += 1;
                switch.last_refused = last(switch.last_refused, Some((record.arrived, record.label)));
            }
        } else if record.strategy == Some(record.heading.strategy) && record.chooses() {
            switch.used = span(switch.used, Some((record.arrived, record.arrived)));
        }
    }

    /// The queries of a strategy that were put on record, less those that ended.
    pub(crate) fn open(&self, strategy: Strategy) -> i64 {
        self.open[strategy.index()]
    }

    /// Records that `count` of its queries were abandoned in this window.
    pub(crate) fn abandon(&mut self, turn: u64, count: u64) {
        self.abandoned += count;
        if let Some(switch) = self.switch_mut(turn) {
            switch.abandoned += count;
        }
    }

    /// Records that none of its queries of a strategy are on record.
    pub(crate) fn close(&mut self, strategy: Strategy) {
        self.open[strategy.index()] = 0;
    }

    /// Returns whether it used the strategy that its last 456 expected, afterwards. `None` without a 456.
    pub(crate) fn came_back(&self) -> Option<bool> {
        let (rejected, expected) = self.last_rejected?;
        Some(self.chosen[expected.index()].is_some_and(|chosen| chosen >= rejected))
    }

    /// The statistics of a switch window.
    pub(crate) fn in_window(&self, turn: u64) -> SwitchStats {
        let known = self.switches.iter().find(|switch| switch.turn == turn).copied();
        known.unwrap_or(SwitchStats { turn, ..SwitchStats::default() })
    }

    /// The statistics of a switch window, unless it is too old.
    fn switch_mut(&mut self, turn: u64) -> Option<&mut SwitchStats> {
        let at = self.switches.partition_point(|switch| switch.turn < turn);
        if self.switches.get(at).is_some_and(|switch| switch.turn == turn) {
            return self.switches.get_mut(at);
        }
        if self.switches.len() < SWITCHES {
            self.switches.insert(at, SwitchStats { turn, ..SwitchStats::default() });
            return self.switches.get_mut(at);
        }
        let at = at.checked_sub(1)?;
        self.switches.pop_front();
        self.switches.insert(at, SwitchStats { turn, ..SwitchStats::default() });
        self.switches.get_mut(at)
    }

    /// Merges the statistics of another thread.
    pub(crate) fn merge(&mut self, other: Self) {
        self.heard = span(self.heard, other.heard);
        if let Some(used) = other.strategy {
            self.strategy = self.strategy.max_by_time(used);
        }
        self.requests += other.requests;
        self.rejected += other.rejected;
        if let Some(rejected) = other.last_rejected {
            self.last_rejected = self.last_rejected.max_by_time(rejected);
        }
        self.begun += other.begun;
        self.completed += other.completed;
        self.abandoned += other.abandoned;
        for colour in [0, 1] {
            self.open[colour] += other.open[colour];
            self.chosen[colour] = self.chosen[colour].max(other.chosen[colour]);
        }
        for (sum, errors) in self.errors.iter_mut().zip(other.errors) {
            *sum += errors;
        }
        for theirs in other.switches {
            if let Some(switch) = self.switch_mut(theirs.turn) {
                switch.merge(theirs);
            }
        }
    }
}

impl SwitchStats {
    fn merge(&mut self, other: Self) {
        self.told = first(self.told, other.told);
        self.used = span(self.used, other.used);
        self.heard = self.heard.max(other.heard);
        self.rejected += other.rejected;
        self.refused_work += other.refused_work;
        self.last_refused = last(self.last_refused, other.last_refused);
        self.abandoned += other.abandoned;
    }

    /// Returns whether it used the announced strategy after the last 456 that was not for a login.
    pub(crate) fn came_back(&self) -> bool {
        self.last_refused.is_some_and(|(refused, _)| self.used.is_some_and(|(_, last)| last >= refused))
    }
}

trait Latest {
    fn max_by_time(self, other: (Instant, Strategy)) -> Self;
}

impl Latest for Option<(Instant, Strategy)> {
    fn max_by_time(self, other: (Instant, Strategy)) -> Self {
        Some(self.filter(|own| own.0 > other.0).unwrap_or(other))
    }
}

type Moment = Option<(Instant, usize)>;

fn first(one: Moment, other: Moment) -> Moment {
    [one, other].into_iter().flatten().min()
}

fn last(one: Moment, other: Moment) -> Moment {
    [one, other].into_iter().flatten().max()
}

/// The union of two spans.
fn span(one: Option<(Instant, Instant)>, other: Option<(Instant, Instant)>) -> Option<(Instant, Instant)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
