//! The state that a connection and the handles of its streams share.

mod accounting;
mod closing;
mod goodbye;

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use slab::Slab;
use tokio::time::Instant;

use crate::{
    budget::{Account, Budget},
    error::{By, Error, Reason},
    frame::{Head, WINDOW, flag},
    hpack::Encoder,
    list::{List, Place},
    output::Output,
    ping::Pings,
    rate::Bucket,
    refusal::Refusal,
    reset::Resets,
    settings::{Allowed, Settings},
    stream::{Parked, Stream},
};

/// The interval between two counts of unread data.
pub(crate) const SETTLED_EVERY: Duration = Duration::from_millis(5);

/// After this many slices of larger buffers the count comes sooner, because each slice may keep 64 KiB alive.
const SLICES: usize = 8;

/// The state of a connection. While the lock is held, nothing awaits, reads or writes, and no waker may run a task in
/// place: that task would find the lock taken.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<Core>>);

impl Shared {
    pub(crate) fn new(core: Core) -> Self {
        Self(Arc::new(Mutex::new(core)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.0.lock()
    }
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) is_server: bool,
    pub(crate) ours: Settings,
    /// The peer's settings.
    pub(crate) allowed: Allowed,
    pub(crate) streams: Slab<Box<Stream>>,
    /// Slab keys of the streams that are not closed, by id.
    pub(crate) live: HashMap<u32, usize, BuildHasherDefault<Spread>>,
    /// The highest stream id that the client opened, or 0.
    pub(crate) last: u32,
    pub(crate) encoder: Encoder,
    /// The output waiting for the socket.
    pub(crate) out: Output,
    /// Bytes in the current write.
    pub(crate) writing: usize,
    /// Bytes of data that the peer may still send.
    pub(crate) recv_window: i64,
    /// Bytes of data that were read or dropped, and not yet returned to the window.
    pub(crate) unreleased: u32,
    /// The initial window of the peer's streams that the peer has acknowledged.
    pub(crate) recv_initial: i64,
    /// The peer has not acknowledged our settings.
    pub(crate) awaits_ack: bool,
    /// Bytes of data that this side may still send.
    pub(crate) send_window: i64,
    /// The most by which any stream's window exceeds the initial window.
    pub(crate) most_widened: i64,
    /// Streams with data to send, in round-robin order.
    pub(crate) pending_send: List,
    /// Streams whose data waits for their own flow-control window.
    pub(crate) stalled: List,
    /// Requests that were not accepted yet.
    pub(crate) accept: VecDeque<usize>,
    /// The peer's streams that this side has reset.
    pub(crate) resets: Resets,
    /// The number of streams that this side reset because of the peer's errors.
    pub(crate) stream_errors: u32,
    pub(crate) buckets: Buckets,
    /// Reading is paused because the peer resets too many streams: since when, and until when.
    pub(crate) slowed: Option<(u64, u64)>,
    pub(crate) pings: Pings,
    /// The number of handles that can open streams.
    pub(crate) openers: usize,
    pub(crate) ending: Ending,
    /// The peer's GOAWAY: its error, and the last stream that the peer handles.
    pub(crate) sent_away: Option<(Error, u32)>,
    /// Why the connection ended.
    pub(crate) error: Option<Error>,
    /// The task that polls the connection.
    pub(crate) driver: Parked,
    pub(crate) budget: Budget,
    /// The account of the client; only on the server side.
    pub(crate) account: Option<Arc<Account>>,
    /// Streams that hold more bytes than were counted.
    pub(crate) unsettled: Vec<usize>,
    /// The number of slices of larger buffers among that data.
    pub(crate) slices: usize,
    /// When that data was last counted, by the connection's clock.
    settled: u64,
    started: Instant,
    /// The start of this turn, in nanoseconds of the connection's clock.
    pub(crate) now: u64,
}

/// Token buckets for what the peer may do beside its calls.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    pub(crate) settings: Bucket,
    pub(crate) pings: Bucket,
    pub(crate) ignored_frames: Bucket,
    pub(crate) empty_data: Bucket,
    pub(crate) window_updates: Bucket,
    pub(crate) resets: Bucket,
}

/// The progress of ending the connection from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    No,
    /// The peer was told; streams that it opened in the meantime are accepted.
    Announced,
    /// No streams above this id are accepted. The connection ends with the last stream.
    Final(u32),
    /// The connection ends when the output is written.
    Now,
}

impl Core {
    pub(crate) fn new(is_server: bool, ours: Settings, budget: Budget) -> Self {
        let mut out = Output::default();
        let ours = ours.in_range();
        ours.put(is_server, out.buffer());
        let account = is_server.then(|| budget.open_account());
        Self {
            is_server,
            ours,
            allowed: Allowed::default(),
            streams: Slab::new(),
            live: HashMap::default(),
            last: 0,
            encoder: Encoder::default(),
            out,
            writing: 0,
            recv_window: i64::from(ours.connection_window),
            unreleased: 0,
            recv_initial: WINDOW,
            awaits_ack: true,
            send_window: WINDOW,
            most_widened: 0,
            pending_send: List::new(Place::Pending),
            stalled: List::new(Place::Stalled),
            accept: VecDeque::new(),
            resets: Resets::default(),
            stream_errors: 0,
            buckets: Buckets::default(),
            slowed: None,
            pings: Pings::default(),
            openers: 0,
            ending: Ending::No,
            sent_away: None,
            error: None,
            driver: Parked::default(),
            budget,
            account,
            unsettled: Vec::new(),
            slices: 0,
            settled: 0,
            started: Instant::now(),
            now: 0,
        }
    }

    /// Wakes the driver, so that it writes the output.
    pub(crate) fn wake(&mut self) {
        self.driver.wake();
    }

    /// Begins a turn: counts data that has been unread for some time, and gives up streams that hold too much.
    pub(crate) fn begin_turn(&mut self) {
        self.now = self.nanos_since_start();
        let is_due = self.now - self.settled >= SETTLED_EVERY.as_nanos() as u64;
        if is_due || self.slices >= SLICES {
            self.settle();
        }
        let given_up = self.account.as_ref().map(|account| account.shed());
        for id in given_up.into_iter().flatten() {
            if let Some(key) = self.live.get(&id).copied() {
                self.budget.count(Refusal::Unread);
                self.reset(key, Reason::ENHANCE_YOUR_CALM, By::Library);
            }
        }
    }

    fn nanos_since_start(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns whether so much output waits that nothing more is read from the peer.
    pub(crate) fn is_backed_up(&self) -> bool {
        self.waiting() > self.ours.limits.output
    }

    /// Returns whether so much output waits that no stream is opened. The threshold is lower, so that responses are
    /// still read.
    pub(crate) fn is_busy(&self) -> bool {
        self.waiting() > self.ours.limits.output / 2
    }

    /// Bytes of output other than data.
    fn waiting(&self) -> usize {
        (self.out.len() + self.writing).saturating_sub(crate::send::ROOM)
    }

    /// Sends the acknowledgement of SETTINGS or of a PING.
    pub(crate) fn acknowledge(&mut self, kind: u8, payload: &[u8]) {
        let out = self.out.buffer();
        Head { len: payload.len(), kind, flags: flag::ACK, stream: 0 }.put(out);
        out.extend_from_slice(payload);
    }
}

/// A hasher for stream ids, which are consecutive odd numbers.
#[derive(Debug, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0.rotate_left(32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((*byte).into());
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
