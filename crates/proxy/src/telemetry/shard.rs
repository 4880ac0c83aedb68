//! The state of one network thread. Only the collector takes its locks besides, once a second and on
//! request.

use std::{net::IpAddr, sync::Arc, time::Instant};

use parking_lot::{Mutex, MutexGuard};
use protocol::Protocol;

use super::{
    call::{Outcome, Status},
    client_connection::ClientConnection,
    thread_counters::ThreadCounters,
    traces::{Spans, Tracer},
};
use crate::adoption::{ClientTable, Directory};

/// A network thread's part of the [collector](super::Collector).
#[derive(Debug)]
pub struct Shard {
    tally: Mutex<ThreadCounters>,
    clients: Mutex<ClientTable>,
    /// The users of sessions, shared by all threads. Locked when a caller is first seen on a connection.
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
        let tally = Mutex::new(ThreadCounters::new(labels, start));
        Self { tally, clients: Mutex::default(), directory, spans: tracer.map(Tracer::spans) }
    }

    /// Creates the observer of a client's connection on this thread.
    pub fn connection(self: &Arc<Self>, peer: IpAddr) -> ClientConnection {
        ClientConnection::new(self.clone(), peer)
    }

    /// Counts a request that is not gRPC.
    pub(crate) fn foreign(&self, arrived: Instant) {
        let now = Instant::now();
        let took = now.saturating_duration_since(arrived);
        self.tally().count(Protocol::OTHER, None, Outcome::Foreign, Status::NONE, took, now);
    }

    pub(super) fn spans(&self) -> Option<&Spans> {
        self.spans.as_ref()
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, ThreadCounters> {
        self.tally.lock()
    }

    pub(super) fn clients(&self) -> MutexGuard<'_, ClientTable> {
        self.clients.lock()
    }

    pub(super) fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock()
    }
}
