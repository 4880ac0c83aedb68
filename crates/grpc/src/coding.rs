//! Inflates compressed messages, so that they can be read or appended to.

use std::io::{self, ErrorKind, Read};

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
        headers.get(GRPC_ENCODING).and_then(Self::named)
    }

    /// The coding of this name. `None` if it is unknown.
    pub fn named(name: &HeaderValue) -> Option<Self> {
        match name.as_bytes() {
            b"gzip" => Some(Self::Gzip),
            b"deflate" => Some(Self::Deflate),
            _ => None,
        }
    }

    /// Inflates a message. `None` if it is corrupt, longer than `limit` bytes, or followed by more data: clients
    /// disagree on how to read a second gzip member.
    pub fn inflate(self, message: &[u8], limit: usize) -> Option<Vec<u8>> {
        let mut inflated = Vec::new();
        let (read, behind) = self.read(message, limit, &mut inflated);
        (read.is_ok() && inflated.len() <= limit && behind.is_empty()).then_some(inflated)
    }

    /// Inflates the first `limit` bytes of a message whose end may be missing, and tells whether they are all of it. `None` if
    /// it is corrupt, or followed by more data.
    pub fn inflate_start(self, message: &[u8], is_cut: bool, limit: usize) -> Option<(Vec<u8>, bool)> {
        let mut inflated = Vec::new();
        let (read, behind) = self.read(message, limit, &mut inflated);
        match read {
            Ok(_) if inflated.len() > limit => {}
            Ok(_) if behind.is_empty() => return Some((inflated, true)),
            Err(error) if is_cut && error.kind() == ErrorKind::UnexpectedEof => {}
            Ok(_) | Err(_) => return None,
        }
        inflated.truncate(limit);
        Some((inflated, false))
    }

    /// Inflates up to one byte more than `limit`, to tell a message at the limit from a longer one. Returns what is behind the
    /// message too.
    fn read<'a>(self, message: &'a [u8], limit: usize, to: &mut Vec<u8>) -> (io::Result<usize>, &'a [u8]) {
        let limit = limit as u64 + 1;
        match self {
            Self::Gzip => {
                let mut decoder = GzDecoder::new(message);
                ((&mut decoder).take(limit).read_to_end(to), decoder.into_inner())
            }
            Self::Deflate => {
                let mut decoder = ZlibDecoder::new(message);
                ((&mut decoder).take(limit).read_to_end(to), decoder.into_inner())
            }
        }
    }
}
