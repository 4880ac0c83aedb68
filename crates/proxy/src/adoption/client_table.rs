//! The clients seen by one network thread.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};
use protocol::Strategy;

use super::{client_stats::ClientStats, key::Key};

/// The most clients in the table: the most recently active ones.
pub const MOST: usize = 10_000;
/// The table may exceed the limit by this many before the oldest are evicted, all at once.
const SLACK: usize = MOST / 8;

/// A client as seen by one thread.
#[derive(Debug)]
pub struct KnownClient {
    key: Arc<Key>,
    stats: Mutex<ClientStats>,
    /// Evicted from the table; a holder must look the client up again.
    is_forgotten: AtomicBool,
}

impl KnownClient {
    /// The client's identity.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The same, for what outlives the client's statistics.
    pub(crate) fn shared_key(&self) -> &Arc<Key> {
        &self.key
    }

    pub(crate) fn stats(&self) -> MutexGuard<'_, ClientStats> {
        // Statistics are never left half updated.
        self.stats.lock()
    }

    pub(crate) fn is_forgotten(&self) -> bool {
        self.is_forgotten.load(Ordering::Relaxed)
    }
}

/// The clients of one thread.
#[derive(Debug, Default)]
pub(crate) struct ClientTable {
    known: HashMap<Arc<Key>, Arc<KnownClient>>,
}

impl ClientTable {
    /// Returns the client with this key; inserts it if needed.
    pub(crate) fn client(&mut self, key: Key) -> Arc<KnownClient> {
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        if self.known.len() >= MOST + SLACK {
            self.forget_oldest();
        }
        let key = Arc::new(key);
        let known = Arc::new(KnownClient {
            key: key.clone(),
            stats: Mutex::default(),
            is_forgotten: AtomicBool::new(false),
        });
        self.known.insert(key, known.clone());
        known
    }

    fn forget_oldest(&mut self) {
        let mut heard: Vec<_> = self.known.values().map(|known| known.stats().last_heard()).collect();
        let surplus = heard.len() - MOST;
        let (_, oldest_kept, _) = heard.select_nth_unstable(surplus);
        let oldest_kept = *oldest_kept;
        self.known.retain(|_, known| {
            let is_kept = known.stats().last_heard() >= oldest_kept;
            known.is_forgotten.store(!is_kept, Ordering::Relaxed);
            is_kept
        });
    }

    /// All clients. The list is short to take, so that it does not hold up the thread.
    pub(crate) fn all(&self) -> Vec<Arc<KnownClient>> {
        self.known.values().cloned().collect()
    }
}

/// The number of a client's queries on record under a strategy, over all threads.
pub(crate) fn open(known: &[Arc<KnownClient>], strategy: Strategy) -> u64 {
    let open: i64 = known.iter().map(|known| known.stats().open(strategy)).sum();
    u64::try_from(open).unwrap_or_default()
}

/// The merged statistics of each client, over all threads.
pub(crate) fn merged(known: impl IntoIterator<Item = Arc<KnownClient>>) -> HashMap<Key, ClientStats> {
    let mut all: HashMap<Key, ClientStats> = HashMap::new();
    for known in known {
        let stats = known.stats().clone();
        if stats.last_heard().is_some() {
            all.entry(known.key().clone()).or_default().merge(stats);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::{Duration, Instant},
    };

    use super::*;
    use crate::adoption::ClientIdentity;

    #[test]
    fn the_clients_heard_from_most_recently_are_remembered() {
        let start = Instant::now();
        let mut clients = ClientTable::default();
        let key = |number: usize| {
            Key::new(None, ClientIdentity::user(&number.to_string()), IpAddr::V4(Ipv4Addr::LOCALHOST))
        };
        let first = clients.client(key(0));
        for number in 0..MOST + SLACK {
            let heard = start + Duration::from_millis(number as u64);
            clients.client(key(number)).stats().hear(heard);
        }
        first.stats().hear(start + Duration::from_secs(1000));
        assert_eq!(clients.known.len(), MOST + SLACK);
        let second = clients.client(key(1));
        clients.client(key(MOST + SLACK));
        assert_eq!(clients.known.len(), MOST + 1);
        assert!(second.is_forgotten() && !first.is_forgotten());
        assert!(Arc::ptr_eq(&clients.client(key(0)), &first));
        assert!(!clients.client(key(1)).is_forgotten(), "it is remembered anew");
    }
}
