//! Records calls in gRPC's binary log, as clients see them: 456s and injected faults included. Secrets are removed before
//! an entry leaves the call; a recording that cannot keep up loses calls and delays none.

mod call;
mod frames;
mod metadata;
mod service;
mod tap;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::SystemTime,
};

use arc_swap::ArcSwapOption;
use binlog::{CreateError, Options, Peer, Stats, Writer};
use http::Request;
use parking_lot::Mutex;
use protocol::Roles;
use tracing::info;

pub use self::service::{Recorded, RecordedBody, RecordedFuture};
pub(crate) use self::tap::{RequestTap, Tap};

/// Starts and stops recordings. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    roles: Roles,
    /// Looked at for each call; the rest is not touched while nothing is recorded.
    is_on: AtomicBool,
    current: ArcSwapOption<Recording>,
    /// Held while a recording starts or stops, which may take long.
    changing: Mutex<()>,
    /// The counts of earlier recordings.
    earlier: Mutex<Stats>,
}

/// A recording in progress.
struct Recording {
    writer: Writer,
    roles: Roles,
    since: SystemTime,
    /// The key of the pseudonyms of sessions.
    key: RandomState,
}

/// The state of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingStatus {
    /// The file.
    pub path: PathBuf,
    /// When it began.
    pub since: SystemTime,
    /// The counts of calls and bytes.
    pub stats: Stats,
}

/// Why a recording does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is one.
    #[error("a recording to {} is in progress: stop it first", .0.display())]
    Busy(PathBuf),
    /// Its file cannot be created.
    #[error(transparent)]
    Create(#[from] CreateError),
}

impl Recorder {
    /// Creates a recorder that knows what the fields of messages are.
    pub fn new(roles: Roles) -> Self {
        Self { shared: Arc::new(Shared { roles, ..Shared::default() }) }
    }

    /// Starts a recording of all calls that begin from now on. Blocks.
    pub fn start(&self, options: Options) -> Result<(), StartError> {
        let _changing = self.shared.changing.lock();
        if let Some(current) = &*self.shared.current.load() {
            return Err(StartError::Busy(current.writer.options().path.clone()));
        }
        let path = options.path.clone();
        let writer = Writer::create(options)?;
        let (roles, since) = (self.shared.roles.clone(), SystemTime::now());
        let recording = Recording { writer, roles, since, key: RandomState::new() };
        self.shared.current.store(Some(Arc::new(recording)));
        self.shared.is_on.store(true, Relaxed);
        info!("Recording calls to {}", path.display());
        Ok(())
    }

    /// Stops the recording, and returns its state at the end; `None` if there is none. Calls in progress are cut off
    /// in it. Blocks until all is written.
    pub fn stop(&self) -> Option<RecordingStatus> {
        let _changing = self.shared.changing.lock();
        self.shared.is_on.store(false, Relaxed);
        let recording = self.shared.current.swap(None)?;
        recording.writer.finish();
        let status = recording.status();
        let mut earlier = self.shared.earlier.lock();
        *earlier = sum(*earlier, status.stats);
        drop(earlier);
        let (path, Stats { calls, lost, .. }) = (status.path.display(), status.stats);
        info!("Recorded {calls} calls to {path}; lost: {lost}");
        Some(status)
    }

    /// The recording in progress.
    pub fn status(&self) -> Option<RecordingStatus> {
        self.shared.current.load().as_ref().map(|recording| recording.status())
    }

    /// The counts of all recordings together.
    pub fn totals(&self) -> Stats {
        let earlier = *self.shared.earlier.lock();
        self.status().map_or(earlier, |current| sum(earlier, current.stats))
    }

    /// A service for one client's connection whose calls are recorded.
    pub fn layer<S>(&self, peer: SocketAddr, inner: S) -> Recorded<S> {
        Recorded::new(self.clone(), peer, inner)
    }

    /// Begins to record a call, if it is to be.
    fn begin<B>(&self, peer: Peer, request: &Request<B>) -> Option<Tap> {
        if !self.shared.is_on.load(Relaxed) { None } else { self.tap(peer, request) }
    }

    #[cold]
    fn tap<B>(&self, peer: Peer, request: &Request<B>) -> Option<Tap> {
        Tap::new(self.shared.current.load_full()?, peer, request)
    }
}

impl Recording {
    fn status(&self) -> RecordingStatus {
        let path = self.writer.options().path.clone();
        RecordingStatus { path, since: self.since, stats: self.writer.stats() }
    }

    /// The same for the same session, and no way back.
    fn fingerprint(&self, session: &[u8]) -> u64 {
        self.key.hash_one(session)
    }
}

fn sum(a: Stats, b: Stats) -> Stats {
    Stats {
        bytes: a.bytes + b.bytes,
        calls: a.calls + b.calls,
        lost: a.lost + b.lost,
        is_failing: b.is_failing,
    }
}

/// Without the key.
impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("writer", &self.writer).finish_non_exhaustive()
    }
}
