//! The phases of the server, and the rules of each.

use protocol::{CallKind, Strategy};
use switch::PhaseName;

use crate::{
    record::Call,
    timeline::{Kind, Seen, Timeline, Transition},
};

/// One phase and its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) stage: PhaseName,
    pub(crate) active: Strategy,
    pub(crate) epoch: u64,
    /// The inactive engine is unhealthy: its logins are rejected until it recovers.
    is_left: bool,
}

impl Span {
    pub(super) fn of(seen: &Seen) -> Self {
        let Seen { stage, active, epoch, .. } = *seen;
        Self { from: 0, stage, active, epoch, is_left: false }
    }

    pub(super) fn is_stable(&self) -> bool {
        self.stage == PhaseName::Stable
    }

    /// The target strategy.
    pub(super) fn headed_for(&self) -> Strategy {
        if self.stage == PhaseName::Announced { self.active.other() } else { self.active }
    }

    /// The rules: returns whether a call is admitted.
    pub(super) fn lets_in(&self, kind: CallKind, strategy: Strategy, is_strict: bool) -> bool {
        strategy == self.active
            || match self.stage {
                PhaseName::Stable => kind == CallKind::End && !is_strict,
                PhaseName::Announced => true,
                PhaseName::Draining => kind != CallKind::Begin,
            }
    }

    /// Returns whether a call may be rejected.
    pub(super) fn may_refuse(&self, kind: CallKind, strategy: Strategy, is_strict: bool) -> bool {
        let is_left = self.is_left && kind == CallKind::LogIn && strategy != self.active;
        is_left || !self.lets_in(kind, strategy, is_strict)
    }

    /// The phase after a transition, if the transition is possible.
    pub(super) fn after(&self, transition: &Transition, is_strict: bool) -> Option<Self> {
        let can_happen = matches!(
            (transition.kind, self.stage),
            (Kind::Announced, PhaseName::Stable | PhaseName::Draining)
                | (Kind::CutOver | Kind::Aborted, PhaseName::Announced)
                | (Kind::Drained | Kind::DrainTimedOut, PhaseName::Draining)
        );
        // With several instances a strict cutover drains, too: no query, but the instances that do not know of it.
        let can_happen = can_happen
            || is_strict && matches!((transition.kind, self.stage), (Kind::Drained, PhaseName::Stable));
        let is_told_so = match transition.kind {
            Kind::Announced | Kind::CutOver => transition.to.is_none_or(|to| to == self.active.other()),
            _ => true,
        };
        (can_happen && is_told_so).then(|| self.forced(transition, is_strict))
    }

    /// The phase after a transition, as the server reports it.
    pub(super) fn forced(&self, transition: &Transition, is_strict: bool) -> Self {
        let drained = if is_strict { PhaseName::Stable } else { PhaseName::Draining };
        let (stage, active) = match transition.kind {
            Kind::Announced => (PhaseName::Announced, transition.from.unwrap_or(self.active)),
            Kind::CutOver => (drained, transition.to.unwrap_or(self.active.other())),
            Kind::Aborted => (drained, transition.to.unwrap_or(self.active)),
            Kind::Drained | Kind::DrainTimedOut => (PhaseName::Stable, transition.to.unwrap_or(self.active)),
        };
        Self { from: transition.at, stage, active, epoch: transition.epoch, is_left: false }
    }

    pub(super) fn words(&self) -> String {
        format!("{:?} with {} active", self.stage, self.active)
    }
}

/// All phases, in order.
#[derive(Debug)]
pub(crate) struct Spans {
    pub(crate) spans: Vec<Span>,
    /// Drains that timed out: when, and the strategy.
    given_up: Vec<(u64, Strategy)>,
    /// When one of several instances followed more than one transition at once: the phases in between are unknown.
    gaps: Vec<u64>,
    slack: u64,
    until: u64,
}

impl Spans {
    pub(crate) fn of(timeline: &Timeline) -> Self {
        let mut spans = Vec::from_iter(timeline.seen.first().map(Span::of));
        let (mut given_up, mut gaps) = (Vec::new(), Vec::new());
        for transition in &timeline.transitions {
            let Some(before) = spans.last().filter(|span| transition.epoch > span.epoch) else { continue };
            if transition.epoch > before.epoch + 1 {
                gaps.push(transition.at);
            }
            if transition.kind == Kind::DrainTimedOut {
                given_up.push((transition.at, before.active.other()));
            }
            spans.push(before.forced(transition, timeline.is_strict));
        }
        for span in &mut spans {
            span.is_left = timeline.left.contains(&span.epoch);
        }
        Self { spans, given_up, gaps, slack: timeline.slack, until: timeline.until }
    }

    /// Returns whether the phases during a call are known.
    pub(super) fn know(&self, call: &Call) -> bool {
        call.answered + self.slack <= self.until && !self.has_gap(call.sent, call.answered)
    }

    /// Returns whether phases between two times are unknown.
    fn has_gap(&self, from: u64, to: u64) -> bool {
        self.gaps.iter().any(|at| *at + self.slack >= from && *at <= to + self.slack)
    }

    /// The phases during a call.
    pub(super) fn during(&self, call: &Call) -> &[Span] {
        let (from, to) = (call.sent.saturating_sub(self.slack), call.answered + self.slack);
        let first = self.spans.partition_point(|span| span.from <= from).saturating_sub(1);
        let last = self.spans.partition_point(|span| span.from <= to);
        &self.spans[first..last.max(first)]
    }

    /// The phase at a time.
    pub(crate) fn at(&self, time: u64) -> Option<&Span> {
        self.spans[..self.spans.partition_point(|span| span.from <= time)].last()
    }

    /// Returns whether queries of a strategy may have been abandoned between two times.
    pub(super) fn gave_up(&self, strategy: Option<Strategy>, from: u64, to: u64) -> bool {
        if self.has_gap(from, to) {
            return true;
        }
        let to = to + self.slack;
        self.given_up.iter().any(|(at, old)| {
            *at + self.slack >= from && *at <= to && strategy.is_none_or(|strategy| strategy == *old)
        })
    }
}
