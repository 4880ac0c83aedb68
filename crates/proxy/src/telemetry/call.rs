//! The record of one call, from its judgement to its end.

use std::{sync::Arc, time::Instant};

use grpc::{CODES, header::GRPC_STATUS};
use http::HeaderMap;
use protocol::{CallKind, Strategy};
use switch::{Effect, Notice};

use super::{
    history::{self, Counter, Pending},
    shard::Shard,
    traces::Span,
};
use crate::{
    adoption::{CallRecord, KnownClient, fingerprint},
    fault::hits,
    gate::ObserveCall,
    messages::MessageTap,
};

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Completed with status OK.
    Ok,
    /// Completed with another status.
    Error,
    /// Rejected with a 456.
    Rejected,
    /// Given up by the client, or cut short by the engine.
    Dropped,
    /// Not gRPC: passed on without judgement.
    Foreign,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Rejected => "rejected",
            Self::Dropped => "dropped",
            Self::Foreign => "foreign",
        }
    }
}

/// A gRPC status code, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status(u8);

impl Status {
    /// No status, or one that gRPC does not define.
    pub const NONE: Self = Self(CODES.len() as u8);
    /// Success.
    pub const OK: Self = Self(0);
    /// UNKNOWN, which clients see for a 456.
    pub const UNKNOWN: Self = Self(2);
    /// The number of values.
    pub(crate) const COUNT: usize = CODES.len() + 1;

    /// Reads the status from trailers, or from the headers of a Trailers-Only response.
    pub fn of(trailers: &HeaderMap) -> Self {
        let status = trailers.get(GRPC_STATUS).and_then(|status| status.to_str().ok());
        match status.and_then(|status| status.parse().ok()) {
            Some(code) if code < Self::NONE.0 => Self(code),
            _ => Self::NONE,
        }
    }

    /// The name in gRPC's specification, or `none`.
    pub fn as_str(self) -> &'static str {
        CODES.get(self.index()).copied().unwrap_or("none")
    }

    /// Iterates over all values.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=Self::NONE.0).map(Self)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn code(self) -> Option<i64> {
        (self != Self::NONE).then(|| self.0.into())
    }

    fn outcome(self) -> Outcome {
        if self == Self::OK { Outcome::Ok } else { Outcome::Error }
    }
}

/// An observed call. If it is dropped before it is [over](ObserveCall::over), it counts as dropped.
#[derive(Debug)]
pub struct Call {
    pub(super) shard: Arc<Shard>,
    pub(super) client: Arc<KnownClient>,
    pub(super) record: CallRecord,
    pub(super) span: Option<Box<Span>>,
    /// Its notes for the history, if there is one.
    pub(super) pending: Option<Pending>,
    pub(super) is_over: bool,
}

impl Call {
    fn end(
        &mut self,
        strategy: Option<Strategy>,
        outcome: Outcome,
        status: Status,
        effect: Effect,
        trailers: Option<&HeaderMap>,
    ) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let (record, now) = (&self.record, Instant::now());
        let took = now.saturating_duration_since(record.arrived);
        {
            let messages = self.pending.as_mut().and_then(|pending| pending.messages.take());
            let kept = messages.and_then(|messages| messages.finish());
            let mut tally = self.shard.tally();
            tally.count(record.label, strategy, outcome, status, took, now);
            if let (Some(pending), Some(ring)) = (self.pending.take(), &mut tally.history) {
                // What was not let in was judged just now.
                let moment = pending.moment.or_else(|| self.shard.moment());
                let end = history::End { strategy, outcome, status, trailers, moment, at: now };
                pending.write(ring.claim(), record, self.client.shared_key(), end);
                if let Some(kept) = kept {
                    ring.keep(kept);
                }
            }
        }
        self.client.stats().end(record, outcome, status, effect, now);
        if let (Some(span), Some(spans)) = (self.span.take(), self.shard.spans()) {
            spans.end(*span, record, outcome, status, now);
        }
    }
}

impl ObserveCall for Call {
    fn let_in(&mut self, strategy: Strategy, head: &mut HeaderMap) {
        self.record.strategy = Some(strategy);
        if let Some(span) = &self.span {
            span.forward(head);
        }
        if let Some(pending) = &mut self.pending {
            pending.moment = self.shard.moment();
        }
    }

    fn request_counter(&self) -> Option<Counter> {
        self.pending.as_ref().map(Pending::counter)
    }

    fn message_tap(&self) -> Option<MessageTap> {
        self.pending.as_ref()?.messages.clone()
    }

    fn failed(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.hit_by(hits::take());
        }
    }

    fn answered(&mut self, head: &HeaderMap, has_body: bool) {
        let Some(pending) = &mut self.pending else { return };
        if has_body {
            pending.answered = Some(Instant::now());
            if let Some(messages) = &pending.messages {
                messages.answered(head);
            }
        }
        pending.hit_by(hits::take());
    }

    fn began(&mut self, query: &str) {
        if let Some(pending) = &mut self.pending {
            pending.begun(query);
        }
    }

    fn sent(&mut self, chunk: &[u8]) {
        if let Some(pending) = &mut self.pending {
            pending.response += chunk.len() as u64;
            if let Some(messages) = &pending.messages {
                messages.received(chunk);
            }
        }
    }

    fn notified(&mut self, notice: Notice) {
        if let Some(pending) = &mut self.pending {
            pending.notice = Some(notice.strategy);
        }
        self.shard.tally().notices += 1;
        self.client.stats().tell(&self.record, notice, Instant::now());
    }

    fn untouched(&self) {
        self.shard.tally().untouched += 1;
    }

    /// Maps the session to the user from now on.
    fn logged_in(&mut self, session: &str) {
        if let Some(pending) = &mut self.pending {
            pending.session = Some(fingerprint(session.as_bytes()));
        }
        if self.record.kind == CallKind::LogIn {
            self.shard.directory().introduce(session, self.client.key().who());
        }
    }

    fn rejected(mut self, named: Option<Strategy>) {
        self.end(named, Outcome::Rejected, Status::UNKNOWN, Effect::Nothing, None);
    }

    fn over(mut self, trailers: Option<&HeaderMap>, effect: Effect) {
        let status = trailers.map_or(Status::NONE, Status::of);
        self.end(self.record.strategy, status.outcome(), status, effect, trailers);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(self.record.strategy, Outcome::Dropped, Status::NONE, Effect::Nothing, None);
    }
}
