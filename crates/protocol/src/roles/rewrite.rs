//! Rewrites the fields of an encoded message that have a role. All else is copied as it is.

use std::borrow::Cow;

use bytes::Bytes;
use grpc::Malformed;

use super::{Fields, Kind, MessageRoles, Role};

/// The most messages within one another. prost and others refuse more.
const DEEPEST: usize = 100;

/// The fate of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// It stays.
    Keep,
    /// It goes.
    Drop,
    /// It gets this value.
    Replace(Bytes),
}

impl MessageRoles {
    /// Whether a field of the message may have a role. Without descriptors nothing is known of it.
    pub fn is_known(&self) -> bool {
        self.at.is_some()
    }

    /// The message with its fields as `edit` says; the same message if all of them stay. A field that is no string or bytes
    /// cannot be replaced, and is dropped instead.
    pub fn rewrite<'a>(
        &self,
        message: &'a [u8],
        edit: &mut impl FnMut(Role, &[u8]) -> Edit,
    ) -> Result<Cow<'a, [u8]>, Malformed> {
        match self.at {
            None => Ok(message.into()),
            Some(at) => {
                Rewriter { messages: &self.messages, edit, is_strict: false }.message(at, message, false)
            }
        }
    }

    /// The same, but fields that the descriptors do not have are dropped too, and the end of the message may be cut off:
    /// then the beginning of its last string stays, if `edit` keeps it, and what is returned is a whole message. A message
    /// of which nothing is known is malformed.
    pub fn rewrite_known<'a>(
        &self,
        message: &'a [u8],
        is_cut: bool,
        edit: &mut impl FnMut(Role, &[u8]) -> Edit,
    ) -> Result<Cow<'a, [u8]>, Malformed> {
        let at = self.at.ok_or(Malformed)?;
        Rewriter { messages: &self.messages, edit, is_strict: true }.message(at, message, is_cut)
    }
}

struct Rewriter<'a, E> {
    messages: &'a [Fields],
    edit: &'a mut E,
    /// Fields without a descriptor are dropped.
    is_strict: bool,
}

impl<E: FnMut(Role, &[u8]) -> Edit> Rewriter<'_, E> {
    fn message<'m>(
        &mut self,
        of: usize,
        message: &'m [u8],
        is_cut: bool,
    ) -> Result<Cow<'m, [u8]>, Malformed> {
        let mut to = Vec::new();
        let is_edited = self.fields(of, message, &mut to, DEEPEST, is_cut)?;
        Ok(if is_edited { to.into() } else { message.into() })
    }

    /// Appends the fields, unless all of them stay. Returns whether it did.
    fn fields(
        &mut self,
        of: usize,
        message: &[u8],
        to: &mut Vec<u8>,
        depth: usize,
        is_cut: bool,
    ) -> Result<bool, Malformed> {
        let fields = &self.messages[of];
        // Fields that stay are copied together.
        let (mut copied, mut at) = (0, 0);
        while at < message.len() {
            let start = at;
            let (tag, value) = match field(message, &mut at) {
                Ok(field) => field,
                Err(Unread::Short) if is_cut => {
                    to.extend_from_slice(&message[copied..start]);
                    self.cut_field(fields, &message[start..], to, depth)?;
                    return Ok(true);
                }
                Err(Unread::Short | Unread::Malformed) => return Err(Malformed),
            };
            let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
            let is_bytes = tag & 7 == 2;
            let replacement = match fields.kind(number) {
                None if self.is_strict && !fields.known.contains(&number) => None,
                None => continue,
                Some(Kind::Role(role)) => match (self.edit)(role, value) {
                    Edit::Keep => continue,
                    Edit::Replace(value) if is_bytes => Some(value),
                    Edit::Drop | Edit::Replace(_) => None,
                },
                Some(Kind::Within(within)) if is_bytes => {
                    let mut inner = Vec::new();
                    let depth = depth.checked_sub(1).ok_or(Malformed)?;
                    if !self.fields(within, value, &mut inner, depth, false)? {
                        continue;
                    }
                    Some(inner.into())
                }
                Some(Kind::Within(_)) => continue,
            };
            if copied == 0 {
                to.reserve(message.len());
            }
            to.extend_from_slice(&message[copied..start]);
            copied = at;
            if let Some(replacement) = replacement {
                put(tag, &replacement, to);
            }
        }
        if copied == 0 {
            return Ok(false);
        }
        to.extend_from_slice(&message[copied..]);
        Ok(true)
    }

    /// Appends what is there of a field, where that means something.
    fn cut_field(
        &mut self,
        fields: &Fields,
        field: &[u8],
        to: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Malformed> {
        let mut at = 0;
        let (Ok(tag), Ok(_)) = (varint(field, &mut at), varint(field, &mut at)) else { return Ok(()) };
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        if tag & 7 != 2 {
            return Ok(());
        }
        let value = &field[at..];
        match fields.kind(number) {
            None if self.is_strict && !fields.known.contains(&number) => {}
            None => put(tag, whole_characters(value), to),
            Some(Kind::Role(role)) => {
                if (self.edit)(role, value) == Edit::Keep {
                    put(tag, whole_characters(value), to);
                }
            }
            Some(Kind::Within(within)) => {
                let mut inner = Vec::new();
                let depth = depth.checked_sub(1).ok_or(Malformed)?;
                let is_edited = self.fields(within, value, &mut inner, depth, true)?;
                put(tag, if is_edited { &inner } else { value }, to);
            }
        }
        Ok(())
    }
}

impl Fields {
    fn kind(&self, number: u32) -> Option<Kind> {
        self.special.iter().find_map(|(known, kind)| (*known == number).then_some(*kind))
    }
}

/// Appends a field of bytes.
fn put(tag: u64, value: &[u8], to: &mut Vec<u8>) {
    prost::encoding::encode_varint(tag, to);
    prost::encoding::encode_varint(value.len() as u64, to);
    to.extend_from_slice(value);
}

/// Without the beginning of a character at the end.
fn whole_characters(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() => &text[..error.valid_up_to()],
        _ => text,
    }
}

/// Why a field cannot be read.
enum Unread {
    Malformed,
    /// Its end is missing.
    Short,
}

/// Reads the tag of a field, and its value without its length.
fn field<'a>(message: &'a [u8], at: &mut usize) -> Result<(u64, &'a [u8]), Unread> {
    let tag = varint(message, at)?;
    let start = *at;
    let length = match tag & 7 {
        0 => {
            varint(message, at)?;
            return Ok((tag, &message[start..*at]));
        }
        1 => 8,
        2 => usize::try_from(varint(message, at)?).map_err(|_| Unread::Malformed)?,
        5 => 4,
        _ => return Err(Unread::Malformed),
    };
    let start = *at;
    let end = start.checked_add(length).ok_or(Unread::Malformed)?;
    let value = message.get(start..end).ok_or(Unread::Short)?;
    *at = end;
    Ok((tag, value))
}

fn varint(message: &[u8], at: &mut usize) -> Result<u64, Unread> {
    let mut value = 0;
    for shift in 0..10 {
        let byte = *message.get(*at).ok_or(Unread::Short)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << (7 * shift);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Unread::Malformed)
}
