//! Puts gRPC messages together from the chunks of a body.

use binlog::{Buffer, Writer};
use grpc::{PREFIX_LEN, Prefix};

/// The most bytes of a message that are recorded.
pub(super) const MOST: usize = 8 << 20;

/// A message, as far as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) prefix: Prefix,
    /// Its first bytes.
    pub(super) data: &'a [u8],
}

impl Message<'_> {
    pub(super) fn is_truncated(&self) -> bool {
        self.data.len() < self.prefix.len as usize
    }
}

/// There is no room for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// The part of a message that has come.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The prefix, as far as it has come.
    prefix: [u8; PREFIX_LEN],
    prefix_len: usize,
    /// Bytes of the message that have come; they may be more than are held.
    come: usize,
    /// Its bytes behind the prefix, charged to the recording; of a message that came in one chunk, none.
    held: Option<Box<Buffer>>,
}

impl Frames {
    /// Takes the next message out of a chunk, or all of it if the message goes on in the next one.
    pub(super) fn next<'a, 'c: 'a>(
        &'a mut self,
        chunk: &mut &'c [u8],
        writer: &Writer,
    ) -> Result<Option<Message<'a>>, NoRoom> {
        if self.prefix_len < PREFIX_LEN {
            let taken = chunk.len().min(PREFIX_LEN - self.prefix_len);
            let (part, rest) = chunk.split_at(taken);
            self.prefix[self.prefix_len..self.prefix_len + taken].copy_from_slice(part);
            self.prefix_len += taken;
            *chunk = rest;
        }
        let is_known = self.prefix_len == PREFIX_LEN;
        let Some(prefix) = Prefix::read(&self.prefix).filter(|_| is_known) else { return Ok(None) };
        let (before, len) = (self.come, prefix.len as usize);
        let (part, rest) = chunk.split_at(chunk.len().min(len - before));
        *chunk = rest;
        self.come += part.len();
        let is_whole = self.come == len;
        if is_whole {
            (self.prefix_len, self.come) = (0, 0);
        }
        if is_whole && before == 0 {
            return Ok(Some(Message { prefix, data: &part[..len.min(MOST)] }));
        }
        let held = self.held.get_or_insert_with(|| Box::new(writer.buffer()));
        if before == 0 {
            held.clear();
        }
        let kept = part.len().min(MOST.saturating_sub(before));
        held.reserve(kept).ok_or(NoRoom)?.extend_from_slice(&part[..kept]);
        Ok(is_whole.then(|| Message { prefix, data: held.bytes() }))
    }
}
