//! Rewrites the fields of an encoded message that have a role. All else is copied as it is.

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

    /// Appends the message to `to`, with its fields as `edit` says. A field that is no string or bytes cannot be
    /// replaced, and is dropped instead.
    pub fn rewrite(
        &self,
        message: &[u8],
        to: &mut Vec<u8>,
        edit: &mut impl FnMut(Role, &[u8]) -> Edit,
    ) -> Result<(), Malformed> {
        match self.at {
            None => to.extend_from_slice(message),
            Some(at) => self.fields(&self.messages[at], message, to, edit, DEEPEST)?,
        }
        Ok(())
    }

    fn fields(
        &self,
        fields: &Fields,
        message: &[u8],
        to: &mut Vec<u8>,
        edit: &mut impl FnMut(Role, &[u8]) -> Edit,
        depth: usize,
    ) -> Result<(), Malformed> {
        // Fields that stay are copied together.
        let (mut copied, mut at) = (0, 0);
        while at < message.len() {
            let start = at;
            let tag = varint(message, &mut at)?;
            let value = value(message, &mut at, tag & 7)?;
            let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
            let Some((_, kind)) = fields.iter().find(|(known, _)| *known == number) else { continue };
            let is_bytes = tag & 7 == 2;
            let replacement = match kind {
                Kind::Role(role) => match edit(*role, value) {
                    Edit::Keep => continue,
                    Edit::Replace(value) if is_bytes => Some(value),
                    Edit::Drop | Edit::Replace(_) => None,
                },
                Kind::Within(within) if is_bytes => {
                    let mut inner = Vec::with_capacity(value.len());
                    let depth = depth.checked_sub(1).ok_or(Malformed)?;
                    self.fields(&self.messages[*within], value, &mut inner, edit, depth)?;
                    if inner == value {
                        continue;
                    }
                    Some(inner.into())
                }
                _ => continue,
            };
            to.extend_from_slice(&message[copied..start]);
            copied = at;
            if let Some(replacement) = replacement {
                prost::encoding::encode_varint(tag, to);
                prost::encoding::encode_varint(replacement.len() as u64, to);
                to.extend_from_slice(&replacement);
            }
        }
        to.extend_from_slice(&message[copied..]);
        Ok(())
    }
}

/// Reads the value of a field, without its length.
fn value<'a>(message: &'a [u8], at: &mut usize, wire: u64) -> Result<&'a [u8], Malformed> {
    let start = *at;
    let length = match wire {
        0 => {
            varint(message, at)?;
            return Ok(&message[start..*at]);
        }
        1 => 8,
        2 => usize::try_from(varint(message, at)?).map_err(|_| Malformed)?,
        5 => 4,
        _ => return Err(Malformed),
    };
    let start = *at;
    let end = start.checked_add(length).ok_or(Malformed)?;
    let value = message.get(start..end).ok_or(Malformed)?;
    *at = end;
    Ok(value)
}

fn varint(message: &[u8], at: &mut usize) -> Result<u64, Malformed> {
    let mut value = 0;
    for shift in 0..10 {
        let byte = *message.get(*at).ok_or(Malformed)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << (7 * shift);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}
