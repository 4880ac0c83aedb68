//! Inflates compressed messages, so that they can be read or appended to.

use std::io::Read;

use flate2::bufread::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue};

use crate::header::GRPC_ENCODING;

/// A message coding that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`
    Gzip,
    /// zlib's format, RFC 1950.
    Deflate,
}

impl Coding {
    /// Reads `grpc-encoding`: the coding of messages whose compressed flag is set. `None` if it is unknown.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes) {
            Some(b"gzip") => Some(Self::Gzip),
            Some(b"deflate") => Some(Self::Deflate),
            _ => None,
        }
    }

    /// Inflates a message. `None` if it is corrupt, longer than `limit` bytes, or followed by more data: clients
    /// disagree on how to read a second gzip member.
    pub fn inflate(self, message: &[u8], limit: usize) -> Option<Vec<u8>> {
        let mut inflated = Vec::new();
        // One more, to tell a message at the limit from a longer one.
        let limit_plus = limit as u64 + 1;
        let (read, behind) = match self {
            Self::Gzip => {
                let mut decoder = GzDecoder::new(message);
                ((&mut decoder).take(limit_plus).read_to_end(&mut inflated), decoder.into_inner())
            }
            Self::Deflate => {
                let mut decoder = ZlibDecoder::new(message);
                ((&mut decoder).take(limit_plus).read_to_end(&mut inflated), decoder.into_inner())
            }
        };
        (read.is_ok() && inflated.len() <= limit && behind.is_empty()).then_some(inflated)
    }
}
