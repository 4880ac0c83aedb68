//! Metadata, as entries have it.

use super::few::{begin, field_len, nested_len, put};

/// Keys and values, in order, encoded. Cleared, it can be used again without an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    encoded: Vec<u8>,
}

impl<'a, V: AsRef<[u8]>> FromIterator<(&'a str, V)> for Metadata {
    fn from_iter<T: IntoIterator<Item = (&'a str, V)>>(pairs: T) -> Self {
        let mut metadata = Self::new();
        pairs.into_iter().for_each(|(key, value)| metadata.push(key, value.as_ref()));
        metadata
    }
}

impl Metadata {
    /// No metadata.
    pub const NONE: &'static Self = &Self::new();

    /// Creates it empty.
    pub const fn new() -> Self {
        Self { encoded: Vec::new() }
    }

    /// Appends a key and its value. Values of keys with `-bin` are decoded.
    pub fn push(&mut self, key: &str, value: &[u8]) {
        let len = field_len(key.as_bytes()) + field_len(value);
        begin(&mut self.encoded, 1, len);
        put(&mut self.encoded, 1, key.as_bytes());
        put(&mut self.encoded, 2, value);
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.encoded.clear();
    }

    /// The number of bytes, encoded.
    pub fn len(&self) -> usize {
        self.encoded.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.encoded
    }

    /// The length of the field that has it.
    pub(super) fn nested_len(&self) -> usize {
        nested_len(self.encoded.len())
    }
}
