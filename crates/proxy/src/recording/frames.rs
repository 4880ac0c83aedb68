//! Puts gRPC messages together from the chunks of a body.

use binlog::Buffer;
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
#[derive(Debug)]
pub(super) struct Frames {
    /// The prefix, as far as it has come.
    prefix: [u8; PREFIX_LEN],
    prefix_len: usize,
    /// Bytes of the message that have come; they may be more than are held.
    come: usize,
    /// Its bytes behind the prefix, charged to the recording.
    held: Buffer,
}

impl Frames {
    /// Creates an empty one, whose messages are held in `held`.
    pub(super) fn new(held: Buffer) -> Self {
        Self { prefix: [0; PREFIX_LEN], prefix_len: 0, come: 0, held }
    }

    /// Takes a chunk, and calls `each` for each message that is whole by it.
    pub(super) fn push(&mut self, mut chunk: &[u8], mut each: impl FnMut(Message<'_>)) -> Result<(), NoRoom> {
        while !chunk.is_empty() {
            if self.prefix_len < PREFIX_LEN {
                let taken = chunk.len().min(PREFIX_LEN - self.prefix_len);
                self.prefix[self.prefix_len..self.prefix_len + taken].copy_from_slice(&chunk[..taken]);
                self.prefix_len += taken;
                chunk = &chunk[taken..];
            }
            let whole = self.prefix_len == PREFIX_LEN;
            let Some(prefix) = Prefix::read(&self.prefix).filter(|_| whole) else { return Ok(()) };
            let len = prefix.len as usize;
            let taken = chunk.len().min(len - self.come);
            let (part, rest) = chunk.split_at(taken);
            chunk = rest;
            let is_whole = self.come + taken == len;
            if is_whole && self.come == 0 {
                each(Message { prefix, data: &part[..taken.min(MOST)] });
            } else {
                let kept = taken.min(MOST.saturating_sub(self.come));
                self.held.reserve(kept).ok_or(NoRoom)?.extend_from_slice(&part[..kept]);
                self.come += taken;
                if is_whole {
                    each(Message { prefix, data: self.held.bytes() });
                    self.held.clear();
                }
            }
            if is_whole {
                (self.prefix_len, self.come) = (0, 0);
            }
        }
        Ok(())
    }
}
