//! The entry of a call, and the notes while it lasts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use grpc::header::GRPC_MESSAGE;
use http::HeaderMap;
use protocol::Strategy;
use switch::{Header, Moment};

use super::{message, text::Text};
use crate::{
    adoption::{CallRecord, Key},
    messages::MessageTap,
    telemetry::{Outcome, Status},
};

/// The most bytes that are kept of a query id.
const QUERY: usize = 63;
/// The most bytes that are kept of the ids of the faults that hit a call.
const FAULT: usize = 63;
/// The most bytes that are kept of the message of a status.
const MESSAGE: usize = 159;

/// A finished call, as a reader gets it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) facts: Facts,
    pub(super) texts: Texts,
}

/// The fields that every call has: two cache lines.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(in crate::telemetry) struct Facts {
    pub(super) id: u64,
    pub(super) arrived: Instant,
    /// When its answer began.
    pub(super) answered: Instant,
    pub(super) ended: Instant,
    pub(super) client: Option<Arc<Key>>,
    pub(super) session: Option<u64>,
    pub(super) request: u64,
    pub(super) response: u64,
    pub(super) moment: Moment,
    /// See [`Method::label`](protocol::Method).
    pub(super) label: usize,
    pub(super) asked: Header,
    /// The strategy that it was let in under, or that a rejected one named.
    pub(super) strategy: Option<Strategy>,
    pub(super) is_let_in: bool,
    pub(super) outcome: Outcome,
    pub(super) status: Status,
    pub(super) notice: Option<Strategy>,
    has_query: bool,
    has_fault: bool,
    has_message: bool,
}

const _: () = assert!(size_of::<Facts>() == 128);

/// The texts of a call. Those that it does not have are of an earlier one.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(in crate::telemetry) struct Texts {
    query: Text<QUERY>,
    fault: Text<FAULT>,
    message: Text<MESSAGE>,
}

impl Facts {
    pub(super) fn empty() -> Self {
        let now = Instant::now();
        Self {
            id: 0,
            arrived: now,
            answered: now,
            ended: now,
            client: None,
            session: None,
            request: 0,
            response: 0,
            moment: Moment::default(),
            label: 0,
            asked: Header::Absent,
            strategy: None,
            is_let_in: false,
            outcome: Outcome::Dropped,
            status: Status::NONE,
            notice: None,
            has_query: false,
            has_fault: false,
            has_message: false,
        }
    }
}

impl Entry {
    /// The id: it counts from 1, without gaps, in the order in which calls end.
    pub fn id(&self) -> u64 {
        self.facts.id
    }

    /// The id of its query.
    pub(super) fn query(&self) -> Option<&str> {
        self.texts.query.get().filter(|_| self.facts.has_query)
    }

    /// The ids of the faults that hit it.
    pub(super) fn fault(&self) -> Option<&str> {
        self.texts.fault.get().filter(|_| self.facts.has_fault)
    }

    /// The message of its status.
    pub(super) fn message(&self) -> Option<&str> {
        self.texts.message.get().filter(|_| self.facts.has_message)
    }

    /// How it ended: `ok`, `error`, `rejected` or `dropped`.
    pub fn outcome(&self) -> &'static str {
        self.facts.outcome.as_str()
    }

    /// The name of its gRPC status, or `none`.
    pub fn status(&self) -> &'static str {
        self.facts.status.as_str()
    }
}

/// Counts the bytes of a request's body.
pub(crate) type Counter = Arc<AtomicU64>;

/// The notes on a call until it ends.
#[derive(Debug)]
pub(in crate::telemetry) struct Pending {
    pub(in crate::telemetry) session: Option<u64>,
    pub(in crate::telemetry) asked: Header,
    /// When it was let in.
    pub(in crate::telemetry) moment: Option<Moment>,
    pub(in crate::telemetry) notice: Option<Strategy>,
    /// Bytes of the response's body.
    pub(in crate::telemetry) response: u64,
    /// When the head of a response with a body passed.
    pub(in crate::telemetry) answered: Option<Instant>,
    query: Option<Text<QUERY>>,
    fault: Option<Box<Text<FAULT>>>,
    request: Counter,
    /// Its messages, if they are kept.
    pub(in crate::telemetry) messages: Option<MessageTap>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::telemetry) struct End<'a> {
    pub(in crate::telemetry) strategy: Option<Strategy>,
    pub(in crate::telemetry) outcome: Outcome,
    pub(in crate::telemetry) status: Status,
    pub(in crate::telemetry) trailers: Option<&'a HeaderMap>,
    /// When it was judged.
    pub(in crate::telemetry) moment: Option<Moment>,
    pub(in crate::telemetry) at: Instant,
}

impl Pending {
    pub(in crate::telemetry) fn new(
        query: Option<&str>,
        asked: Header,
        session: Option<u64>,
        messages: Option<MessageTap>,
    ) -> Self {
        Self {
            session,
            asked,
            moment: None,
            notice: None,
            response: 0,
            answered: None,
            query: query.map(Text::new),
            fault: None,
            request: super::spare::take(),
            messages,
        }
    }

    /// The query that the response of a begin names.
    pub(in crate::telemetry) fn begun(&mut self, query: &str) {
        self.query = Some(Text::new(query));
    }

    /// The faults that hit the call.
    pub(in crate::telemetry) fn hit_by(&mut self, faults: Vec<String>) {
        if !faults.is_empty() {
            self.fault = Some(Box::new(Text::new(&faults.join(","))));
        }
    }

    /// Counts the bytes of the request's body.
    pub(in crate::telemetry) fn counter(&self) -> Counter {
        self.request.clone()
    }

    /// Writes the call into its entry, at its end.
    pub(in crate::telemetry) fn write(
        self,
        (facts, texts): (&mut Facts, &mut Texts),
        record: &CallRecord,
        client: &Arc<Key>,
        end: End<'_>,
    ) {
        facts.arrived = record.arrived;
        facts.answered = self.answered.unwrap_or(end.at);
        facts.ended = end.at;
        // Mostly it is the one that was there before: its count is far from this thread's caches.
        if facts.client.as_ref().is_none_or(|known| !Arc::ptr_eq(known, client)) {
            facts.client = Some(client.clone());
        }
        facts.session = self.session;
        facts.request = self.request.load(Ordering::Relaxed);
        facts.response = self.response;
        facts.moment = end.moment.unwrap_or_default();
        facts.label = record.label;
        facts.asked = self.asked;
        facts.strategy = end.strategy;
        facts.is_let_in = record.strategy.is_some();
        facts.outcome = end.outcome;
        facts.status = end.status;
        facts.notice = self.notice;
        facts.has_query = self.query.is_some();
        if let Some(query) = &self.query {
            texts.query.copy(query);
        }
        facts.has_fault = self.fault.is_some();
        if let Some(fault) = &self.fault {
            texts.fault.copy(fault);
        }
        let trailers = end.trailers.filter(|_| end.status != Status::OK);
        let told = trailers.and_then(|trailers| trailers.get(GRPC_MESSAGE));
        facts.has_message = told.is_some();
        if let Some(told) = told {
            texts.message.clear();
            message::write(&mut texts.message, told.as_bytes(), self.session, client);
        }
        super::spare::give_back(self.request);
    }
}
