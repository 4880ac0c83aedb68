//! What a connection and the handles of its streams share.

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
    error::{By, ConnectionError, Error, Reason},
    frame::{Head, MOST, WINDOW, flag, kind, put_number},
    hpack::Encoder,
    list::{List, Place},
    output::Output,
    ping::Pings,
    rate::Bucket,
    refusal::Refusal,
    reset::Resets,
    settings::{Allowed, Settings},
    stream::{Cause, Parked, State, Stream},
};

/// From one count of what is left unread to the next.
pub(crate) const SETTLED_EVERY: Duration = Duration::from_millis(5);

/// So many parts of larger buffers are looked at sooner: each may keep 64 KiB.
const SLICES: usize = 8;

/// The state of a connection. While it is locked, nothing is awaited, read or written, and what is woken must not
/// run at once: it would find the lock taken.
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
    /// What the peer allows.
    pub(crate) allowed: Allowed,
    pub(crate) streams: Slab<Box<Stream>>,
    /// Where the streams are that are not closed.
    pub(crate) live: HashMap<u32, usize, BuildHasherDefault<Spread>>,
    /// The highest stream that the client opened, or 0.
    pub(crate) last: u32,
    pub(crate) encoder: Encoder,
    /// What is to be written.
    pub(crate) out: Output,
    /// Bytes that are being written.
    pub(crate) writing: usize,
    /// Bytes of data that the peer may still send.
    pub(crate) recv_window: i64,
    /// Bytes of data that were read or dropped, and not yet given back.
    pub(crate) unreleased: u32,
    /// The initial window of the peer's streams, as far as it has acknowledged it.
    pub(crate) recv_initial: i64,
    /// The peer has yet to acknowledge our settings.
    pub(crate) awaits_ack: bool,
    /// Bytes of data that the peer still takes.
    pub(crate) send_window: i64,
    /// No stream's window exceeds the initial one by more.
    pub(crate) most_widened: i64,
    /// Streams whose data may go, in turn.
    pub(crate) pending_send: List,
    /// Streams whose data waits for their own window.
    pub(crate) stalled: List,
    /// Requests that nobody has taken yet.
    pub(crate) accept: VecDeque<usize>,
    /// Streams of the peer that this side has reset.
    pub(crate) resets: Resets,
    /// Streams that this side had to reset for what the peer did.
    pub(crate) stream_errors: u32,
    pub(crate) buckets: Buckets,
    /// Since when, and until when nothing is read, as the peer resets too many streams.
    pub(crate) slowed: Option<(u64, u64)>,
    pub(crate) pings: Pings,
    /// Handles that may open streams.
    pub(crate) openers: usize,
    pub(crate) ending: Ending,
    /// Why the peer lets no more streams be opened, and the last stream that it works on.
    pub(crate) sent_away: Option<(Error, u32)>,
    /// Why the connection is over.
    pub(crate) error: Option<Error>,
    /// Whoever polls the connection.
    pub(crate) driver: Parked,
    pub(crate) budget: Budget,
    /// That of the client, on the side of the server.
    pub(crate) account: Option<Arc<Account>>,
    /// Streams that hold more than was counted.
    pub(crate) unsettled: Vec<usize>,
    /// Parts of larger buffers that were added to these.
    pub(crate) slices: usize,
    /// When that was looked at last, by the connection's clock.
    settled: u64,
    started: Instant,
    /// Nanoseconds from then to the begin of this turn.
    pub(crate) now: u64,
}

/// What the peer may still do beside its calls.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    pub(crate) settings: Bucket,
    pub(crate) pings: Bucket,
    pub(crate) ignored_frames: Bucket,
    pub(crate) empty_data: Bucket,
    pub(crate) window_updates: Bucket,
    pub(crate) resets: Bucket,
}

/// How far this side is with ending the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    No,
    /// The peer knows; streams that it opened meanwhile are taken.
    Announced,
    /// No streams above this one are taken. Over when none is left.
    Final(u32),
    /// Over when all is written.
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

    /// Sees that what was written into the output leaves.
    pub(crate) fn wake(&mut self) {
        self.driver.wake();
    }

    /// Begins a turn: what was left unread for some time is counted, and given up where it is too much.
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

    /// How long nothing is to be read yet.
    pub(crate) fn slowed_for(&self) -> Option<Duration> {
        let (_, until) = self.slowed?;
        let left = until.checked_sub(self.nanos_since_start())?;
        Some(Duration::from_nanos(left)).filter(|left| !left.is_zero())
    }

    /// A stream holds more than was counted: it is, unless somebody takes it before the next turn.
    pub(crate) fn unsettle(&mut self, key: usize, is_slice: bool) {
        self.slices += usize::from(is_slice);
        let stream = &mut self.streams[key];
        if !std::mem::replace(&mut stream.is_unsettled, true) {
            self.unsettled.push(key);
        }
    }

    fn settle(&mut self) {
        (self.settled, self.slices) = (self.now, 0);
        let mut moving = Vec::new();
        for key in std::mem::take(&mut self.unsettled) {
            let Some(stream) = self.streams.get_mut(key) else { continue };
            stream.is_unsettled = false;
            let held = stream.held();
            if held == 0 {
                continue;
            }
            // A copy is for what is left, not for what is on its way.
            if std::mem::take(&mut stream.has_moved) {
                moving.push(key);
            } else {
                stream.detach();
            }
            if held > stream.charged
                && let Some(client) = &stream.client
            {
                client.account.charge(client.stream, held - stream.charged);
                stream.charged = held;
            }
        }
        self.slices = usize::from(!moving.is_empty());
        for key in moving {
            self.unsettle(key, false);
        }
    }

    /// A stream holds less than before.
    pub(crate) fn uncharge(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        if stream.charged == 0 {
            return;
        }
        let held = stream.held();
        if stream.charged > held
            && let Some(client) = &stream.client
        {
            client.account.release(client.stream, stream.charged - held);
            stream.charged = held;
        }
    }

    /// Ends a stream before its time, and tells the peer unless that did it.
    pub(crate) fn reset(&mut self, key: usize, reason: Reason, by: By) {
        let stream = &mut self.streams[key];
        if stream.state.is_closed() {
            return;
        }
        if by != By::Peer {
            let (id, window) = (stream.id, self.recv_initial + stream.recv.window);
            self.resets.push(id, window);
            put_number(kind::RST_STREAM, id, reason.into(), self.out.buffer());
        }
        self.close(key, Error::reset(reason, by), by);
    }

    /// Closes a stream without a word on the wire.
    pub(crate) fn close(&mut self, key: usize, error: Error, by: By) {
        self.drop_queue(key);
        let stream = &mut self.streams[key];
        let is_whole = !self.is_server && stream.state.is_recv_end() && by == By::Peer;
        stream.state = State::Closed(if is_whole { Cause::Answered(error) } else { Cause::Error(error) });
        if by != By::Peer {
            self.ignore(key);
        } else if self.is_server {
            self.drop_unread(key);
        }
        self.streams[key].wake();
        self.has_closed(key);
    }

    /// A stream is closed: only its handles know it from now on.
    pub(crate) fn has_closed(&mut self, key: usize) {
        self.live.remove(&self.streams[key].id);
        if self.streams[key].handles == 0 {
            self.remove(key);
        }
        if self.live.is_empty() {
            self.wake();
        }
    }

    fn remove(&mut self, key: usize) {
        self.ignore(key);
        self.drop_queue(key);
        let stream = self.streams.remove(key);
        if let Some(client) = &stream.client {
            if stream.charged > 0 {
                client.account.release(client.stream, stream.charged);
            }
            if stream.recv.grown > 0 {
                client.account.return_grant(stream.recv.grown as usize);
            }
        }
    }

    /// What of a stream's data is unread, and what comes, is for nobody.
    pub(crate) fn ignore(&mut self, key: usize) {
        self.streams[key].recv.is_ignored = true;
        self.drop_unread(key);
    }

    fn drop_unread(&mut self, key: usize) {
        let unread = self.streams[key].recv.clear();
        if unread > 0 {
            self.uncharge(key);
            self.release_capacity(unread);
        }
    }

    fn drop_queue(&mut self, key: usize) {
        self.pending_send.remove(&mut self.streams, key);
        self.stalled.remove(&mut self.streams, key);
        if !self.streams[key].send.is_empty() {
            self.streams[key].send.clear();
            self.uncharge(key);
        }
    }

    /// A handle is gone. What nobody holds any more is over; an answer, once what was handed over has left.
    pub(crate) fn release(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        stream.handles -= 1;
        if stream.handles > 0 {
            return;
        }
        if stream.state.is_closed() {
            self.remove(key);
        } else if self.is_server && stream.is_ending() {
            self.ignore(key);
        } else {
            self.abandon(key);
        }
    }

    /// Nobody is there for what the peer still sends.
    pub(crate) fn abandon(&mut self, key: usize) {
        let has_answered = self.is_server && !self.streams[key].is_send_open();
        self.reset(key, if has_answered { Reason::NO_ERROR } else { Reason::CANCEL }, By::User);
        self.wake();
    }

    /// Ends the connection, and everything on it.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.ending = Ending::Now;
        if self.error.is_none() {
            self.error = Some(error.clone());
        }
        for key in std::mem::take(&mut self.accept) {
            self.streams[key].handles = 0;
            if self.streams[key].state.is_closed() {
                self.remove(key);
            }
        }
        for key in self.live.values().copied().collect::<Vec<_>>() {
            self.close(key, error.clone(), By::Peer);
        }
        self.pings.wake();
        self.wake();
    }

    /// The peer is gone: it may have said why before.
    pub(crate) fn has_lost_peer(&mut self, error: Error) {
        let said = self.sent_away.as_ref().map(|(error, _)| error);
        let said = said.filter(|said| said.reason() != Some(Reason::NO_ERROR)).cloned();
        self.fail(&said.unwrap_or(error));
    }

    /// Tells the peer to open no stream above this one.
    fn go_away(&mut self, last: u32, reason: Reason, debug: &[u8]) {
        let out = self.out.buffer();
        Head { len: 8 + debug.len(), kind: kind::GOAWAY, flags: 0, stream: 0 }.put(out);
        out.extend_from_slice(&last.to_be_bytes());
        out.extend_from_slice(&u32::from(reason).to_be_bytes());
        out.extend_from_slice(debug);
        self.wake();
    }

    /// The last stream of the peer that this side has taken. What was said of that once never rises.
    fn last_taken(&self) -> u32 {
        match self.ending {
            Ending::Final(last) => last,
            _ if self.is_server => self.last,
            _ => 0,
        }
    }

    /// Ends the connection with a code.
    pub(crate) fn connection_error(&mut self, error: ConnectionError, by: By) {
        if self.ending != Ending::Now {
            let debug = error.refusal.map_or("", Refusal::as_str);
            self.go_away(self.last_taken(), error.reason, debug.as_bytes());
            if let Some(refusal) = error.refusal {
                self.budget.count(refusal);
            }
            self.fail(&Error::connection(error, by));
        }
    }

    /// Tells the peer that no streams are taken soon, and by the answer which one was the last.
    pub(crate) fn end_gracefully(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::Announced;
            self.go_away(MOST as u32, Reason::NO_ERROR, b"");
            self.pings.put_farewell(self.out.buffer());
        }
    }

    /// The peer has opened all streams that it opened before it knew.
    pub(crate) fn end_finally(&mut self) {
        if self.ending == Ending::Announced {
            self.ending = Ending::Final(self.last);
            self.go_away(self.last, Reason::NO_ERROR, b"");
        }
    }

    /// The connection is over without an error: the peer is told so, unless it was before.
    pub(crate) fn say_goodbye(&mut self) {
        if matches!(self.ending, Ending::No | Ending::Announced) {
            let last = self.last_taken();
            self.ending = Ending::Final(last);
            self.go_away(last, Reason::NO_ERROR, b"");
        }
    }

    /// Whether nothing more happens once all is written.
    pub(crate) fn is_over(&self) -> bool {
        let is_empty = self.live.is_empty() && self.accept.is_empty();
        let takes_none = match self.ending {
            Ending::Now => return true,
            Ending::Final(_) => true,
            Ending::No | Ending::Announced => self.sent_away.is_some(),
        };
        is_empty && (takes_none || (!self.is_server && self.openers == 0))
    }

    /// Whether so much waits for the peer to read that nothing more is read from it.
    pub(crate) fn is_backed_up(&self) -> bool {
        self.waiting() > self.ours.limits.output
    }

    /// Whether so much waits that no stream is opened. That is less, so that answers are still read.
    pub(crate) fn is_busy(&self) -> bool {
        self.waiting() > self.ours.limits.output / 2
    }

    /// Bytes that wait for the peer to read, but for data.
    fn waiting(&self) -> usize {
        (self.out.len() + self.writing).saturating_sub(crate::send::ROOM)
    }

    /// Acknowledges SETTINGS or a PING.
    pub(crate) fn acknowledge(&mut self, kind: u8, payload: &[u8]) {
        let out = self.out.buffer();
        Head { len: payload.len(), kind, flags: flag::ACK, stream: 0 }.put(out);
        out.extend_from_slice(payload);
    }
}

/// Spreads the ids of streams, which are all odd and follow each other.
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
