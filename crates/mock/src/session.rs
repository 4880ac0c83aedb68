//! Sessions, and the queries and settings they own.

use std::{
    collections::{HashSet, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Sessions, catalogs::Outcome, settings::Settings, status::Refusal, ttl_cache::TtlCache};

/// The key of a session. Tokens are stored only as hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// An id that authenticate issued.
    Issued(Uuid),
    /// An id that another engine issued.
    Foreign(u64, u64),
    /// A bearer token.
    Bearer(u64, u64),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issued(id) => id.fmt(f),
            Self::Foreign(..) => f.write_str("of another engine"),
            Self::Bearer(..) => f.write_str("of a bearer token"),
        }
    }
}

/// A session and what it owns.
#[derive(Debug)]
pub(crate) struct Session {
    /// The key of the session.
    pub(crate) key: Key,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    queries: HashSet<Uuid>,
    settings: Settings,
    catalogs: Option<Arc<Outcome>>,
}

impl Session {
    fn new(key: Key) -> Arc<Self> {
        Arc::new(Self { key, state: Mutex::default() })
    }

    /// Adds a query to the session, unless the session has ended.
    pub(crate) fn adopt(&self, query: Uuid) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.ended {
            return Err(Refusal::AccessDenied);
        }
        state.queries.insert(query);
        Ok(())
    }

    /// Removes a query from the session.
    pub(crate) fn disown(&self, query: Uuid) {
        self.lock().queries.remove(&query);
    }

    /// Ends the session, and returns its queries, which the caller must close.
    pub(crate) fn end(&self) -> HashSet<Uuid> {
        let mut state = self.lock();
        state.ended = true;
        std::mem::take(&mut state.queries)
    }

    /// The settings of the session.
    pub(crate) fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// Replaces the settings.
    pub(crate) fn set(&self, settings: Settings) {
        self.lock().settings = settings;
    }

    /// The outcome of the last request to add catalogs.
    pub(crate) fn catalogs(&self) -> Option<Arc<Outcome>> {
        self.lock().catalogs.clone()
    }

    /// Stores the outcome of a request to add catalogs.
    pub(crate) fn set_catalogs(&self, outcome: Outcome) {
        self.lock().catalogs = Some(Arc::new(outcome));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// All sessions.
#[derive(Debug)]
pub(crate) struct SessionStore {
    accepted: Sessions,
    sessions: TtlCache<Key, Arc<Session>>,
    hashers: [RandomState; 2],
}

/// A session, and the sessions that were evicted for it.
pub(crate) type Found = (Arc<Session>, Vec<Arc<Session>>);

impl SessionStore {
    /// Creates an empty store.
    pub(crate) fn new(accepted: Sessions, sessions: TtlCache<Key, Arc<Session>>) -> Self {
        Self { accepted, sessions, hashers: [RandomState::new(), RandomState::new()] }
    }

    /// The key of a bearer token.
    pub(crate) fn bearer(&self, token: &[u8]) -> Key {
        let [first, second] = &self.hashers;
        Key::Bearer(first.hash_one(token), second.hash_one(token))
    }

    /// Opens a session after a login. Also returns the evicted sessions.
    pub(crate) fn open(&self, now: Instant) -> (Uuid, Vec<Arc<Session>>) {
        let id = Uuid::new_v4();
        let key = Key::Issued(id);
        (id, self.sessions.insert(key, Session::new(key), now))
    }

    /// Finds the session of an id or a bearer token, and counts this as its use.
    pub(crate) fn find(&self, id: &str, bearer: Option<Key>, now: Instant) -> Result<Found, Refusal> {
        if let Ok(uuid) = Uuid::try_parse(id)
            && let Some(session) = self.sessions.get(&Key::Issued(uuid), now)
        {
            return Ok((session, Vec::new()));
        }
        let foreign = || match self.accepted {
            Sessions::Any if !id.is_empty() => {
                let [first, second] = &self.hashers;
                Some(Key::Foreign(first.hash_one(id), second.hash_one(id)))
            }
            _ => None,
        };
        let key = bearer.or_else(foreign).ok_or(Refusal::AccessDenied)?;
        Ok(self.sessions.get_or_insert(&key, now, || Session::new(key)))
    }

    /// Counts as a use of the session, if it exists.
    pub(crate) fn touch(&self, key: &Key, now: Instant) {
        self.sessions.get(key, now);
    }

    /// Removes a session.
    pub(crate) fn remove(&self, key: &Key) -> Option<Arc<Session>> {
        self.sessions.remove(key)
    }

    /// Removes and returns the expired sessions.
    pub(crate) fn expire(&self, now: Instant) -> Vec<Arc<Session>> {
        self.sessions.expire(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn store(accepted: Sessions) -> SessionStore {
        SessionStore::new(accepted, TtlCache::new(TTL, 100))
    }

    #[test]
    fn idle_sessions_expire() {
        let (store, start) = (store(Sessions::Known), Instant::now());
        let (id, _) = store.open(start);
        let id = id.to_string();
        assert!(store.find(&id, None, start + TTL).is_ok());
        assert!(store.find(&id, None, start + TTL * 2).is_ok());
        assert_eq!(store.find(&id, None, start + TTL * 4).unwrap_err(), Refusal::AccessDenied);
        assert_eq!(store.expire(start + TTL * 4).len(), 1);
    }

    #[test]
    fn a_bearer_token_identifies_one_session() {
        let (store, now) = (store(Sessions::Known), Instant::now());
        let (alice, bob) = (store.bearer(b"alice"), store.bearer(b"bob"));
        let session = |key| store.find("", Some(key), now).unwrap().0;
        assert!(Arc::ptr_eq(&session(alice), &session(alice)));
        assert!(!Arc::ptr_eq(&session(alice), &session(bob)));
        assert!(store.find("unknown", Some(alice), now).is_ok());
    }

    #[test]
    fn unknown_sessions_need_sessions_any() {
        let now = Instant::now();
        for id in ["", "nonsense", "5fbd2dd6-6b44-4f0c-a1f2-5a9bbd4e9d37"] {
            assert_eq!(store(Sessions::Known).find(id, None, now).unwrap_err(), Refusal::AccessDenied);
            assert_eq!(store(Sessions::Any).find(id, None, now).is_ok(), !id.is_empty(), "{id}");
        }
    }

    #[test]
    fn a_session_that_ended_adopts_nothing() {
        let session = Session::new(Key::Issued(Uuid::new_v4()));
        let query = Uuid::new_v4();
        session.adopt(query).unwrap();
        assert_eq!(session.end(), HashSet::from([query]));
        assert_eq!(session.adopt(query), Err(Refusal::AccessDenied));
    }
}
