//! The messages in one direction.

use grpc::{Coding, PREFIX_LEN, Prefix};
use protocol::{Edit, MessageRoles, Role};

/// The most messages that are kept of a stream.
const MESSAGES: usize = 16;

/// The messages in one direction, as far as they are kept.
#[derive(Debug)]
pub(super) struct Side {
    /// That of messages whose flag is set.
    pub(super) coding: Option<Coding>,
    /// The prefix, as far as it has come.
    prefix: [u8; PREFIX_LEN],
    prefix_len: usize,
    /// Bytes of the message that are still to come.
    missing: usize,
    /// Whether the message is kept, and not yet done with.
    is_kept: bool,
    /// Its bytes that have come, at most `left`.
    held: Vec<u8>,
    /// Bytes that may still be kept.
    left: usize,
    kept: KeptSide,
}

/// The messages that are kept of one direction.
#[derive(Debug, Default)]
pub(crate) struct KeptSide {
    pub(crate) messages: Vec<KeptMessage>,
    /// The number of those behind them.
    pub(crate) left_out: u64,
}

/// The beginning of a message.
#[derive(Debug)]
pub(crate) struct KeptMessage {
    /// The length in its prefix.
    pub(crate) len: u32,
    /// Its fields without secrets, uncompressed; or why there are none.
    pub(crate) content: Result<Box<[u8]>, Unkept>,
    /// Whether its end is missing.
    pub(crate) is_cut: bool,
}

/// Why nothing is kept of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unkept {
    /// It is no message of its type, as far as the descriptors tell.
    Malformed,
    /// It is compressed in another way than its call says, or in one that is unknown.
    Compressed,
}

impl Side {
    pub(super) fn new(most: usize, coding: Option<Coding>) -> Self {
        Self {
            coding,
            prefix: [0; PREFIX_LEN],
            prefix_len: 0,
            missing: 0,
            is_kept: false,
            held: Vec::new(),
            left: most,
            kept: KeptSide::default(),
        }
    }

    /// Takes a chunk of the body.
    pub(super) fn push(
        &mut self,
        mut chunk: &[u8],
        roles: &MessageRoles,
        edit: &mut impl FnMut(Role, &[u8]) -> Edit,
    ) {
        while !chunk.is_empty() {
            if self.prefix_len < PREFIX_LEN {
                let taken = chunk.len().min(PREFIX_LEN - self.prefix_len);
                self.prefix[self.prefix_len..self.prefix_len + taken].copy_from_slice(&chunk[..taken]);
                self.prefix_len += taken;
                chunk = &chunk[taken..];
                if self.prefix_len < PREFIX_LEN {
                    return;
                }
                self.missing = self.prefix().len as usize;
                self.is_kept = self.left > 0 && self.kept.messages.len() < MESSAGES;
                self.kept.left_out += u64::from(!self.is_kept);
            }
            let (part, rest) = chunk.split_at(chunk.len().min(self.missing));
            chunk = rest;
            self.missing -= part.len();
            if self.is_kept {
                let room = self.left - self.held.len();
                let part = &part[..part.len().min(room)];
                let is_done = self.missing == 0 || part.len() == room;
                if is_done && self.held.is_empty() {
                    self.keep(part, roles, edit);
                } else {
                    self.held.extend_from_slice(part);
                    if is_done {
                        let held = std::mem::take(&mut self.held);
                        self.keep(&held, roles, edit);
                    }
                }
            }
            if self.missing == 0 {
                self.prefix_len = 0;
            }
        }
    }

    /// The call has ended, perhaps within a message. Later chunks are not kept.
    pub(super) fn end(
        &mut self,
        roles: &MessageRoles,
        edit: &mut impl FnMut(Role, &[u8]) -> Edit,
    ) -> KeptSide {
        if self.is_kept {
            let held = std::mem::take(&mut self.held);
            self.keep(&held, roles, edit);
        }
        self.left = 0;
        std::mem::take(&mut self.kept)
    }

    /// The memory for what has come.
    pub(super) fn bytes(&self) -> usize {
        self.held.capacity() + self.kept.size()
    }

    /// Keeps nothing of what has come, nor of what will.
    pub(super) fn give_up(&mut self) {
        self.kept.left_out += self.kept.messages.len() as u64 + u64::from(self.is_kept);
        (self.left, self.is_kept, self.held) = (0, false, Vec::new());
        self.kept.messages = Vec::new();
    }

    fn prefix(&self) -> Prefix {
        Prefix::read(&self.prefix).expect("it is as long as a prefix")
    }

    /// Keeps the message, of which this has come.
    fn keep(&mut self, data: &[u8], roles: &MessageRoles, edit: &mut impl FnMut(Role, &[u8]) -> Edit) {
        self.is_kept = false;
        let Prefix { flag, len } = self.prefix();
        let is_cut = data.len() < len as usize;
        let plain = match (flag, self.coding) {
            (0, _) => None,
            // Secrets are found in plain text only, so it cannot wait until somebody reads it.
            (1, Some(coding)) => match coding.inflate_start(data, is_cut, self.left) {
                None => return self.add(len, Err(Unkept::Compressed), is_cut),
                inflated => inflated,
            },
            _ => return self.add(len, Err(Unkept::Compressed), is_cut),
        };
        let (data, is_cut) = match &plain {
            None => (data, is_cut),
            Some((inflated, is_whole)) => (&**inflated, !is_whole),
        };
        let content = roles.rewrite_known(data, is_cut, edit).map(Box::from).map_err(|_| Unkept::Malformed);
        self.add(len, content, is_cut);
    }

    fn add(&mut self, len: u32, content: Result<Box<[u8]>, Unkept>, is_cut: bool) {
        let size = content.as_ref().map_or(0, |content| content.len());
        // Behind one that is cut there is nothing left, whatever was removed from it.
        self.left = if is_cut { 0 } else { self.left.saturating_sub(size) };
        self.kept.messages.push(KeptMessage { len, content, is_cut });
    }
}

impl KeptSide {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.left_out == 0
    }

    pub(super) fn size(&self) -> usize {
        let content = |message: &KeptMessage| message.content.as_ref().map_or(0, |content| content.len());
        self.messages.capacity() * size_of::<KeptMessage>() + self.messages.iter().map(content).sum::<usize>()
    }
}
