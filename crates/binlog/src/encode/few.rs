//! Fields of protobuf, put together on the stack.

use prost::encoding::{WireType, encode_varint, encoded_len_varint};

/// A few bytes, at most `N`: a vector would look for room for each of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Few<const N: usize> {
    pub(super) bytes: [u8; N],
    pub(super) len: usize,
}

impl<const N: usize> Default for Few<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Few<N> {
    /// Appends a number that is not 0.
    pub(super) fn number(&mut self, field: u8, value: u64) {
        if value > 0 {
            self.push(field << 3);
            self.varint(value);
        }
    }

    /// Begins a field of `len` bytes.
    pub(super) fn nested(&mut self, field: u8, len: usize) {
        self.push(delimited(field));
        self.varint(len as u64);
    }

    /// Appends a field of bytes.
    pub(super) fn field(&mut self, field: u8, value: &[u8]) {
        self.nested(field, value.len());
        self.bytes[self.len..self.len + value.len()].copy_from_slice(value);
        self.len += value.len();
    }

    /// Appends the first `len` bytes of an array, in one instruction: there is room for all of it.
    pub(super) fn copy<const M: usize>(&mut self, from: &[u8; M], len: usize) {
        self.bytes[self.len..self.len + M].copy_from_slice(from);
        self.len += len;
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }
}

/// The key of a field below 16 that begins with its length.
pub(super) const fn delimited(field: u8) -> u8 {
    field << 3 | WireType::LengthDelimited as u8
}

/// The length of a field of `len` bytes.
pub(super) fn nested_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

/// The length of a field of bytes, if they are not empty.
pub(super) fn field_len(value: &[u8]) -> usize {
    if value.is_empty() { 0 } else { nested_len(value.len()) }
}

/// The length of a field with a number that is not 0.
pub(super) fn number_len(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + encoded_len_varint(value) }
}

/// Appends bytes that are not empty.
pub(super) fn put(to: &mut Vec<u8>, field: u8, value: &[u8]) {
    if !value.is_empty() {
        begin(to, field, value.len());
        to.extend_from_slice(value);
    }
}

/// Begins a field of `len` bytes.
pub(super) fn begin(to: &mut Vec<u8>, field: u8, len: usize) {
    match u8::try_from(len) {
        Ok(len @ ..0x80) => to.extend_from_slice(&[delimited(field), len]),
        _ => {
            to.push(delimited(field));
            encode_varint(len as u64, to);
        }
    }
}
