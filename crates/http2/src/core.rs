//! The state that a connection and the handles of its streams share.

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

    /// The time until reading resumes.
    pub(crate) fn slowed_for(&self) -> Option<Duration> {
        let (_, until) = self.slowed?;
        let left = until.checked_sub(self.nanos_since_start())?;
        Some(Duration::from_nanos(left)).filter(|left| !left.is_zero())
    }

    /// Notes that a stream holds more than was counted. It is counted at the next turn, unless the data is read
    /// before.
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
            // Copy only data that is stuck, not data that is moving.
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

    /// Notes that a stream holds less than before.
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

    /// Ends a stream early, and sends RST_STREAM unless the peer ended it.
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

    /// Closes a stream without sending a frame.
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

    /// Called when a stream has closed: from now on only its handles refer to it.
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

    /// Discards unread and future data of a stream.
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

    /// Drops a handle. A stream without handles is over; a response ends after all data handed over was sent.
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

    /// Called when nothing reads what the peer still sends.
    pub(crate) fn abandon(&mut self, key: usize) {
        let has_answered = self.is_server && !self.streams[key].is_send_open();
        self.reset(key, if has_answered { Reason::NO_ERROR } else { Reason::CANCEL }, By::User);
        self.wake();
    }

    /// Ends the connection and all its streams with an error.
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

    /// The peer is gone. If it sent GOAWAY before, that is the reason.
    pub(crate) fn has_lost_peer(&mut self, error: Error) {
        let said = self.sent_away.as_ref().map(|(error, _)| error);
        let said = said.filter(|said| said.reason() != Some(Reason::NO_ERROR)).cloned();
        self.fail(&said.unwrap_or(error));
    }

    /// Sends GOAWAY with this last stream.
    fn go_away(&mut self, last: u32, reason: Reason, debug: &[u8]) {
        let out = self.out.buffer();
        Head { len: 8 + debug.len(), kind: kind::GOAWAY, flags: 0, stream: 0 }.put(out);
        out.extend_from_slice(&last.to_be_bytes());
        out.extend_from_slice(&u32::from(reason).to_be_bytes());
        out.extend_from_slice(debug);
        self.wake();
    }

    /// The last stream of the peer that this side accepted. It never rises above one already sent in a GOAWAY.
    fn last_taken(&self) -> u32 {
        match self.ending {
            Ending::Final(last) => last,
            _ if self.is_server => self.last,
            _ => 0,
        }
    }

    /// Ends the connection with an error code.
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

    /// Announces the end with a GOAWAY and a PING; the reply to the PING marks the last stream.
    pub(crate) fn end_gracefully(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::Announced;
            self.go_away(MOST as u32, Reason::NO_ERROR, b"");
            self.pings.put_farewell(self.out.buffer());
        }
    }

    /// Called when the peer has seen the announcement: sends the final GOAWAY.
    pub(crate) fn end_finally(&mut self) {
        if self.ending == Ending::Announced {
            self.ending = Ending::Final(self.last);
            self.go_away(self.last, Reason::NO_ERROR, b"");
        }
    }

    /// Sends GOAWAY for an end without error, unless one was sent before.
    pub(crate) fn say_goodbye(&mut self) {
        if matches!(self.ending, Ending::No | Ending::Announced) {
            let last = self.last_taken();
            self.ending = Ending::Final(last);
            self.go_away(last, Reason::NO_ERROR, b"");
        }
    }

    /// Returns whether the connection ends as soon as the output is written.
    pub(crate) fn is_over(&self) -> bool {
        let is_empty = self.live.is_empty() && self.accept.is_empty();
        let takes_none = match self.ending {
            Ending::Now => return true,
            Ending::Final(_) => true,
            Ending::No | Ending::Announced => self.sent_away.is_some(),
        };
        is_empty && (takes_none || (!self.is_server && self.openers == 0))
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
