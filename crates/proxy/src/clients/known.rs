//! The clients that one network thread has heard.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use protocol::Strategy;

use super::{facts::Facts, key::Key};

/// Clients that are remembered: those heard from most recently.
pub const MOST: usize = 10_000;
/// How many more may gather before the oldest are forgotten, all at once.
const SLACK: usize = MOST / 8;

/// A client, as far as one thread knows it.
#[derive(Debug)]
pub struct Known {
    key: Key,
    facts: Mutex<Facts>,
    /// No longer among the clients: whoever still has it has to ask for it again.
    is_forgotten: AtomicBool,
}

impl Known {
    /// Who it is.
    pub fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        // Facts are never left half-way changed.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_forgotten(&self) -> bool {
        self.is_forgotten.load(Ordering::Relaxed)
    }
}

/// The clients of one thread.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    known: HashMap<Key, Arc<Known>>,
}

impl Clients {
    /// The client of that key.
    pub(crate) fn client(&mut self, key: Key) -> Arc<Known> {
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        if self.known.len() >= MOST + SLACK {
            self.forget_oldest();
        }
        let known = Arc::new(Known {
            key: key.clone(),
            facts: Mutex::default(),
            is_forgotten: AtomicBool::new(false),
        });
        self.known.insert(key, known.clone());
        known
    }

    fn forget_oldest(&mut self) {
        let mut heard: Vec<_> = self.known.values().map(|known| known.facts().last_heard()).collect();
        let surplus = heard.len() - MOST;
        let (_, oldest_kept, _) = heard.select_nth_unstable(surplus);
        let oldest_kept = *oldest_kept;
        self.known.retain(|_, known| {
            let is_kept = known.facts().last_heard() >= oldest_kept;
            known.is_forgotten.store(!is_kept, Ordering::Relaxed);
            is_kept
        });
    }

    /// All of them, for a look that does not keep the thread waiting.
    pub(crate) fn all(&self) -> Vec<Arc<Known>> {
        self.known.values().cloned().collect()
    }
}

/// The queries of a strategy that a client has on record, from what each thread knows of it.
pub(crate) fn open(known: &[Arc<Known>], strategy: Strategy) -> u64 {
    let open: i64 = known.iter().map(|known| known.facts().open(strategy)).sum();
    u64::try_from(open).unwrap_or_default()
}

/// What all threads know of each client, put together.
pub(crate) fn merged(known: impl IntoIterator<Item = Arc<Known>>) -> HashMap<Key, Facts> {
    let mut all: HashMap<Key, Facts> = HashMap::new();
    for known in known {
        let facts = known.facts().clone();
        if facts.last_heard().is_some() {
            all.entry(known.key.clone()).or_default().merge(facts);
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
    use crate::clients::Who;

    #[test]
    fn the_clients_heard_from_most_recently_are_remembered() {
        let start = Instant::now();
        let mut clients = Clients::default();
        let key =
            |number: usize| Key::new(None, Who::user(&number.to_string()), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let first = clients.client(key(0));
        for number in 0..MOST + SLACK {
            let heard = start + Duration::from_millis(number as u64);
            clients.client(key(number)).facts().hear(heard);
        }
        first.facts().hear(start + Duration::from_secs(1000));
        assert_eq!(clients.known.len(), MOST + SLACK);
        let second = clients.client(key(1));
        clients.client(key(MOST + SLACK));
        assert_eq!(clients.known.len(), MOST + 1);
        assert!(second.is_forgotten() && !first.is_forgotten());
        assert!(Arc::ptr_eq(&clients.client(key(0)), &first));
        assert!(!clients.client(key(1)).is_forgotten(), "it is remembered anew");
    }
}
