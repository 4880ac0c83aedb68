//! Header compression (RFC 7541): the [`Decoder`] for received blocks, and the [`Encoder`] for sent blocks. Both are
//! optimised for fields that repeat on a connection.

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

/// The default SETTINGS_HEADER_TABLE_SIZE, in bytes (RFC 9113, 6.5.2).
pub(crate) const DEFAULT_TABLE_SIZE: usize = 4096;

/// The overhead of a field beyond its name and value, in bytes (RFC 7541, 4.1).
const OVERHEAD: usize = 32;

/// One field of a header list (RFC 9113, 8.3).
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
    /// A header or trailer. The value is sensitive if it must never be indexed.
    Header(HeaderName, HeaderValue),
    /// A name or a value that HTTP/2 forbids (RFC 9113, 8.2.1 and 8.3): upper case, control characters, an unknown
    /// pseudo-header, an invalid method or status. The message is malformed; the block is valid.
    Malformed,
}

/// Why a block cannot be decoded. Each is a COMPRESSION_ERROR of the connection (RFC 7541, 2.3.3 to 6.3), because the
/// tables no longer match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The block ends inside a field.
    #[error("expected the rest of a field, found the end of the block")]
    Truncated,
    /// An integer above 32 bits, or of more than five bytes after its prefix (RFC 7541, 5.1).
    #[error("expected an integer of at most 32 bits, found a longer one")]
    Integer,
    /// An index without an entry, such as 0 (RFC 7541, 2.3.3 and 6.1).
    #[error("expected an index between 1 and {last}, found {index}")]
    Index {
        /// The index in the block.
        index: usize,
        /// The index of the oldest entry.
        last: usize,
    },
    /// A string with more than seven bits of padding, with padding other than ones, or with EOS (RFC 7541, 5.2).
    #[error("expected a Huffman-coded string, found invalid padding or EOS")]
    Huffman,
    /// A size update above what we announced (RFC 7541, 6.3).
    #[error("expected a table of at most {max} bytes, found an update to {size}")]
    Size {
        /// The size in the block, in bytes.
        size: usize,
        /// The size we announced, in bytes.
        max: usize,
    },
    /// A size update after the first field of a block (RFC 7541, 4.2).
    #[error("expected a field, found a size update behind the first one")]
    LateSize,
    /// The caller accepts no more fields.
    #[error("expected fewer fields")]
    Unwanted,
}
