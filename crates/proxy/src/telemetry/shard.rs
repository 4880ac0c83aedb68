//! The state of one network thread. Only the collector takes its locks besides, once a second and on
//! request.

use std::{net::IpAddr, sync::Arc, time::Instant};

use http::{Extensions, HeaderMap};
use parking_lot::{Mutex, MutexGuard};
use protocol::Protocol;
use switch::{Moment, Switch};

use super::{
    call::{Outcome, Status},
    client_connection::ClientConnection,
    history::{self, Entry},
    peers::Peers,
    thread_counters::ThreadCounters,
    traces::{Spans, Tracer},
};
use crate::{
    adoption::{ClientTable, Directory},
    messages::{Keeping, Kept, MessageTap},
};

/// A network thread's part of the [collector](super::Collector).
#[derive(Debug)]
pub struct Shard {
    tally: Mutex<ThreadCounters>,
    clients: Mutex<ClientTable>,
    /// The users of sessions, shared by all threads. Locked when a caller is first seen on a connection.
    directory: Arc<Mutex<Directory>>,
    spans: Option<Spans>,
    /// The switch, if calls are kept in the history.
    kept_with: Option<Switch>,
    /// Takes note of messages, if they are kept too.
    keeping: Option<Keeping>,
}

/// A thread's means to keep calls.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) ring: history::Ring,
    pub(super) switch: Switch,
    pub(super) messages: Option<Keeping>,
}

impl Shard {
    pub(super) fn new(
        labels: usize,
        start: Instant,
        directory: Arc<Mutex<Directory>>,
        tracer: Option<&Tracer>,
        keeper: Option<Keeper>,
    ) -> Self {
        let (ring, kept_with, keeping) = match keeper {
            None => (None, None, None),
            Some(Keeper { ring, switch, messages }) => (Some(ring), Some(switch), messages),
        };
        let (tally, spans) =
            (Mutex::new(ThreadCounters::new(labels, start, ring)), tracer.map(Tracer::spans));
        Self { tally, clients: Mutex::default(), directory, spans, kept_with, keeping }
    }

    /// Creates the observer of a client's connection on this thread.
    pub fn connection(self: &Arc<Self>, peer: IpAddr) -> ClientConnection {
        ClientConnection::new(self.clone(), peer)
    }

    /// Creates the observer of all calls of a server that hides its connections from layers. `peer` finds the address of
    /// the client in what the server attached to the request. Calls without one are of `0.0.0.0`.
    pub fn peers(self: &Arc<Self>, peer: fn(&Extensions) -> Option<IpAddr>) -> Peers {
        Peers::new(self.clone(), peer)
    }

    /// Counts a request that is not gRPC.
    pub(crate) fn foreign(&self, arrived: Instant) {
        let now = Instant::now();
        let took = now.saturating_duration_since(arrived);
        self.tally().count(Protocol::OTHER, None, Outcome::Foreign, Status::NONE, took, now);
    }

    /// Whether calls are kept in the history.
    pub(super) fn keeps_calls(&self) -> bool {
        self.kept_with.is_some()
    }

    /// The phase and the epoch, if calls are kept.
    pub(super) fn moment(&self) -> Option<Moment> {
        self.kept_with.as_ref().map(Switch::moment)
    }

    /// Copies calls from this thread's part of the history: at most `most`, with ids from `from` until before `until`.
    /// Returns whether there may be more.
    pub(super) fn read_calls(&self, from: u64, until: u64, most: usize, found: &mut Vec<Entry>) -> bool {
        self.tally().history.as_ref().is_some_and(|ring| ring.read(from, until, most, found))
    }

    /// Begins to take note of a call's messages, if they are kept.
    pub(super) fn tap(&self, path: &str, head: &HeaderMap) -> Option<MessageTap> {
        self.keeping.as_ref()?.tap(path, head)
    }

    /// The messages of a call, if they are in this thread's part of the history.
    pub(super) fn messages(&self, id: u64) -> Option<Arc<Kept>> {
        self.tally().history.as_ref()?.messages(id)
    }

    /// The id of the last call that this thread's part of the history has lost, or 0.
    pub(super) fn evicted(&self) -> u64 {
        self.tally().history.as_ref().map_or(0, history::Ring::evicted)
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
