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
    telemetry::{Outcome, Status},
};

/// The most bytes that are kept of a query id.
const QUERY: usize = 63;
/// The most bytes that are kept of the ids of the faults that hit a call.
const FAULT: usize = 63;
/// The most bytes that are kept of the message of a status.
const MESSAGE: usize = 159;

/// A finished call.
#[derive(Clone, Debug)]
pub struct Entry {
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
    pub(super) query: Text<QUERY>,
    pub(super) fault: Text<FAULT>,
    pub(super) message: Text<MESSAGE>,
}

impl Entry {
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
            query: Text::default(),
            fault: Text::default(),
            message: Text::default(),
        }
    }

    /// The id: it counts from 1, without gaps, in the order in which calls end.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// How it ended: `ok`, `error`, `rejected` or `dropped`.
    pub fn outcome(&self) -> &'static str {
        self.outcome.as_str()
    }

    /// The name of its gRPC status, or `none`.
    pub fn status(&self) -> &'static str {
        self.status.as_str()
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
    pub(in crate::telemetry) fn new(query: Option<&str>, asked: Header, session: Option<u64>) -> Self {
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
        entry: &mut Entry,
        record: &CallRecord,
        client: &Arc<Key>,
        end: End<'_>,
    ) {
        entry.arrived = record.arrived;
        entry.answered = self.answered.unwrap_or(end.at);
        entry.ended = end.at;
        // Mostly it is the one that was there before: its count is far from this thread's caches.
        if entry.client.as_ref().is_none_or(|known| !Arc::ptr_eq(known, client)) {
            entry.client = Some(client.clone());
        }
        entry.session = self.session;
        entry.request = self.request.load(Ordering::Relaxed);
        entry.response = self.response;
        entry.moment = end.moment.unwrap_or_default();
        entry.label = record.label;
        entry.asked = self.asked;
        entry.strategy = end.strategy;
        entry.is_let_in = record.strategy.is_some();
        entry.outcome = end.outcome;
        entry.status = end.status;
        entry.notice = self.notice;
        match &self.query {
            None => entry.query.clear(),
            Some(query) => entry.query.copy(query),
        }
        match &self.fault {
            None => entry.fault.clear(),
            Some(fault) => entry.fault.copy(fault),
        }
        entry.message.clear();
        let trailers = end.trailers.filter(|_| end.status != Status::OK);
        if let Some(told) = trailers.and_then(|trailers| trailers.get(GRPC_MESSAGE)) {
            message::write(&mut entry.message, told.as_bytes(), self.session, client);
        }
        super::spare::give_back(self.request);
    }
}
