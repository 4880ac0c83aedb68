//! Decodes header blocks (RFC 7541, 3 and 6).

use bytes::{Bytes, BytesMut};

use super::{
    DEFAULT_TABLE_SIZE, DecodeError, Field, huffman, integer,
    name::Name,
    paths::Paths,
    table::{Entry, Table},
};

/// The first byte of a literal `:path` without indexing.
const PATH: u8 = 0x04;

/// The size of the buffer that values of unindexed fields share, in bytes.
const SHARED: usize = 512;

/// The capacity of the string scratch buffer that is kept between blocks, in bytes.
const SCRATCH: usize = 4096;

/// The decoder of one connection. It must decode all blocks, in order.
///
/// Its table holds fields ready to return: an indexed field is a look-up, without parsing or copying.
#[derive(Debug)]
pub(crate) struct Decoder {
    table: Table,
    max_size: usize,
    texts: Texts,
    paths: Paths,
}

/// Scratch space for strings, and the shared buffer of values.
#[derive(Debug, Default)]
struct Texts {
    scratch: Vec<u8>,
    shared: BytesMut,
}

/// A decoded field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoded<'a> {
    pub(crate) field: &'a Field,
    /// The size in a header list: name, value and 32 bytes (RFC 9113, 6.5.2).
    pub(crate) size: usize,
    /// The field must never be indexed (RFC 7541, 7.1.3).
    pub(crate) is_never_indexed: bool,
}

/// How a literal field is indexed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indexing {
    Incremental,
    Without,
    Never,
}

impl Decoder {
    /// Creates a decoder. `max_size` is the SETTINGS_HEADER_TABLE_SIZE that we announced, in bytes.
    ///
    /// The table starts with at least 4096 bytes, which the peer may use until it has read our settings. The peer
    /// announces a smaller table itself (RFC 7541, 4.2).
    pub(crate) fn new(max_size: usize) -> Self {
        Self {
            table: Table::new(max_size.max(DEFAULT_TABLE_SIZE)),
            max_size,
            texts: Texts::default(),
            paths: Paths::default(),
        }
    }

    /// Decodes a complete block, and calls `take` with each field in order until it returns false.
    ///
    /// # Errors
    ///
    /// The block is invalid (COMPRESSION_ERROR), or `take` returned false. In both cases no further block can be
    /// decoded.
    pub(crate) fn decode(
        &mut self,
        mut block: &[u8],
        mut take: impl FnMut(Decoded<'_>) -> bool,
    ) -> Result<(), DecodeError> {
        let mut started = false;
        let mut take = |entry: &Entry, is_never_indexed| {
            let goes_on = take(Decoded { field: &entry.field, size: entry.size, is_never_indexed });
            if goes_on { Ok(()) } else { Err(DecodeError::Unwanted) }
        };
        while let Some((&first, rest)) = block.split_first() {
            block = rest;
            if first & 0x80 != 0 {
                let entry = self.table.get(integer::decode(first, 7, &mut block)?)?;
                take(entry, false)?;
            } else if first & 0xe0 == 0x20 {
                let size = integer::decode(first, 5, &mut block)?;
                self.resize(size, started)?;
                continue;
            } else if first == PATH {
                let literal = skip(&mut block)?;
                let hash = Paths::hash(literal);
                if let Some(entry) = self.paths.get(hash, literal) {
                    take(entry, false)?;
                } else {
                    let entry = self.literal(first, Indexing::Without, &mut &*literal)?;
                    take(&entry, false)?;
                    self.paths.seen(hash, literal, &entry);
                }
            } else {
                let indexing = match first >> 4 {
                    0 => Indexing::Without,
                    1 => Indexing::Never,
                    _ => Indexing::Incremental,
                };
                let entry = self.literal(first, indexing, &mut block)?;
                take(&entry, indexing == Indexing::Never)?;
                if indexing == Indexing::Incremental {
                    self.table.insert(entry);
                }
            }
            started = true;
        }
        if self.texts.scratch.capacity() > SCRATCH {
            self.texts.scratch = Vec::new();
        }
        Ok(())
    }

    /// Decodes a literal whose name index begins in `first` (RFC 7541, 6.2).
    fn literal(&mut self, first: u8, indexing: Indexing, block: &mut &[u8]) -> Result<Entry, DecodeError> {
        let prefix = if indexing == Indexing::Incremental { 6 } else { 4 };
        let (name, name_len) = match integer::decode(first, prefix, block)? {
            0 => {
                let name = string(block, &mut self.texts.scratch)?;
                (Name::parse(name), name.len())
            }
            index => {
                let entry = self.table.get(index)?;
                (entry.name(), entry.name_len)
            }
        };
        let Texts { scratch, shared } = &mut self.texts;
        let value = string(block, scratch)?;
        let mut entry = Entry::new(name, name_len, value, |value| match indexing {
            Indexing::Incremental => Bytes::copy_from_slice(value),
            Indexing::Without | Indexing::Never => share(value, shared),
        });
        if indexing == Indexing::Never
            && let Field::Header(_, value) = &mut entry.field
        {
            value.set_sensitive(true);
        }
        Ok(entry)
    }

    fn resize(&mut self, size: usize, started: bool) -> Result<(), DecodeError> {
        if started {
            return Err(DecodeError::LateSize);
        }
        if size > self.max_size {
            return Err(DecodeError::Size { size, max: self.max_size });
        }
        self.table.resize(size);
        Ok(())
    }

    /// The dynamic entries from the newest, and their size.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn dynamic(&self) -> (Vec<Field>, usize) {
        self.table.dynamic()
    }
}

/// Takes a string off `block` without decoding it.
fn skip<'b>(block: &mut &'b [u8]) -> Result<&'b [u8], DecodeError> {
    let (&first, mut rest) = block.split_first().ok_or(DecodeError::Truncated)?;
    let len = integer::decode(first, 7, &mut rest)?;
    let start = block.len() - rest.len();
    let (string, rest) = block.split_at_checked(start + len).ok_or(DecodeError::Truncated)?;
    *block = rest;
    Ok(string)
}

/// Takes a string off `block`, decoded into `scratch` if it is Huffman-coded (RFC 7541, 5.2).
fn string<'b: 's, 's>(block: &mut &'b [u8], scratch: &'s mut Vec<u8>) -> Result<&'s [u8], DecodeError> {
    let (&first, rest) = block.split_first().ok_or(DecodeError::Truncated)?;
    *block = rest;
    let len = integer::decode(first, 7, block)?;
    let (text, rest) = block.split_at_checked(len).ok_or(DecodeError::Truncated)?;
    *block = rest;
    if first & 0x80 == 0 { Ok(text) } else { huffman::decode(text, scratch) }
}

/// Copies `value` into a small buffer that the values of one connection share. The buffer is reused once they are all
/// dropped, so mostly neither this nor a clone allocates.
fn share(value: &[u8], shared: &mut BytesMut) -> Bytes {
    if value.len() > SHARED / 2 {
        return Bytes::copy_from_slice(value);
    }
    if shared.capacity() < value.len() {
        shared.reserve(SHARED);
    }
    shared.extend_from_slice(value);
    shared.split().freeze()
}
