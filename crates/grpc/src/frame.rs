//! The gRPC length prefix, appending a protobuf field, reading one string field. Pure functions on bytes, no I/O.

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of the prefix of a gRPC message.
pub const PREFIX_LEN: usize = 5;

/// The prefix of a gRPC message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// 0: not compressed; 1: compressed; other values are invalid.
    pub flag: u8,
    /// The length of the message in bytes.
    pub len: u32,
}

impl Prefix {
    /// Reads the prefix; `None` if bytes are missing.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [flag, a, b, c, d] = *bytes.first_chunk()?;
        Some(Self { flag, len: u32::from_be_bytes([a, b, c, d]) })
    }

    /// Appends the prefix to `to`.
    pub fn write(self, to: &mut impl BufMut) {
        to.put_u8(self.flag);
        to.put_u32(self.len);
    }
}

/// Encodes a string field. Appended to a message, it overrides an earlier field of that number.
pub fn string_field(number: u32, value: &str) -> Bytes {
    let mut field = BytesMut::new();
    prost::encoding::string::encode(number, &value.to_owned(), &mut field);
    field.freeze()
}

/// The bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a protobuf message")]
pub struct Malformed;

/// Reads the last value of a string field, if the message has it. If the message is cut short, only the part before the
/// cut counts.
pub fn read_string(message: &[u8], number: u32) -> Result<Option<&str>, Malformed> {
    let mut rest = message;
    let mut found = None;
    while !rest.is_empty() {
        let Some((tag, after)) = varint(rest)? else { break };
        let (field, wire) = (tag >> 3, tag & 7);
        let value_len = match wire {
            0 => varint(after)?.map(|(_, end)| (after, after.len() - end.len())),
            1 => Some((after, 8)),
            2 => match varint(after)? {
                Some((len, value)) => Some((value, usize::try_from(len).map_err(|_| Malformed)?)),
                None => None,
            },
            5 => Some((after, 4)),
            _ => return Err(Malformed),
        };
        let Some((value, len)) = value_len else { break };
        let Some((value, after)) = value.split_at_checked(len) else { break };
        if field == u64::from(number) && wire == 2 {
            found = Some(std::str::from_utf8(value).map_err(|_| Malformed)?);
        }
        rest = after;
    }
    Ok(found)
}

/// Splits off a varint; `None` if bytes are missing.
fn varint(bytes: &[u8]) -> Result<Option<(u64, &[u8])>, Malformed> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, &bytes[at + 1..])));
        }
    }
    if bytes.len() >= 10 { Err(Malformed) } else { Ok(None) }
}

/// Chunks of at most this many bytes are copied, not moved.
const SHORT: usize = 4096;

/// Appends a field to the first message of a stream of chunks, whatever the chunks' boundaries.
#[derive(Debug)]
pub struct Appender {
    field: Bytes,
    /// The bytes of an incomplete prefix.
    held: BytesMut,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the end of the prefix.
    Prefix,
    /// Inside the message; this many bytes are missing.
    Message(usize),
    /// After the message, or at a message that nothing can be appended to.
    Behind,
}

impl Appender {
    /// Creates an appender for an encoded field.
    pub fn new(field: Bytes) -> Self {
        Self { field, held: BytesMut::new(), at: At::Prefix }
    }

    /// Takes a chunk and returns the bytes to send; empty if it needs more.
    pub fn push(&mut self, chunk: Bytes) -> Bytes {
        match self.at {
            At::Behind => chunk,
            At::Message(left) if chunk.len() < left => {
                self.at = At::Message(left - chunk.len());
                chunk
            }
            At::Message(left) => {
                self.at = At::Behind;
                self.insert(mutable(chunk), left)
            }
            At::Prefix => self.push_prefix(chunk),
        }
    }

    /// Returns the bytes held back, once the stream has ended.
    pub fn finish(&mut self) -> Bytes {
        self.at = At::Behind;
        self.held.split().freeze()
    }

    fn push_prefix(&mut self, chunk: Bytes) -> Bytes {
        if self.held.is_empty()
            && let Some(appended) = self.append_to_whole(&chunk)
        {
            self.at = At::Behind;
            return appended;
        }
        let mut bytes = if self.held.is_empty() && chunk.len() >= PREFIX_LEN {
            mutable(chunk)
        } else {
            self.held.extend_from_slice(&chunk);
            if self.held.len() < PREFIX_LEN {
                return Bytes::new();
            }
            self.held.split()
        };
        let prefix = Prefix::read(&bytes).expect("the prefix is all there");
        let grown = u32::try_from(self.field.len()).ok().and_then(|more| prefix.len.checked_add(more));
        let (0, Some(len)) = (prefix.flag, grown) else {
            self.at = At::Behind;
            return bytes.freeze();
        };
        Prefix { len, ..prefix }.write(&mut &mut bytes[..PREFIX_LEN]);
        let end = PREFIX_LEN + prefix.len as usize;
        match end.checked_sub(bytes.len()) {
            Some(left) if left > 0 => {
                self.at = At::Message(left);
                bytes.freeze()
            }
            _ => {
                self.at = At::Behind;
                self.insert(bytes, end)
            }
        }
    }

    /// Appends the field to a short, complete message in one new buffer, which is cheaper than growing the old one.
    fn append_to_whole(&self, chunk: &[u8]) -> Option<Bytes> {
        let prefix = Prefix::read(chunk).filter(|prefix| prefix.flag == 0 && chunk.len() <= SHORT)?;
        let (message, behind) = chunk[PREFIX_LEN..].split_at_checked(prefix.len as usize)?;
        let len = u32::try_from(message.len() + self.field.len()).ok()?;
        let mut appended = BytesMut::with_capacity(chunk.len() + self.field.len());
        Prefix { len, ..prefix }.write(&mut appended);
        appended.put_slice(message);
        appended.put_slice(&self.field);
        appended.put_slice(behind);
        Some(appended.freeze())
    }

    fn insert(&self, mut bytes: BytesMut, at: usize) -> Bytes {
        let behind = bytes.split_off(at);
        bytes.reserve(self.field.len() + behind.len());
        bytes.put_slice(&self.field);
        bytes.put_slice(&behind);
        bytes.freeze()
    }
}

/// Makes the bytes writable. Copies only if the buffer is shared.
fn mutable(chunk: Bytes) -> BytesMut {
    chunk.try_into_mut().unwrap_or_else(|chunk| BytesMut::from(&chunk[..]))
}

#[cfg(test)]
mod tests;
