//! What a connection and the handles of its streams share.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use slab::Slab;

use crate::{
    error::{By, Error, Reason},
    frame::{Head, MOST, WINDOW, flag, kind, put_number},
    hpack::Encoder,
    output::Output,
    ping::Pings,
    settings::{Allowed, Settings},
    stream::{Parked, Stream},
};

/// The state of a connection. While it is locked, nothing is awaited, read or written, and what is woken must not
/// run at once: it would find the lock taken.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<Core>>);

impl Shared {
    pub(crate) fn new(core: Core) -> Self {
        Self(Arc::new(Mutex::new(core)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) is_server: bool,
    pub(crate) ours: Settings,
    /// What the peer allows.
    pub(crate) allowed: Allowed,
    pub(crate) streams: Slab<Box<Stream>>,
    /// Where the streams are that are not over.
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
    pub(crate) owed: u32,
    /// Bytes of data that the peer still takes.
    pub(crate) send_window: i64,
    /// Streams whose data may go, in turn.
    pub(crate) line: VecDeque<usize>,
    /// Requests that nobody has taken yet.
    pub(crate) accept: VecDeque<usize>,
    /// Streams that were reset before that, since somebody took the rest.
    pub(crate) early_resets: usize,
    /// Streams that this side had to reset, less those that were as they should.
    pub(crate) faults: usize,
    pub(crate) pings: Pings,
    /// Handles that may open streams.
    pub(crate) openers: usize,
    pub(crate) ending: Ending,
    /// Why the peer lets no more streams be opened.
    pub(crate) sent_away: Option<Error>,
    /// Why the connection is over.
    pub(crate) error: Option<Error>,
    /// Whoever polls the connection.
    pub(crate) driver: Parked,
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
    pub(crate) fn new(is_server: bool, ours: Settings) -> Self {
        let mut out = Output::default();
        ours.put(is_server, out.buffer());
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
            recv_window: i64::from(ours.connection_window).max(WINDOW),
            owed: 0,
            send_window: WINDOW,
            line: VecDeque::new(),
            accept: VecDeque::new(),
            early_resets: 0,
            faults: 0,
            pings: Pings::default(),
            openers: 0,
            ending: Ending::No,
            sent_away: None,
            error: None,
            driver: Parked::default(),
        }
    }

    /// Sees that what was written into the output leaves.
    pub(crate) fn kick(&mut self) {
        self.driver.wake();
    }

    /// Ends a stream before its time, and tells the peer unless that did it.
    pub(crate) fn reset(&mut self, key: usize, reason: Reason, by: By) {
        let stream = &mut self.streams[key];
        if stream.is_over() {
            return;
        }
        let id = stream.id;
        stream.error = Some(Error::reset(reason, by));
        self.drop_queue(key);
        if by != By::Peer {
            self.ignore(key);
            put_number(kind::RST_STREAM, id, reason.into(), self.out.buffer());
        }
        self.streams[key].wake();
        self.over(key);
    }

    /// A stream is over: only its handles know it from now on.
    pub(crate) fn over(&mut self, key: usize) {
        self.live.remove(&self.streams[key].id);
        if self.streams[key].error.is_none() {
            self.faults = self.faults.saturating_sub(1);
        }
        if self.streams[key].handles == 0 {
            self.remove(key);
        }
        if self.live.is_empty() {
            self.kick();
        }
    }

    fn remove(&mut self, key: usize) {
        self.ignore(key);
        self.drop_queue(key);
        self.streams.remove(key);
    }

    /// What of a stream's data is unread, and what comes, is for nobody.
    pub(crate) fn ignore(&mut self, key: usize) {
        let recv = &mut self.streams[key].recv;
        recv.is_ignored = true;
        let unread = recv.clear();
        self.give_back(unread);
    }

    fn drop_queue(&mut self, key: usize) {
        let send = &mut self.streams[key].send;
        send.queue.clear();
        if std::mem::take(&mut send.is_in_line) {
            self.line.retain(|other| *other != key);
        }
    }

    /// A handle is gone. What nobody holds any more is over; an answer, once what was handed over has left.
    pub(crate) fn release(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        stream.handles -= 1;
        if stream.handles > 0 {
            return;
        }
        if stream.is_over() {
            self.remove(key);
        } else if self.is_server && stream.send.is_ending() {
            self.ignore(key);
        } else {
            self.abandon(key);
        }
    }

    /// Nobody is there for what the peer still sends.
    pub(crate) fn abandon(&mut self, key: usize) {
        let has_answered = self.is_server && !self.streams[key].send.is_open();
        self.reset(key, if has_answered { Reason::NO_ERROR } else { Reason::CANCEL }, By::User);
        self.kick();
    }

    /// Ends the connection, and everything on it.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.ending = Ending::Now;
        // What the peer said when it ended the connection tells more than that it did.
        let goodbye = self.sent_away.as_ref().filter(|_| error.is_io());
        let goodbye = goodbye.filter(|goodbye| goodbye.reason() != Some(Reason::NO_ERROR));
        let error = &goodbye.map_or_else(|| error.clone(), |goodbye| goodbye.clone().processed());
        if self.error.is_none() {
            self.error = Some(error.clone());
        }
        for key in std::mem::take(&mut self.accept) {
            self.streams[key].handles = 0;
            if self.streams[key].is_over() {
                self.remove(key);
            }
        }
        for key in self.live.values().copied().collect::<Vec<_>>() {
            self.cut(key, error);
        }
        self.pings.wake();
        self.kick();
    }

    /// Ends a stream without a word on the wire.
    pub(crate) fn cut(&mut self, key: usize, error: &Error) {
        let stream = &mut self.streams[key];
        stream.error = Some(error.clone());
        stream.wake();
        self.drop_queue(key);
        self.over(key);
    }

    /// Tells the peer to open no stream above this one.
    pub(crate) fn go_away(&mut self, last: u32, reason: Reason) {
        let out = self.out.buffer();
        Head { len: 8, kind: kind::GOAWAY, flags: 0, stream: 0 }.put(out);
        out.extend_from_slice(&last.to_be_bytes());
        out.extend_from_slice(&u32::from(reason).to_be_bytes());
        self.kick();
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
    pub(crate) fn break_off(&mut self, reason: Reason, by: By) {
        if self.ending != Ending::Now {
            self.go_away(self.last_taken(), reason);
            self.fail(&Error::go_away(reason, by));
        }
    }

    /// Tells the peer that no streams are taken soon, and by the answer which one was the last.
    pub(crate) fn end_gracefully(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::Announced;
            self.go_away(MOST as u32, Reason::NO_ERROR);
            self.pings.put_farewell(self.out.buffer());
        }
    }

    /// The peer has opened all streams that it opened before it knew.
    pub(crate) fn end_finally(&mut self) {
        if self.ending == Ending::Announced {
            self.ending = Ending::Final(self.last);
            self.go_away(self.last, Reason::NO_ERROR);
        }
    }

    /// The connection is over without an error: the peer is told so, unless it was before.
    pub(crate) fn say_goodbye(&mut self) {
        if matches!(self.ending, Ending::No | Ending::Announced) {
            let last = self.last_taken();
            self.ending = Ending::Final(last);
            self.go_away(last, Reason::NO_ERROR);
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
