//! Frames and header blocks in bytes, and the possible outcomes of a stream.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITIZED: u8 = 0x20;
/// END_STREAM | END_HEADERS
pub(super) const WHOLE: u8 = 5;

pub(super) const NO_ERROR: u32 = 0;
pub(super) const PROTOCOL_ERROR: u32 = 1;
pub(super) const FLOW_CONTROL_ERROR: u32 = 3;
pub(super) const STREAM_CLOSED: u32 = 5;
pub(super) const FRAME_SIZE_ERROR: u32 = 6;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;
pub(super) const COMPRESSION_ERROR: u32 = 9;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

pub(super) const HEADER_TABLE_SIZE: u16 = 1;
pub(super) const ENABLE_PUSH: u16 = 2;
pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(super) const MAX_FRAME_SIZE: u16 = 5;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    pub(super) fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("a word has four bytes"))
    }

    /// The code of a RST_STREAM or a GOAWAY.
    pub(super) fn code(&self) -> u32 {
        self.word(if self.kind == GOAWAY { 4 } else { 0 })
    }

    /// The last stream of a GOAWAY.
    pub(super) fn last(&self) -> u32 {
        assert_eq!(self.kind, GOAWAY, "{self:?}");
        self.word(0)
    }

    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// The outcome of a connection and a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Goes,
    Reset(u32),
    /// The connection ended, with the code of the GOAWAY.
    Ended(Option<u32>),
}

/// The allowed outcomes of a connection and a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expect {
    Goes,
    /// A RST_STREAM with one of these codes.
    Reset(&'static [u32]),
    /// A GOAWAY with one of these codes, and the end of the connection.
    End(&'static [u32]),
    /// Either of them.
    Error(&'static [u32]),
    /// A RST_STREAM with one of these codes, or nothing.
    Any(&'static [u32]),
}

impl Expect {
    pub(super) fn meets(self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Self::Goes | Self::Any(_), Verdict::Goes) => true,
            (Self::Reset(codes) | Self::Error(codes) | Self::Any(codes), Verdict::Reset(code))
            | (Self::End(codes) | Self::Error(codes), Verdict::Ended(Some(code))) => codes.contains(code),
            _ => false,
        }
    }
}

/// The bytes of frames of DATA without padding.
pub(super) fn bytes(frames: &[Frame]) -> Vec<u8> {
    let data = frames.iter().filter(|frame| frame.kind == DATA);
    data.flat_map(|frame| {
        assert_eq!(frame.flags & PADDED, 0);
        frame.payload.iter().copied()
    })
    .collect()
}

/// A frame in bytes.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(super) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}

pub(super) fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

pub(super) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RESET, 0, stream, &code.to_be_bytes())
}

pub(super) fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// Headers as a block of literals.
pub(super) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    headers.iter().flat_map(|header| literal(0, header)).collect()
}

/// A header as a literal: 0 without and 0x40 with an entry in the table.
pub(super) fn literal(kind: u8, (name, value): &(&str, &str)) -> Vec<u8> {
    let mut block = vec![kind];
    for text in [name, value] {
        let mut len = text.len();
        if len < 127 {
            block.push(len as u8);
        } else {
            block.push(127);
            len -= 127;
            while len >= 128 {
                block.push(len as u8 | 128);
                len >>= 7;
            }
            block.push(len as u8);
        }
        block.extend(text.as_bytes());
    }
    block
}

/// The headers of a call, with additional ones.
pub(super) fn post(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "side.test")];
    block(&[&usual, more].concat())
}
