//! Compressed messages, inflated aside to be read or appended to.

use std::io::Read;

use flate2::bufread::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue};

use crate::header::GRPC_ENCODING;

/// A coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`
    Gzip,
    /// zlib's format, RFC 1950.
    Deflate,
}

impl Coding {
    /// The coding of the messages behind these headers whose flag is set.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes) {
            Some(b"gzip") => Some(Self::Gzip),
            Some(b"deflate") => Some(Self::Deflate),
            _ => None,
        }
    }

    /// The message, if it can be read and isn't longer than `limit` bytes. Of what has more behind it (a second
    /// member of gzip, for one) some clients read one part and some all: that is for each to judge.
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
