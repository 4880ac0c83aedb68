//! What belongs to one network thread: nobody else takes its locks but, once a second and when
//! somebody asks, the watch.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use protocol::Protocol;

use super::{
    call::{Outcome, Status},
    line::Line,
    tally::Tally,
    traces::{Spans, Tracer},
};
use crate::clients::{Clients, Directory};

/// A network thread's part of the [watch](super::Watch).
#[derive(Debug)]
pub struct Shard {
    tally: Mutex<Tally>,
    clients: Mutex<Clients>,
    /// Shared by all threads: who is behind a session. Taken where a caller is first heard on a line.
    directory: Arc<Mutex<Directory>>,
    spans: Option<Spans>,
}

impl Shard {
    pub(super) fn new(
        labels: usize,
        start: Instant,
        directory: Arc<Mutex<Directory>>,
        tracer: Option<&Tracer>,
    ) -> Self {
        let tally = Mutex::new(Tally::new(labels, start));
        Self { tally, clients: Mutex::default(), directory, spans: tracer.map(Tracer::spans) }
    }

    /// A client's connection that this thread serves.
    pub fn line(self: &Arc<Self>, peer: IpAddr) -> Line {
        Line::new(self.clone(), peer)
    }

    /// A call that is not gRPC was answered.
    pub(crate) fn foreign(&self, arrived: Instant) {
        let now = Instant::now();
        let took = now.saturating_duration_since(arrived);
        self.tally().count(Protocol::OTHER, None, Outcome::Foreign, Status::NONE, took, now);
    }

    pub(super) fn spans(&self) -> Option<&Spans> {
        self.spans.as_ref()
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    pub(super) fn clients(&self) -> MutexGuard<'_, Clients> {
        lock(&self.clients)
    }

    pub(super) fn directory(&self) -> MutexGuard<'_, Directory> {
        lock(&self.directory)
    }
}

/// Counts are never half-way changed: whoever panicked with the lock did not do it in ours.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
