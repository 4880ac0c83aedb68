//! A cache with a time to live and a size limit: entries expire when unused for too long, and the least recently used
//! are evicted when it is full.

use std::{fmt::Debug, hash::Hash, time::Duration};

use hashlink::LinkedHashMap;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

/// Values by key, least recently used first. Every operation takes constant time.
#[derive(Debug)]
pub(crate) struct TtlCache<K, V> {
    ttl: Duration,
    most: usize,
    entries: Mutex<LinkedHashMap<K, Entry<V>>>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    used: Instant,
}

impl<K: Hash + Eq + Clone, V: Clone> TtlCache<K, V> {
    /// Creates an empty cache. A `ttl` of zero means that nothing expires.
    pub(crate) fn new(ttl: Duration, most: usize) -> Self {
        Self { ttl, most: most.max(1), entries: Mutex::new(LinkedHashMap::new()) }
    }

    /// Returns the value of a key, and counts as a use.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<V> {
        self.used(&mut self.lock(), key, now)
    }

    /// Inserts a value, and returns the evicted ones.
    pub(crate) fn insert(&self, key: K, value: V, now: Instant) -> Vec<V> {
        self.enter(&mut self.lock(), key, value, now)
    }

    /// Returns the value of a key, and inserts it if it is missing. The second part are the evicted values.
    pub(crate) fn get_or_insert(&self, key: &K, now: Instant, make: impl FnOnce() -> V) -> (V, Vec<V>) {
        let mut entries = self.lock();
        if let Some(value) = self.used(&mut entries, key, now) {
            return (value, Vec::new());
        }
        let value = make();
        let gone = self.enter(&mut entries, key.clone(), value.clone(), now);
        (value, gone)
    }

    /// Removes a key.
    pub(crate) fn remove(&self, key: &K) -> Option<V> {
        self.lock().remove(key).map(|entry| entry.value)
    }

    /// Removes and returns the expired values.
    pub(crate) fn expire(&self, now: Instant) -> Vec<V> {
        let mut entries = self.lock();
        let mut gone = Vec::new();
        while entries.front().is_some_and(|(_, entry)| self.expired(entry.used, now)) {
            gone.extend(entries.pop_front().map(|(_, entry)| entry.value));
        }
        gone
    }

    /// The number of entries.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn used(&self, entries: &mut LinkedHashMap<K, Entry<V>>, key: &K, now: Instant) -> Option<V> {
        if self.expired(entries.get(key)?.used, now) {
            return None;
        }
        let entry = entries.to_back(key)?;
        entry.used = now;
        Some(entry.value.clone())
    }

    fn enter(&self, entries: &mut LinkedHashMap<K, Entry<V>>, key: K, value: V, now: Instant) -> Vec<V> {
        let replaced = entries.insert(key, Entry { value, used: now });
        let mut gone: Vec<V> = replaced.into_iter().map(|entry| entry.value).collect();
        while entries.len() > self.most {
            gone.extend(entries.pop_front().map(|(_, entry)| entry.value));
        }
        gone
    }

    fn expired(&self, used: Instant, now: Instant) -> bool {
        !self.ttl.is_zero() && now.saturating_duration_since(used) > self.ttl
    }

    fn lock(&self) -> MutexGuard<'_, LinkedHashMap<K, Entry<V>>> {
        self.entries.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn use_keeps_an_entry() {
        let (ledger, start) = (TtlCache::new(TTL, 9), Instant::now());
        ledger.insert(1, "one", start);
        ledger.insert(2, "two", start);
        assert_eq!(ledger.get(&1, after(start, 9)), Some("one"));
        assert_eq!(ledger.expire(after(start, 11)), ["two"]);
        assert_eq!(ledger.get(&1, after(start, 19)), Some("one"));
        assert_eq!(ledger.get(&1, after(start, 30)), None);
    }

    #[test]
    fn expired_entries_are_swept_despite_late_lookups() {
        let (ledger, start) = (TtlCache::new(TTL, 9), Instant::now());
        ledger.insert(1, "one", start);
        ledger.insert(2, "two", after(start, 5));
        assert_eq!(ledger.get(&1, after(start, 11)), None);
        assert_eq!(ledger.expire(after(start, 11)), ["one"]);
        assert_eq!(ledger.expire(after(start, 16)), ["two"]);
    }

    #[test]
    fn the_longest_unused_leaves_first() {
        let (ledger, start) = (TtlCache::new(TTL, 2), Instant::now());
        assert!(ledger.insert(1, "one", start).is_empty());
        assert!(ledger.insert(2, "two", start).is_empty());
        ledger.get(&1, start);
        assert_eq!(ledger.insert(3, "three", start), ["two"]);
        assert_eq!(ledger.len(), 2);
    }

    #[test]
    fn without_a_ttl_nothing_expires() {
        let (ledger, start) = (TtlCache::new(Duration::ZERO, 2), Instant::now());
        ledger.insert(1, "one", start);
        assert!(ledger.expire(after(start, 1_000_000)).is_empty());
        assert_eq!(ledger.get(&1, after(start, 1_000_000)), Some("one"));
    }

    #[test]
    fn an_entry_is_made_once() {
        let (ledger, start) = (TtlCache::new(TTL, 2), Instant::now());
        assert_eq!(ledger.get_or_insert(&1, start, || "a").0, "a");
        assert_eq!(ledger.get_or_insert(&1, start, || "b").0, "a");
        let (value, gone) = ledger.get_or_insert(&1, after(start, 11), || "c");
        assert_eq!((value, gone), ("c", vec!["a"]));
    }
}
