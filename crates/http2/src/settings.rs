//! The settings of both sides (RFC 9113, 6.5), and the limits of this side.

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

/// The settings of this side. A value out of range is clamped.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The most streams that a client may have open. Ignored on a client's own connection.
    pub max_concurrent_streams: u32,
    /// The initial flow-control window of each stream, in bytes: 65 535 to 2^31-1.
    pub initial_stream_window: u32,
    /// The size up to which a stream's window grows while it is read, in bytes.
    pub stream_window: u32,
    /// The flow-control window of the connection, in bytes: 65 535 to 2^31-1.
    pub connection_window: u32,
    /// The largest payload of a frame, in bytes: 16 384 to 2^24-1.
    pub max_frame_size: u32,
    /// The longest header list, in bytes: names, values, and 32 for each field, as SETTINGS_MAX_HEADER_LIST_SIZE
    /// counts them, except that each field counts at least 64. A server responds to a longer list with 431; a client
    /// fails the call. A list of more than four times the limit ends the connection.
    pub max_header_list_size: u32,
    /// Whether a value may begin or end with a blank. RFC 9113, 8.2.1, forbids it, but gRPC libraries send and accept
    /// such metadata and messages.
    pub allows_blanks: bool,
    /// Limits on what a peer may do beside its calls.
    pub limits: Limits,
}

/// Limits on what costs this side more than the peer. Beyond a limit the connection ends with ENHANCE_YOUR_CALM,
/// unless stated otherwise. The README of the crate has the reasons.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Frames handled per turn, before other connections are served. Each 128 bytes of a header block count as one, or
    /// each 256 bytes of its list above 1 KiB.
    pub frames_per_turn: u32,
    /// SETTINGS frames.
    pub settings: Rate,
    /// Entries of one SETTINGS frame.
    pub settings_entries: usize,
    /// PING frames. Each DATA frame that was received or sent allows one more.
    pub pings: Rate,
    /// PRIORITY frames and frames of unknown types. Each HEADERS frame allows two more.
    pub ignored_frames: Rate,
    /// Empty DATA frames without END_STREAM.
    pub empty_data: Rate,
    /// WINDOW_UPDATE frames. Each DATA frame that was sent allows eight more.
    pub window_updates: Rate,
    /// Streams that a client opens and resets within [`Limits::reset_within`], before a response. Beyond the rate,
    /// reading pauses until there is room. The connection ends if that goes on for [`Limits::slowed_for`].
    pub resets: Rate,
    /// The greatest age at which a reset stream counts.
    pub reset_within: Duration,
    /// How long a client may exceed the rate of resets without a pause.
    pub slowed_for: Duration,
    /// Streams that a server resets because of the client's errors, over the life of a connection.
    pub stream_errors: u32,
    /// CONTINUATION frames beyond those that the block's size needs.
    pub continuations: usize,
    /// Bytes of frames other than DATA that may wait for the peer to read. Beyond that, nothing is read from the
    /// peer.
    pub output: usize,
    /// The shutdown timeout: writing the remaining output, and waiting for the peer to close.
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
    /// Clamps each value to its range.
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

    /// Encodes the settings as the first frames of a connection.
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

/// The peer's settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// The smallest and the last size that a frame named (RFC 7541, 4.2).
    pub(crate) header_table: Option<[usize; 2]>,
    pub(crate) streams: usize,
    pub(crate) window: i64,
    pub(crate) payload: usize,
    /// The longest header list, in bytes.
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
    /// Applies a SETTINGS frame.
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
