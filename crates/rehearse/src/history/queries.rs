//! Which queries had the right to continue, as far as clients can know.

use std::collections::HashMap;

use protocol::{CallKind, Strategy};

use super::spans::Spans;
use crate::record::{Call, Outcome};

#[derive(Clone, Copy, Debug)]
struct Life {
    strategy: Option<Strategy>,
    /// When the call that began it was sent, and answered.
    sent: u64,
    begun: u64,
    /// When the call that ended it, or may have ended it, was sent.
    ended: Option<u64>,
    /// When it was known to have ended.
    over: Option<u64>,
}

/// All queries whose begin was answered.
#[derive(Debug, Default)]
pub(super) struct Queries {
    lives: HashMap<u32, Life>,
    /// When a connection or an engine was lost, in order.
    breaks: Vec<u64>,
}

impl Queries {
    pub(super) fn of(calls: &[Call]) -> Self {
        let mut queries = Self::default();
        for call in calls {
            if let Outcome::Failed { is_broken: true, .. } = call.outcome {
                queries.breaks.push(call.answered);
            }
            if let (Some(number), CallKind::Begin, Outcome::Answered) = (call.query, call.kind, &call.outcome)
            {
                let Call { strategy, sent, answered: begun, .. } = *call;
                queries.lives.insert(number, Life { strategy, sent, begun, ended: None, over: None });
            }
        }
        queries.breaks.sort_unstable();
        for call in calls {
            let may_end = matches!(
                call.outcome,
                Outcome::Answered | Outcome::GivenUp | Outcome::Failed { is_broken: true, .. }
            );
            if let (Some(number), CallKind::End, true) = (call.query, call.kind, may_end)
                && let Some(life) = queries.lives.get_mut(&number)
            {
                let earlier = |known: Option<u64>, at: u64| Some(known.map_or(at, |known| known.min(at)));
                life.ended = earlier(life.ended, call.sent);
                if call.outcome == Outcome::Answered {
                    life.over = earlier(life.over, call.answered);
                }
            }
        }
        queries
    }

    /// The strategy (if known) of the query that a call names, if that query had the right to continue: begun, not
    /// ended, and not abandoned by a drain.
    pub(super) fn with_right(&self, call: &Call, spans: Option<&Spans>) -> Option<Option<Strategy>> {
        let life = self.lives.get(&call.query?)?;
        let is_about = matches!(call.kind, CallKind::Continue | CallKind::End);
        // Of two calls that end it at the same time, either may be the first.
        let is_open = call.sent >= life.begun
            && life.ended.is_none_or(|ended| call.sent <= ended)
            && life.over.is_none_or(|over| call.sent < over);
        if !is_about || !is_open {
            return None;
        }
        let is_given_up = spans.is_some_and(|spans| spans.gave_up(life.strategy, life.sent, call.answered));
        (!is_given_up).then_some(life.strategy)
    }

    /// The strategy (if known) of the query that a call names, if it is unknown whether that query is still on
    /// record.
    pub(super) fn may_be_left(&self, call: &Call) -> Option<Option<Strategy>> {
        let life = self.lives.get(&call.query?)?;
        let is_about = matches!(call.kind, CallKind::Continue | CallKind::End);
        let is_over = life.over.is_some_and(|over| over < call.sent);
        (is_about && !is_over).then_some(life.strategy)
    }

    /// Returns whether a connection or an engine was lost since the query of this call was begun.
    pub(super) fn was_broken(&self, call: &Call) -> bool {
        let Some(life) = call.query.and_then(|query| self.lives.get(&query)) else { return false };
        let from = self.breaks.partition_point(|at| *at < life.sent);
        self.breaks.get(from).is_some_and(|at| *at <= call.answered)
    }
}
