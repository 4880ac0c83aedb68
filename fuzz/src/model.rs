//! A model of one side's socket: checks that the side writes valid HTTP/2, and tracks the windows that its peer
//! knows.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::LazyLock,
};

use teal_http2::fuzzing::Snapshot;

use crate::{frames::*, nghttp2::Inflater};

/// Both directions of one side's socket, as far as they were read and written.
pub(crate) struct Model {
    is_server: bool,
    came: Frames,
    wrote: Frames,
    /// The preface must still be skipped.
    needs_preface: bool,
    has_begun: bool,
    /// SETTINGS of the peer that the side has not acknowledged yet.
    settings: VecDeque<Vec<(u16, u32)>>,
    pings: VecDeque<Vec<u8>>,
    peer: Limits,
    /// Its own settings, as the peer has acknowledged them and as it has announced them.
    ours: Limits,
    announced: Option<Vec<(u16, u32)>>,
    /// Bytes that the side may send, and bytes that it may receive.
    send_window: i64,
    recv_window: i64,
    streams: HashMap<u32, Seen>,
    /// The highest stream that a client opened.
    last: u32,
    inflater: Inflater,
    block: Option<(u32, bool, Vec<u8>)>,
    /// The last stream that its GOAWAY named, and its code.
    went_away: Option<(u32, u32)>,
    /// The payload of its last PING without ACK.
    pub(crate) asked: Option<Vec<u8>>,
}

/// The limits in a side's SETTINGS.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    window: i64,
    frame: usize,
    streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { window: 65_535, frame: 16_384, streams: usize::MAX }
    }
}

/// The observed state of a stream.
#[derive(Default)]
struct Seen {
    /// Bytes relative to the initial windows.
    send: i64,
    recv: i64,
    came_head: bool,
    came_end: bool,
    came_reset: bool,
    /// A head that is not interim.
    wrote_head: bool,
    wrote_end: bool,
    wrote_reset: bool,
}

impl Model {
    pub(crate) fn new(is_server: bool) -> Self {
        Self {
            is_server,
            came: Frames::default(),
            wrote: Frames::default(),
            needs_preface: true,
            has_begun: false,
            settings: VecDeque::new(),
            pings: VecDeque::new(),
            peer: Limits::default(),
            ours: Limits::default(),
            announced: None,
            send_window: 65_535,
            recv_window: 65_535,
            streams: HashMap::new(),
            last: 0,
            inflater: Inflater::new(),
            block: None,
            went_away: None,
            asked: None,
        }
    }

    /// Logs frames, if enabled, for the analysis of a finding.
    fn log(&self, what: &str, frame: &Frame) {
        static IS_ASKED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("FUZZ_LOG").is_some());
        if *IS_ASKED {
            let side = if self.is_server { "server" } else { "client" };
            eprintln!("{side} {what} {frame:?}");
        }
    }

    /// Bytes that the side has read.
    pub(crate) fn came(&mut self, bytes: &[u8]) {
        self.came.push(bytes);
        if self.is_server && self.needs_preface {
            if !self.came.skip(PREFACE) {
                return;
            }
            self.needs_preface = false;
        }
        while let Some(frame) = self.came.next() {
            self.came_frame(&frame);
        }
    }

    fn came_frame(&mut self, frame: &Frame) {
        self.log("read", frame);
        let stream = self.streams.entry(frame.stream).or_default();
        match frame.kind {
            DATA => {
                let len = frame.payload.len() as i64;
                self.recv_window -= len;
                stream.recv -= len;
                stream.came_end |= frame.has(END_STREAM);
            }
            HEADERS => {
                stream.came_head = true;
                stream.came_end |= frame.has(END_STREAM);
                if self.is_server {
                    self.last = self.last.max(frame.stream);
                }
            }
            RST_STREAM => stream.came_reset = true,
            SETTINGS if frame.has(END_STREAM) => {
                self.ours.take(&self.announced.take().unwrap_or_default());
            }
            SETTINGS => self.settings.push_back(frame.settings()),
            PING if !frame.has(END_STREAM) => self.pings.push_back(frame.payload.clone()),
            WINDOW_UPDATE => {
                let more = i64::from(frame.number()) & MAX_WINDOW;
                if frame.stream == 0 { self.send_window += more } else { stream.send += more }
            }
            _ => {}
        }
    }

    /// Processes bytes that the side has written.
    pub(crate) fn wrote(&mut self, bytes: &[u8]) {
        self.wrote.push(bytes);
        if !self.is_server && self.needs_preface {
            if !self.wrote.skip(PREFACE) {
                return;
            }
            self.needs_preface = false;
        }
        while let Some(frame) = self.wrote.next() {
            self.wrote_frame(&frame);
        }
    }

    fn wrote_frame(&mut self, frame: &Frame) {
        self.log("wrote", frame);
        let Frame { kind, stream, .. } = *frame;
        assert!(self.has_begun || kind == SETTINGS, "{kind} comes before SETTINGS");
        assert!(frame.payload.len() <= self.peer.frame, "{} bytes in a frame", frame.payload.len());
        if self.block.is_some() {
            assert_eq!(kind, CONTINUATION, "a header block is not at its end");
        }
        match kind {
            DATA => self.wrote_data(frame),
            HEADERS => {
                assert!(!self.seen(stream).wrote_end, "HEADERS on {stream} after its end");
                self.block = Some((stream, frame.has(END_STREAM), Vec::new()));
                self.wrote_block(frame);
            }
            CONTINUATION => self.wrote_block(frame),
            RST_STREAM => {
                assert_eq!(frame.payload.len(), 4);
                let is_idle = stream == 0 || stream > self.last || stream.is_multiple_of(2);
                assert!(!is_idle, "RST_STREAM on {stream}, and the last one was {}", self.last);
                self.seen(stream).wrote_reset = true;
            }
            SETTINGS if frame.has(END_STREAM) => self.acknowledged(),
            SETTINGS => {
                assert!(!self.has_begun, "SETTINGS come once");
                self.has_begun = true;
                self.announced = Some(frame.settings());
            }
            PING if frame.has(END_STREAM) => {
                assert_eq!(self.pings.pop_front().as_ref(), Some(&frame.payload), "a PING nobody sent");
            }
            PING => self.asked = Some(frame.payload.clone()),
            GOAWAY => self.wrote_go_away(frame),
            WINDOW_UPDATE => {
                let more = i64::from(frame.number());
                assert!((1..=MAX_WINDOW).contains(&more), "a window is opened by {more}");
                assert!(stream <= self.last, "a window of {stream}, which nobody opened");
                let window = self.ours.window;
                let of_stream = self.seen(stream);
                if stream == 0 {
                    self.recv_window += more;
                    assert!(self.recv_window <= MAX_WINDOW, "the connection's window is too large");
                } else {
                    of_stream.recv += more;
                    assert!(window + of_stream.recv <= MAX_WINDOW, "the window of {stream} is too large");
                }
            }
            _ => panic!("nobody writes frames of {kind}"),
        }
    }

    fn seen(&mut self, stream: u32) -> &mut Seen {
        self.streams.entry(stream).or_default()
    }

    fn wrote_data(&mut self, frame: &Frame) {
        let (len, window) = (frame.payload.len() as i64, self.peer.window);
        let seen = self.seen(frame.stream);
        assert!(seen.wrote_head, "DATA on {} before its head", frame.stream);
        assert!(!seen.wrote_end && !seen.wrote_reset, "DATA on {} after its end", frame.stream);
        seen.send -= len;
        seen.wrote_end = frame.has(END_STREAM);
        assert!(len == 0 || window + seen.send >= 0, "more data on {} than its window allows", frame.stream);
        self.send_window -= len;
        assert!(self.send_window >= 0, "more data than the connection's window allows");
    }

    fn wrote_block(&mut self, frame: &Frame) {
        let (stream, is_end, mut block) = self.block.take().expect("HEADERS came before CONTINUATION");
        assert_eq!(stream, frame.stream);
        block.extend(frame.content().expect("its padding is right"));
        if !frame.has(END_HEADERS) {
            self.block = Some((stream, is_end, block));
            return;
        }
        let fields = self.inflater.inflate(&block).expect("nghttp2 understands it");
        let pseudo =
            |name: &[u8]| fields.iter().find(|field| field.0 == name).map(|field| field.1.as_slice());
        let is_interim = pseudo(b":status").is_some_and(|status| status.starts_with(b"1"));
        if self.is_server {
            assert!(self.seen(stream).came_head, "an answer on {stream}, which nobody opened");
        } else if !self.seen(stream).wrote_head {
            assert!(stream > self.last && !stream.is_multiple_of(2), "{stream} after {}", self.last);
            self.last = stream;
            self.count_streams();
        }
        let is_server = self.is_server;
        let seen = self.seen(stream);
        assert!(!seen.wrote_end && !seen.wrote_reset, "HEADERS on {stream} after its end");
        let first: &[u8] = if is_server { b":status" } else { b":method" };
        if seen.wrote_head {
            assert!(is_end, "trailers of {stream} are not its end");
            assert!(
                !fields.iter().any(|field| field.0.starts_with(b":")),
                "trailers of {stream}: {fields:?}"
            );
        } else {
            assert!(pseudo(first).is_some(), "the head of {stream}: {fields:?}");
            assert!(!is_interim || !is_end, "an interim answer ends {stream}");
        }
        let seen = self.seen(stream);
        seen.wrote_head |= !is_interim;
        seen.wrote_end = is_end;
    }

    /// Checks that no more streams are open than the peer allows.
    fn count_streams(&self) {
        let is_open = |seen: &&Seen| {
            let is_reset = seen.came_reset || seen.wrote_reset;
            seen.wrote_head && !is_reset && !(seen.wrote_end && seen.came_end)
        };
        let open = self.streams.values().filter(is_open).count();
        assert!(open < self.peer.streams, "{open} streams are open, {} are allowed", self.peer.streams);
    }

    fn acknowledged(&mut self) {
        let settings = self.settings.pop_front().expect("SETTINGS came before their ACK");
        for (id, value) in &settings {
            if *id == 1 {
                self.inflater.set_max_size((*value).min(1 << 20) as usize);
            }
        }
        self.peer.take(&settings);
    }

    fn wrote_go_away(&mut self, frame: &Frame) {
        assert!(frame.payload.len() >= 8 && frame.stream == 0);
        let last = frame.number();
        let code = u32::from_be_bytes(*frame.payload[4..].first_chunk().unwrap());
        assert_ne!(code, 2, "the side has a fault of its own");
        if let Some((before, _)) = self.went_away {
            assert!(last <= before, "GOAWAY says {last} after {before}");
        }
        self.went_away = Some((last, code));
    }

    pub(crate) fn has_gone_away(&self) -> bool {
        self.went_away.is_some()
    }

    /// Bytes of data that may arrive on a stream now.
    pub(crate) fn may_come(&self, stream: u32) -> usize {
        let of_stream = self.ours.window + self.streams.get(&stream).map_or(0, |seen| seen.recv);
        usize::try_from(of_stream.min(self.recv_window)).unwrap_or(0)
    }

    /// Checks that the side's counters agree with what its peer saw. Valid only if nothing is in transit.
    pub(crate) fn compare(&self, snapshot: &Snapshot) {
        let is_moving = !self.came.is_empty() || !self.wrote.is_empty() || snapshot.output > 0;
        if is_moving || snapshot.has_ended || !self.has_begun || self.went_away.is_some() {
            return;
        }
        assert_eq!(snapshot.recv_window, self.recv_window, "what came, and what was announced");
        assert_eq!(snapshot.send_window, self.send_window, "what was sent, and what was allowed");
        for stream in &snapshot.streams {
            let Some(seen) = self.streams.get(&stream.id) else { panic!("{} was never seen", stream.id) };
            assert_eq!(stream.send_window, self.peer.window + seen.send, "what {} sent", stream.id);
            if !seen.came_end {
                assert_eq!(stream.recv_window, self.ours.window + seen.recv, "what {} got", stream.id);
            }
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Frame { kind, flags, stream, payload } = self;
        write!(f, "kind {kind} flags {flags} stream {stream}: {} bytes", payload.len())?;
        write!(f, " {:02x?}", &payload[..payload.len().min(32)])
    }
}

impl Limits {
    fn take(&mut self, settings: &[(u16, u32)]) {
        for (id, value) in settings {
            match id {
                3 => self.streams = *value as usize,
                4 => self.window = i64::from(*value),
                5 => self.frame = *value as usize,
                _ => {}
            }
        }
    }
}
