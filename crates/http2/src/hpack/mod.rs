//! Header compression (RFC 7541): the [`Decoder`] of what a peer sends, the [`Encoder`] of what we send.
//! Both keep their tables ready for the case that counts, a field that was on this connection before.

mod decoder;
mod encoder;
mod huffman;
mod integer;
mod name;
mod paths;
mod ring;
mod static_table;
mod table;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};

pub(crate) use self::{
    decoder::{Decoded, Decoder},
    encoder::Encoder,
};

/// SETTINGS_HEADER_TABLE_SIZE until a peer says otherwise, in bytes (RFC 9113, 6.5.2).
pub(crate) const DEFAULT_TABLE_SIZE: usize = 4096;

/// What a field counts beyond its name and value, in bytes (RFC 7541, 4.1).
const OVERHEAD: usize = 32;

/// One field of a header list, as HTTP/2 has them (RFC 9113, 8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// `:authority`, free of control characters.
    Authority(Bytes),
    /// `:method`.
    Method(Method),
    /// `:scheme`, free of control characters.
    Scheme(Bytes),
    /// `:path`, free of control characters.
    Path(Bytes),
    /// `:status`, of three digits.
    Status(StatusCode),
    /// A header or trailer; the value is sensitive if the peer asked that it never be indexed.
    Header(HeaderName, HeaderValue),
    /// A name or a value that HTTP/2 forbids (RFC 9113, 8.2.1 and 8.3): capitals, control characters, an
    /// unknown pseudo-header, a method or status that is none. The message is malformed, the block is not.
    Malformed,
}

/// Why a block cannot be decoded: each is a COMPRESSION_ERROR of the connection (RFC 7541, 2.3.3 to 6.3),
/// as the table is no longer the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The block ends inside a field.
    #[error("expected the rest of a field, found the end of the block")]
    Truncated,
    /// An integer above 32 bits, or of more than five bytes after its prefix (RFC 7541, 5.1).
    #[error("expected an integer of at most 32 bits, found a longer one")]
    Integer,
    /// An index of no entry, 0 among them (RFC 7541, 2.3.3 and 6.1).
    #[error("expected an index between 1 and {last}, found {index}")]
    Index {
        /// What the block has.
        index: usize,
        /// The oldest entry's.
        last: usize,
    },
    /// A string that ends in more than seven bits of padding, in others than ones, or that holds EOS
    /// (RFC 7541, 5.2).
    #[error("expected a Huffman-coded string, found invalid padding or EOS")]
    Huffman,
    /// A size update above what we announced (RFC 7541, 6.3).
    #[error("expected a table of at most {max} bytes, found an update to {size}")]
    Size {
        /// What the block has, in bytes.
        size: usize,
        /// What we announced, in bytes.
        max: usize,
    },
    /// A size update behind the first field of a block (RFC 7541, 4.2).
    #[error("expected a field, found a size update behind the first one")]
    LateSize,
    /// More fields than whoever takes them wants.
    #[error("expected fewer fields")]
    Unwanted,
}
