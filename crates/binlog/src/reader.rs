//! Reads entries from a file, and says where and why it cannot go on.

mod error;

#[cfg(test)]
mod tests;

use std::io::{BufRead, BufReader, Read};

use bytes::Bytes;
use prost::Message;

pub use self::error::{Problem, ReadError};
use crate::pb::{
    GrpcLogEntry,
    grpc_log_entry::{EventType, Payload},
};

/// The most bytes in an entry. The length of each entry in four bytes therefore begins with a zero byte, and that tells
/// the framings apart: a length as a varint is zero for no entry.
pub const LARGEST_ENTRY: usize = (16 << 20) - 1;

/// The bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// How entries are told apart in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each entry follows its length in four bytes, the most significant first: grpc-go and teal.
    Fixed,
    /// Each entry follows its length as a varint: grpc-java.
    Varint,
}

/// An entry, and where it begins in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The bytes before it.
    pub offset: u64,
    /// The entry.
    pub entry: GrpcLogEntry,
}

/// Reads entries one after the other. Ends at the end of the file, or after the first error.
#[derive(Debug)]
pub struct Reader<R> {
    input: BufReader<R>,
    framing: Framing,
    offset: u64,
    first: Option<Located>,
    is_over: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the first entry, to see whether this is a binary log, and of which framing.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let mut input = BufReader::with_capacity(BUFFER, input);
        let fail = |problem| ReadError { offset: 0, problem };
        let framing = match input.fill_buf().map_err(|error| fail(Problem::Io(error)))?.first() {
            None => return Err(fail(Problem::Empty)),
            Some(0) => Framing::Fixed,
            Some(_) => Framing::Varint,
        };
        let mut reader = Self { input, framing, offset: 0, first: None, is_over: false };
        reader.first = match reader.read() {
            Ok(first) => first.filter(|first| is_first(&first.entry)),
            Err(error @ ReadError { problem: Problem::Io(_), .. }) => return Err(error),
            Err(_) => None,
        };
        if reader.first.is_none() { Err(fail(Problem::Foreign)) } else { Ok(reader) }
    }

    /// How entries are told apart in this file.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    fn read(&mut self) -> Result<Option<Located>, ReadError> {
        let offset = self.offset;
        let fail = |problem| ReadError { offset, problem };
        let Some(length) = self.length().map_err(fail)? else { return Ok(None) };
        if length == 0 || length > LARGEST_ENTRY as u64 {
            let why = format!("expected an entry of 1 to {LARGEST_ENTRY} bytes, found {length}");
            return Err(fail(Problem::Corrupt(why)));
        }
        // Grows as bytes come: a length alone allocates nothing.
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(length).read_to_end(&mut bytes);
        let read = read.map_err(|error| fail(Problem::Io(error)))? as u64;
        if read < length {
            return Err(fail(Problem::CutOff));
        }
        self.offset += read;
        let entry = GrpcLogEntry::decode(Bytes::from(bytes));
        let entry = entry.map_err(|error| fail(Problem::Corrupt(error.to_string())))?;
        Ok(Some(Located { offset, entry }))
    }

    /// The length of the next entry; `None` at the end of the file.
    fn length(&mut self) -> Result<Option<u64>, Problem> {
        let mut length = 0;
        for at in 0.. {
            let Some(byte) = self.byte()? else {
                return if at == 0 { Ok(None) } else { Err(Problem::CutOff) };
            };
            match self.framing {
                Framing::Fixed => length = length << 8 | u64::from(byte),
                Framing::Varint => length |= u64::from(byte & 0x7f) << (7 * at),
            }
            let is_whole = match self.framing {
                Framing::Fixed => at == 3,
                // Five bytes hold more than the largest entry needs.
                Framing::Varint => byte & 0x80 == 0 || at == 4,
            };
            if is_whole {
                break;
            }
        }
        Ok(Some(length))
    }

    fn byte(&mut self) -> Result<Option<u8>, Problem> {
        let mut byte = [0];
        match self.input.read_exact(&mut byte) {
            Ok(()) => {
                self.offset += 1;
                Ok(Some(byte[0]))
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(Problem::Io(error)),
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Located, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if self.is_over {
            return None;
        }
        let read = self.read().transpose();
        self.is_over = !matches!(read, Some(Ok(_)));
        read
    }
}

/// Whether an entry can be the first one of a log. Bytes of another format pass for a message now and then, but hardly
/// for one with a time, a type, and the payload of that type.
fn is_first(entry: &GrpcLogEntry) -> bool {
    let has_payload = matches!(
        (entry.r#type(), &entry.payload),
        (EventType::ClientHeader, Some(Payload::ClientHeader(_)))
            | (EventType::ServerHeader, Some(Payload::ServerHeader(_)))
            | (EventType::ClientMessage | EventType::ServerMessage, Some(Payload::Message(_)))
            | (EventType::ServerTrailer, Some(Payload::Trailer(_)))
            | (EventType::ClientHalfClose | EventType::Cancel, None)
    );
    has_payload && entry.timestamp.is_some() && entry.call_id > 0
}
