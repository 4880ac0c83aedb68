//! Reading ranges of keys, page by page, at one revision.

use bytes::Bytes;

use crate::{Keys, pb};

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// The revision in which it was created.
    pub created: i64,
    /// The revision in which it was last changed.
    pub modified: i64,
    /// How often it was put since its creation, that included.
    pub version: i64,
    /// The lease it goes with, or 0.
    pub lease: i64,
}

/// A read. Reads are linearizable: they see everything that was applied before they began.
#[derive(Clone, Debug)]
pub struct Range {
    pub(crate) keys: Keys,
    pub(crate) revision: i64,
    pub(crate) limit: usize,
    pub(crate) only: Only,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Only {
    Everything,
    Keys,
    Count,
}

/// The result of a read.
#[derive(Clone, Debug)]
pub struct Page {
    /// The revision of the store at the moment of the answer. The page is of the revision that was asked for, if one was.
    pub revision: i64,
    /// Keys in order, with their values.
    pub entries: Vec<KeyValue>,
    /// How many keys the range has, whatever the limit. A range that goes on behind a page has fewer from page to page.
    pub count: u64,
    /// The rest of the range, at the same revision, if there is more.
    pub rest: Option<Range>,
}

impl Range {
    /// All of these keys as they are now.
    pub fn new(keys: impl Into<Keys>) -> Self {
        Self { keys: keys.into(), revision: 0, limit: 0, only: Only::Everything }
    }

    /// As they were at this revision.
    pub fn at(self, revision: i64) -> Self {
        Self { revision, ..self }
    }

    /// At most so many keys; the page says how to go on. An answer has at most [`MAX_ANSWER`](crate::MAX_ANSWER) bytes.
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Without values.
    pub fn keys_only(self) -> Self {
        Self { only: Only::Keys, ..self }
    }

    /// Only how many there are.
    pub fn count_only(self) -> Self {
        Self { only: Only::Count, ..self }
    }

    pub(crate) fn to_request(&self) -> pb::RangeRequest {
        pb::RangeRequest {
            key: self.keys.first.clone(),
            range_end: self.keys.end.clone(),
            limit: i64::try_from(self.limit).unwrap_or(i64::MAX),
            revision: self.revision,
            serializable: false,
            keys_only: self.only == Only::Keys,
            count_only: self.only == Only::Count,
        }
    }

    /// The page that answers this range, in a response whose store was at `revision`.
    pub(crate) fn page(&self, answer: pb::RangeResponse, revision: i64) -> Page {
        let entries: Vec<KeyValue> = answer.kvs.into_iter().map(KeyValue::from).collect();
        let rest = entries.last().filter(|_| answer.more).map(|last| Self {
            keys: self.keys.after(&last.key),
            revision: if self.revision > 0 { self.revision } else { revision },
            ..self.clone()
        });
        Page { revision, entries, count: u64::try_from(answer.count).unwrap_or_default(), rest }
    }
}

impl From<pb::KeyValue> for KeyValue {
    fn from(entry: pb::KeyValue) -> Self {
        Self {
            key: entry.key,
            value: entry.value,
            created: entry.create_revision,
            modified: entry.mod_revision,
            version: entry.version,
            lease: entry.lease,
        }
    }
}
