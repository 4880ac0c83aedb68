//! What belongs to one network thread: nobody else takes its locks but, once a second and when
//! somebody asks, the watch.

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

/// A network thread's part of the [watch](super::Collector).
#[derive(Debug)]
pub struct Shard {
    tally: Mutex<ThreadCounters>,
    clients: Mutex<ClientTable>,
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
        let tally = Mutex::new(ThreadCounters::new(labels, start));
        Self { tally, clients: Mutex::default(), directory, spans: tracer.map(Tracer::spans) }
    }

    /// A client's connection that this thread serves.
    pub fn connection(self: &Arc<Self>, peer: IpAddr) -> ClientConnection {
        ClientConnection::new(self.clone(), peer)
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
