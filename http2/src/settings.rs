//! What the two sides say of themselves (RFC 9113, 6.5).

use bytes::{BufMut, BytesMut};

use crate::{
    error::Reason,
    frame::{Head, LARGEST_PAYLOAD, MOST, PAYLOAD, WINDOW, flag, kind, put_number},
};

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// What this side allows its peer.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Streams that a client may have open. Has no meaning for a client's own connection.
    pub max_concurrent_streams: u32,
    /// Bytes of data that may be unread in each stream: 65 535 to 2^31-1.
    pub stream_window: u32,
    /// Bytes of data that may be unread in all streams: 65 535 to 2^31-1.
    pub connection_window: u32,
    /// Bytes of one frame's payload: 16 384 to 2^24-1.
    pub max_frame_size: u32,
    /// Bytes of one header list: names, values, and 32 for each field. A longer one is answered with 431
    /// by a server, and fails the call of a client.
    pub max_header_list_size: u32,
    /// Streams that a client may open and reset before they are accepted, until all others are. More end its
    /// connection.
    pub max_early_resets: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 256,
            stream_window: 1 << 20,
            connection_window: 16 << 20,
            max_frame_size: PAYLOAD as u32,
            max_header_list_size: 64 << 10,
            max_early_resets: 256,
        }
    }
}

impl Settings {
    /// Says them, as the first frames of a connection.
    pub(crate) fn put(&self, is_server: bool, out: &mut BytesMut) {
        let streams =
            if is_server { (MAX_CONCURRENT_STREAMS, self.max_concurrent_streams) } else { (ENABLE_PUSH, 0) };
        let all = [
            streams,
            (INITIAL_WINDOW_SIZE, self.stream_window),
            (MAX_FRAME_SIZE, self.max_frame_size),
            (MAX_HEADER_LIST_SIZE, self.max_header_list_size),
        ];
        Head { len: all.len() * 6, kind: kind::SETTINGS, flags: 0, stream: 0 }.put(out);
        for (id, value) in all {
            out.put_u16(id);
            out.put_u32(value);
        }
        let more = self.connection_window.saturating_sub(WINDOW as u32);
        if more > 0 {
            put_number(kind::WINDOW_UPDATE, 0, more, out);
        }
    }
}

/// What the peer allows this side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    pub(crate) header_table: Option<usize>,
    pub(crate) streams: usize,
    pub(crate) window: i64,
    pub(crate) payload: usize,
    pub(crate) header_list: Option<usize>,
}

impl Default for Allowed {
    fn default() -> Self {
        Self { header_table: None, streams: usize::MAX, window: WINDOW, payload: PAYLOAD, header_list: None }
    }
}

impl Allowed {
    /// Takes over what a SETTINGS frame says.
    pub(crate) fn update(&mut self, head: Head, payload: &[u8], is_server: bool) -> Result<(), Reason> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() || (head.has(flag::ACK) && !payload.is_empty()) {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        for [a, b, value @ ..] in settings {
            let value = u32::from_be_bytes(*value);
            match u16::from_be_bytes([*a, *b]) {
                HEADER_TABLE_SIZE => self.header_table = Some(value as usize),
                // A server must not say 1.
                ENABLE_PUSH if value > u32::from(is_server) => return Err(Reason::PROTOCOL_ERROR),
                MAX_CONCURRENT_STREAMS => self.streams = value as usize,
                INITIAL_WINDOW_SIZE if i64::from(value) > MOST => return Err(Reason::FLOW_CONTROL_ERROR),
                INITIAL_WINDOW_SIZE => self.window = value.into(),
                MAX_FRAME_SIZE if !(PAYLOAD..=LARGEST_PAYLOAD).contains(&(value as usize)) => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                MAX_FRAME_SIZE => self.payload = value as usize,
                MAX_HEADER_LIST_SIZE => self.header_list = Some(value as usize),
                _ => {}
            }
        }
        Ok(())
    }
}
