//! What the two sides say of themselves (RFC 9113, 6.5), and what this side bears.

use std::time::Duration;

use bytes::{BufMut, BytesMut};

use crate::{
    error::{ConnectionError, Reason},
    frame::{Head, LARGEST_PAYLOAD, MOST, PAYLOAD, WINDOW, flag, kind, put_number},
    rate::Rate,
    refusal::Refusal,
};

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// What this side allows its peer. A value out of range counts as the nearest in it.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Streams that a client may have open. Has no meaning for a client's own connection.
    pub max_concurrent_streams: u32,
    /// Bytes of data that may be unread in each stream at first: 65 535 to 2^31-1.
    pub initial_stream_window: u32,
    /// Bytes up to which a stream's window grows while it is read.
    pub stream_window: u32,
    /// Bytes of data that may be unread in all streams: 65 535 to 2^31-1.
    pub connection_window: u32,
    /// Bytes of one frame's payload: 16 384 to 2^24-1.
    pub max_frame_size: u32,
    /// Bytes of one header list: names, values, and 32 for each field, as SETTINGS_MAX_HEADER_LIST_SIZE counts
    /// them, but no field counts less than 64. A longer list is answered with 431 by a server, and fails the call of a
    /// client; one of more than four times as much ends the connection.
    pub max_header_list_size: u32,
    /// Whether a value may begin or end with a blank. RFC 9113, 8.2.1, forbids that; but gRPC's libraries send
    /// metadata and messages as they are, and take them.
    pub allows_blanks: bool,
    /// What a peer may do beside its calls.
    pub limits: Limits,
}

/// How much a peer may ask of this side for little of its own. Beyond a limit the connection ends with
/// ENHANCE_YOUR_CALM, but where it says otherwise. The crate's README has the reasons.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Frames that are worked on before other connections have their turn. Each 128 bytes of a header block count as one.
    pub frames_per_turn: u32,
    /// SETTINGS frames.
    pub settings: Rate,
    /// Entries of one SETTINGS frame.
    pub settings_entries: usize,
    /// PING frames. Each DATA frame that was received or sent allows one more.
    pub pings: Rate,
    /// PRIORITY frames, and those of unknown kinds. Each HEADERS frame allows two more.
    pub ignored_frames: Rate,
    /// DATA frames without data that do not end their stream.
    pub empty_data: Rate,
    /// WINDOW_UPDATE frames. Each DATA frame that was sent allows eight more.
    pub window_updates: Rate,
    /// Streams that a client opens and resets within [`Limits::reset_within`], without an answer. Beyond the rate
    /// nothing is read until there is room; the connection ends if it never runs dry for [`Limits::slowed_for`].
    pub resets: Rate,
    /// How old a stream may be to count as reset at once.
    pub reset_within: Duration,
    /// How long a client may be over the rate of resets without a pause.
    pub slowed_for: Duration,
    /// Streams that a server resets for what the client did, in the connection's life.
    pub stream_errors: u32,
    /// CONTINUATION frames beyond those that a block's bytes need.
    pub continuations: usize,
    /// Bytes of frames other than data that may wait for the peer to read. With more, nothing is read from it.
    pub output: usize,
    /// How long a connection that is over may take to write what is left, and for its peer to close it.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frames_per_turn: 128,
            settings: Rate::new(100, 10),
            settings_entries: 32,
            pings: Rate::new(1000, 100),
            ignored_frames: Rate::new(1000, 100),
            empty_data: Rate::new(1000, 100),
            window_updates: Rate::new(10_000, 1000),
            resets: Rate::new(1000, 200),
            reset_within: Duration::from_secs(1),
            slowed_for: Duration::from_secs(30),
            stream_errors: 1024,
            continuations: 8,
            output: 256 << 10,
            shutdown: Duration::from_secs(30),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 256,
            initial_stream_window: WINDOW as u32,
            stream_window: 1 << 20,
            connection_window: 16 << 20,
            max_frame_size: PAYLOAD as u32,
            max_header_list_size: 64 << 10,
            allows_blanks: false,
            limits: Limits::default(),
        }
    }
}

impl Settings {
    /// With each value in its range.
    pub(crate) fn in_range(mut self) -> Self {
        let window = WINDOW as u32..=MOST as u32;
        let clamp = |value: u32| value.clamp(*window.start(), *window.end());
        self.initial_stream_window = clamp(self.initial_stream_window);
        self.stream_window = clamp(self.stream_window).max(self.initial_stream_window);
        self.connection_window = clamp(self.connection_window);
        self.max_frame_size = self.max_frame_size.clamp(PAYLOAD as u32, LARGEST_PAYLOAD as u32);
        self.limits.frames_per_turn = self.limits.frames_per_turn.max(1);
        self
    }

    /// Says them, as the first frames of a connection.
    pub(crate) fn put(&self, is_server: bool, out: &mut BytesMut) {
        let streams =
            if is_server { (MAX_CONCURRENT_STREAMS, self.max_concurrent_streams) } else { (ENABLE_PUSH, 0) };
        let all = [
            streams,
            (INITIAL_WINDOW_SIZE, self.initial_stream_window),
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
    /// The smallest and the last size that a frame named (RFC 7541, 4.2).
    pub(crate) header_table: Option<[usize; 2]>,
    pub(crate) streams: usize,
    pub(crate) window: i64,
    pub(crate) payload: usize,
    /// Bytes of one header list.
    pub(crate) header_list: usize,
}

impl Default for Allowed {
    fn default() -> Self {
        Self {
            header_table: None,
            streams: usize::MAX,
            window: WINDOW,
            payload: PAYLOAD,
            header_list: usize::MAX,
        }
    }
}

impl Allowed {
    /// Takes over what a SETTINGS frame says.
    pub(crate) fn update(
        &mut self,
        head: Head,
        payload: &[u8],
        is_server: bool,
        most: usize,
    ) -> Result<(), ConnectionError> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() || (head.has(flag::ACK) && !payload.is_empty()) {
            return Err(Reason::FRAME_SIZE_ERROR.into());
        }
        if settings.len() > most {
            return Err(Refusal::SettingsEntries.into());
        }
        for [a, b, value @ ..] in settings {
            let value = u32::from_be_bytes(*value);
            match u16::from_be_bytes([*a, *b]) {
                HEADER_TABLE_SIZE => {
                    let size = value as usize;
                    let smallest = self.header_table.map_or(size, |[smallest, _]| smallest.min(size));
                    self.header_table = Some([smallest, size]);
                }
                // A server must not say 1.
                ENABLE_PUSH if value > u32::from(is_server) => return Err(Reason::PROTOCOL_ERROR.into()),
                MAX_CONCURRENT_STREAMS => self.streams = value as usize,
                INITIAL_WINDOW_SIZE if i64::from(value) > MOST => {
                    return Err(Reason::FLOW_CONTROL_ERROR.into());
                }
                INITIAL_WINDOW_SIZE => self.window = value.into(),
                MAX_FRAME_SIZE if !(PAYLOAD..=LARGEST_PAYLOAD).contains(&(value as usize)) => {
                    return Err(Reason::PROTOCOL_ERROR.into());
                }
                MAX_FRAME_SIZE => self.payload = value as usize,
                MAX_HEADER_LIST_SIZE => self.header_list = value as usize,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_count_as_the_nearest() {
        let odd = Settings {
            initial_stream_window: 1,
            stream_window: 0,
            connection_window: u32::MAX,
            max_frame_size: 7,
            ..Settings::default()
        };
        let odd = odd.in_range();
        assert_eq!(i64::from(odd.initial_stream_window), WINDOW);
        assert_eq!(i64::from(odd.stream_window), WINDOW);
        assert_eq!(i64::from(odd.connection_window), MOST);
        assert_eq!(odd.max_frame_size as usize, PAYLOAD);
    }

    #[test]
    fn the_smallest_table_size_is_kept() {
        let mut allowed = Allowed::default();
        let payload: Vec<u8> =
            [4096_u32, 0, 2048].iter().flat_map(|size| [&[0, 1][..], &size.to_be_bytes()].concat()).collect();
        let head = Head { len: payload.len(), kind: kind::SETTINGS, flags: 0, stream: 0 };
        allowed.update(head, &payload, true, 32).unwrap();
        assert_eq!(allowed.header_table, Some([0, 2048]));
    }
}
