//! A key, or a range of keys.

use bytes::{BufMut, Bytes, BytesMut};

/// The end of a range that has none, and the key of "all keys", as etcd writes it.
const NO_END: Bytes = Bytes::from_static(b"\0");

/// One key, or those of a half-open range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    pub(crate) first: Bytes,
    /// Empty: the first key alone. A zero byte: no end.
    pub(crate) end: Bytes,
}

impl Keys {
    /// This key alone.
    pub fn one(key: impl Into<Bytes>) -> Self {
        Self { first: key.into(), end: Bytes::new() }
    }

    /// All keys that begin with `prefix`; with an empty one, all keys.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let prefix = prefix.into();
        let end = match prefix.iter().rposition(|byte| *byte != u8::MAX) {
            Some(last) => {
                let mut end = BytesMut::from(&prefix[..=last]);
                end[last] += 1;
                end.freeze()
            }
            None => NO_END,
        };
        Self { first: if prefix.is_empty() { NO_END } else { prefix }, end }
    }

    /// The keys from `first` up to `end`, without that.
    pub fn between(first: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self { first: first.into(), end: end.into() }
    }

    /// Whether `key` is one of them.
    pub fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            end if end.is_empty() => self.first == key,
            end if *end == NO_END => *self.first <= *key,
            end => *self.first <= *key && *key < **end,
        }
    }

    /// Those of them that come after `key`.
    pub(crate) fn after(&self, key: &[u8]) -> Self {
        let mut first = BytesMut::with_capacity(key.len() + 1);
        first.put_slice(key);
        first.put_u8(0);
        Self { first: first.freeze(), end: self.end.clone() }
    }
}

impl<T: Into<Bytes>> From<T> for Keys {
    fn from(key: T) -> Self {
        Self::one(key)
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn prefix_holds_what_begins_with_it() {
        let keys = Keys::prefix("a/");
        assert!(keys.contains(b"a/") && keys.contains(b"a/x") && keys.contains(b"a/\xff\xff"));
        assert!(!keys.contains(b"a") && !keys.contains(b"a0") && !keys.contains(b"b"));
    }

    #[test]
    fn prefix_of_highest_bytes_has_an_end() {
        assert_eq!(Keys::prefix(&b"a\xff"[..]).end, "b");
        assert!(Keys::prefix(&b"\xff"[..]).contains(b"\xff\xff"));
        assert!(!Keys::prefix(&b"\xff"[..]).contains(b"a"));
    }

    #[test]
    fn empty_prefix_holds_all() {
        assert!(Keys::prefix("").contains(b"\0") && Keys::prefix("").contains(b"\xff"));
    }

    #[test]
    fn one_key_is_itself_alone() {
        assert!(Keys::one("a").contains(b"a") && !Keys::one("a").contains(b"aa"));
    }

    #[test]
    fn after_begins_behind_the_key() {
        let rest = Keys::prefix("a").after(b"ab");
        assert!(!rest.contains(b"ab") && rest.contains(b"ab\0") && rest.contains(b"ac"));
    }
}
