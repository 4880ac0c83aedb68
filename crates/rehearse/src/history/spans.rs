//! The phases that the server went through, and how each judges.

use protocol::{CallKind, Strategy};
use switch::PhaseName;

use crate::{
    record::Call,
    story::{Happened, Kind, Seen, Story},
};

/// One phase, from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) stage: PhaseName,
    pub(crate) active: Strategy,
    pub(crate) epoch: u64,
    /// The engine that is not active was left for its health: until it is back its logins are refused.
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

    /// Where the work is headed.
    pub(super) fn headed_for(&self) -> Strategy {
        if self.stage == PhaseName::Announced { self.active.other() } else { self.active }
    }

    /// The table of the rules.
    pub(super) fn lets_in(&self, kind: CallKind, strategy: Strategy, is_strict: bool) -> bool {
        strategy == self.active
            || match self.stage {
                PhaseName::Stable => kind == CallKind::End && !is_strict,
                PhaseName::Announced => true,
                PhaseName::Draining => kind != CallKind::Begin,
            }
    }

    /// Whether it may refuse a call.
    pub(super) fn may_refuse(&self, kind: CallKind, strategy: Strategy, is_strict: bool) -> bool {
        let is_left = self.is_left && kind == CallKind::LogIn && strategy != self.active;
        is_left || !self.lets_in(kind, strategy, is_strict)
    }

    /// The phase that follows, if that can happen.
    pub(super) fn after(&self, happened: &Happened, is_strict: bool) -> Option<Self> {
        let can_happen = matches!(
            (happened.kind, self.stage),
            (Kind::Announced, PhaseName::Stable | PhaseName::Draining)
                | (Kind::CutOver | Kind::Aborted, PhaseName::Announced)
                | (Kind::Drained | Kind::DrainTimedOut, PhaseName::Draining)
        );
        let is_told_so = match happened.kind {
            Kind::Announced | Kind::CutOver => happened.to.is_none_or(|to| to == self.active.other()),
            _ => true,
        };
        (can_happen && is_told_so).then(|| self.forced(happened, is_strict))
    }

    /// The phase that the server says it is in.
    pub(super) fn forced(&self, happened: &Happened, is_strict: bool) -> Self {
        let drained = if is_strict { PhaseName::Stable } else { PhaseName::Draining };
        let (stage, active) = match happened.kind {
            Kind::Announced => (PhaseName::Announced, self.active),
            Kind::CutOver => (drained, happened.to.unwrap_or(self.active.other())),
            Kind::Aborted => (drained, self.active),
            Kind::Drained | Kind::DrainTimedOut => (PhaseName::Stable, self.active),
        };
        Self { from: happened.at, stage, active, epoch: happened.epoch, is_left: false }
    }

    pub(super) fn words(&self) -> String {
        format!("{:?} with {} active", self.stage, self.active)
    }
}

/// All phases, in order.
#[derive(Debug)]
pub(crate) struct Spans {
    pub(crate) spans: Vec<Span>,
    /// Drains that were given up: when, and of which strategy.
    given_up: Vec<(u64, Strategy)>,
    slack: u64,
    until: u64,
}

impl Spans {
    pub(crate) fn of(story: &Story) -> Self {
        let mut spans = Vec::from_iter(story.seen.first().map(Span::of));
        let mut given_up = Vec::new();
        for happened in &story.happened {
            let Some(before) = spans.last().filter(|span| happened.epoch > span.epoch) else { continue };
            if happened.kind == Kind::DrainTimedOut {
                given_up.push((happened.at, before.active.other()));
            }
            spans.push(before.forced(happened, story.is_strict));
        }
        for span in &mut spans {
            span.is_left = story.left.contains(&span.epoch);
        }
        Self { spans, given_up, slack: story.slack, until: story.until }
    }

    /// Whether it is known what phases a call may have met.
    pub(super) fn know(&self, call: &Call) -> bool {
        call.answered + self.slack <= self.until
    }

    /// The phases that a call may have met.
    pub(super) fn during(&self, call: &Call) -> &[Span] {
        let (from, to) = (call.sent.saturating_sub(self.slack), call.answered + self.slack);
        let first = self.spans.partition_point(|span| span.from <= from).saturating_sub(1);
        let last = self.spans.partition_point(|span| span.from <= to);
        &self.spans[first..last.max(first)]
    }

    /// The phase at a moment.
    pub(crate) fn at(&self, time: u64) -> Option<&Span> {
        self.spans[..self.spans.partition_point(|span| span.from <= time)].last()
    }

    /// Whether queries of a strategy, begun at one time, may have been given up by another.
    pub(super) fn gave_up(&self, strategy: Option<Strategy>, from: u64, to: u64) -> bool {
        let to = to + self.slack;
        self.given_up.iter().any(|(at, old)| {
            *at + self.slack >= from && *at <= to && strategy.is_none_or(|strategy| strategy == *old)
        })
    }
}
