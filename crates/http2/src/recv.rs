//! The receiving side: the effect of each frame on the connection and its streams (RFC 9113, 5 and 6).
//!
//! Connection errors are returned. Stream errors are sent to the peer as RST_STREAM.

mod control;
mod data;
mod headers;

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::{
    core::Core,
    error::{By, ConnectionError, Reason},
    frame::{kind, put_number},
    refusal::Refusal,
    stream::SMALL,
};

/// Header lists of at most this many bytes are not counted.
const SHORT_LIST: usize = 4 << 10;
/// When half of a window was read, the window grows to this many times its size.
const GROWTH: u32 = 4;

type Received = Result<(), ConnectionError>;

/// The content of a DATA frame.
pub(crate) enum Data<'a> {
    /// Short data, to be copied.
    Small(&'a [u8]),
    Large(Bytes),
}

impl Data<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Small(data) => data.len(),
            Self::Large(data) => data.len(),
        }
    }

    /// Returns whether data of this length should be copied.
    pub(crate) fn is_small(len: usize) -> bool {
        len < SMALL
    }
}

impl Core {
    /// Resets a stream before it begins.
    fn refuse(&mut self, id: u32, reason: Reason) {
        self.resets.push(id, self.recv_initial);
        put_number(kind::RST_STREAM, id, reason.into(), self.out.buffer());
    }

    /// Counts a stream error of the peer. Too many of them end the connection.
    fn count_stream_error(&mut self) -> Received {
        self.stream_errors += 1;
        let is_over = self.is_server && self.stream_errors > self.ours.limits.stream_errors;
        if is_over { Err(Refusal::StreamErrors.into()) } else { Ok(()) }
    }

    /// Resets a stream because of an error of the peer.
    fn reset_for(&mut self, key: usize, reason: Reason) -> Received {
        self.reset(key, reason, By::Library);
        self.count_stream_error()
    }

    /// Fails if the stream was never opened. Frames for a closed stream are merely late.
    fn not_idle(&self, id: u32) -> Received {
        let is_clients = !id.is_multiple_of(2);
        if is_clients && id <= self.last { Ok(()) } else { Err(Reason::PROTOCOL_ERROR.into()) }
    }
}

/// Returns whether a response is interim. (HTTP/2 has no 101.)
fn is_interim(response: &Response<()>) -> bool {
    response.status().is_informational() && response.status() != StatusCode::SWITCHING_PROTOCOLS
}

/// Returns whether a response has no body, whatever its `content-length`.
fn is_bodiless(response: &Response<()>) -> bool {
    matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
