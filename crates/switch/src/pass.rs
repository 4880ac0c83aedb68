//! A request that was let in, until it is answered or gone.

use protocol::{CallKind, Strategy};
use tokio::time::Instant;

use super::{Left, Switch, phase::Ticket, queries::Query};

/// Where the work is headed, as told to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The strategy that the work is headed for.
    pub strategy: Strategy,
    /// The epoch of the announcement: one number per announcement.
    pub announcement: u64,
}

/// What the end of a call did to queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// A query came on record.
    Begun,
    /// A query that was on record has ended.
    Ended,
}

/// The right of one request to be answered. Dropped before [`Pass::answered`], the answer counts as
/// not delivered.
#[derive(Debug)]
pub struct Pass {
    switch: Switch,
    ticket: Ticket,
    kind: CallKind,
    /// The query that the request, or the answer of a begin, names.
    query: Option<Box<str>>,
    /// Whether its engine is left, if it is one that does not wait for that.
    left: Option<Left>,
    /// The query of this begin is on record already.
    is_recorded: bool,
    is_finished: bool,
}

impl Pass {
    pub(super) fn new(
        switch: Switch,
        ticket: Ticket,
        kind: CallKind,
        query: Option<&str>,
        left: Option<Left>,
    ) -> Self {
        let query = query.map(Box::from);
        Self { switch, ticket, kind, query, left, is_recorded: false, is_finished: false }
    }

    /// The strategy that the request was let in under.
    pub fn strategy(&self) -> Strategy {
        self.ticket.strategy
    }

    /// Whether its engine is left, for a call that logs in or begins a query: it is not to wait then.
    pub fn left(&self) -> Option<&Left> {
        self.left.as_ref()
    }

    /// What a response that leaves now has to tell.
    pub fn notice(&self) -> Option<Notice> {
        let (strategy, announcement) = self.switch.shared.heading.get();
        (strategy != self.ticket.strategy).then_some(Notice { strategy, announcement })
    }

    /// The answer of a begin names its query: it is on record from now on.
    pub fn begun(&mut self, id: &str) {
        let queries = &self.switch.shared.queries;
        if self.kind == CallKind::Begin
            && !self.is_recorded
            && !id.is_empty()
            && let Some(query) = self.counted()
        {
            self.is_recorded = self.switch.change(|state, now| state.record(queries, id, query, now));
            self.query = Some(id.into());
        }
    }

    /// The answer was delivered to its end.
    pub fn answered(mut self, with_success: bool) -> Effect {
        self.finish(with_success)
    }

    /// The query that is counted for the request.
    fn counted(&self) -> Option<Query> {
        let Ticket { strategy, birth, .. } = self.ticket;
        Some(Query { strategy, birth: birth? })
    }

    fn finish(&mut self, with_success: bool) -> Effect {
        if std::mem::replace(&mut self.is_finished, true) {
            return Effect::Nothing;
        }
        let queries = &self.switch.shared.queries;
        let (ticket, counted, is_recorded) = (self.ticket, self.counted(), self.is_recorded);
        let id = self.query.take();
        let is_end = self.kind == CallKind::End && with_success;
        let adopts = with_success && ticket.adopts.is_some();
        if counted.is_none() && !is_end && !adopts {
            if let Some(id) = &id {
                queries.leave(id, Instant::now().into_std());
            }
            if self.switch.leave(ticket.strategy) {
                return Effect::Nothing;
            }
        }
        self.switch.change(|state, now| {
            // Once on record, a query is counted there and no longer with its request.
            let mut keeps_query = is_recorded;
            let mut effect = if is_recorded && with_success { Effect::Begun } else { Effect::Nothing };
            match (self.kind, id.as_deref(), counted, with_success) {
                (CallKind::Begin, Some(id), _, false) if is_recorded => {
                    if let Some(query) = queries.remove(id) {
                        state.machine.forget(query.strategy, query.birth, now);
                    }
                }
                (CallKind::Continue, Some(id), Some(query), true) if queries.ask(id, now).is_none() => {
                    keeps_query = state.record(queries, id, query, now);
                    effect = if keeps_query { Effect::Begun } else { Effect::Nothing };
                }
                (CallKind::End, Some(id), _, true) => {
                    if let Some(query) = queries.remove(id) {
                        state.machine.end(query.strategy, query.birth, now);
                        effect = Effect::Ended;
                    }
                }
                _ => {}
            }
            state.machine.finish(ticket, keeps_query, with_success, now);
            effect
        })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.finish(false);
    }
}
