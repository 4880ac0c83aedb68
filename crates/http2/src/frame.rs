//! Frames on the wire (RFC 9113, 4 and 6).

use std::ops::Range;

use bytes::{BufMut, BytesMut};

use crate::error::Reason;

/// Bytes of a frame header.
pub(crate) const HEAD: usize = 9;
/// The connection preface of every client.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The default and smallest value of SETTINGS_MAX_FRAME_SIZE.
pub(crate) const PAYLOAD: usize = 16 << 10;
/// The largest possible payload.
pub(crate) const LARGEST_PAYLOAD: usize = (1 << 24) - 1;
/// The initial size of flow-control windows.
pub(crate) const WINDOW: i64 = 65_535;
/// The largest window, and the highest stream.
pub(crate) const MOST: i64 = (1 << 31) - 1;

pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

pub(crate) mod flag {
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
    pub(crate) const PRIORITY: u8 = 32;
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the payload.
    pub(crate) len: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    /// Parses a frame header, if it is complete.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = bytes.first_chunk::<HEAD>()?;
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let stream = u32::from_be_bytes(*stream) & MOST as u32;
        Some(Self { len, kind: *kind, flags: *flags, stream })
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn bytes(self) -> [u8; HEAD] {
        let [_, a, b, c] = (self.len as u32).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }

    pub(crate) fn put(self, out: &mut BytesMut) {
        out.extend_from_slice(&self.bytes());
    }
}

/// Appends a frame whose payload is one number.
pub(crate) fn put_number(kind: u8, stream: u32, number: u32, out: &mut BytesMut) {
    Head { len: 4, kind, flags: 0, stream }.put(out);
    out.put_u32(number);
}

/// Reads a payload that is one number.
pub(crate) fn number(payload: &[u8]) -> Result<u32, Reason> {
    payload.try_into().map(u32::from_be_bytes).map_err(|_| Reason::FRAME_SIZE_ERROR)
}

/// The range of the content in a DATA or HEADERS payload, without padding and priority.
pub(crate) fn content(head: Head, payload: &[u8]) -> Result<Range<usize>, Reason> {
    let (mut start, mut end) = (0, payload.len());
    if head.has(flag::PADDED) {
        let padding = *payload.first().ok_or(Reason::FRAME_SIZE_ERROR)?;
        start = 1;
        end = end.checked_sub(padding.into()).ok_or(Reason::PROTOCOL_ERROR)?;
    }
    if head.kind == kind::HEADERS && head.has(flag::PRIORITY) {
        start += 5;
        if payload.len() < start {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
    }
    if start > end { Err(Reason::PROTOCOL_ERROR) } else { Ok(start..end) }
}
