//! The sessions and queries that clients were given, and how far each is in the answers to the same call.

use std::{collections::HashMap, sync::Arc};

use hashlink::LruCache;
use parking_lot::Mutex;

/// The most sessions, and the most queries. Of more, the one that was silent longest is forgotten.
pub(crate) const MOST: usize = 100_000;

/// How often the answers of a series were given.
type Cursors = HashMap<usize, usize>;

#[derive(Debug)]
pub(crate) struct State {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    sessions: LruCache<String, Cursors>,
    queries: LruCache<String, Query>,
}

#[derive(Debug)]
struct Query {
    recorded: Arc<str>,
    /// The series of the answer that named it first.
    series: usize,
    cursors: Cursors,
}

impl Default for State {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { sessions: LruCache::new(MOST), queries: LruCache::new(MOST) }) }
    }
}

impl State {
    /// The recorded id of a query that was given out, and the series of the answer that named it.
    pub(crate) fn recorded(&self, query: &str) -> Option<(Arc<str>, usize)> {
        self.inner.lock().queries.get(query).map(|query| (query.recorded.clone(), query.series))
    }

    /// Gives a query out.
    pub(crate) fn add_query(&self, id: &str, recorded: &str, series: usize) {
        let query = Query { recorded: recorded.into(), series, cursors: Cursors::new() };
        self.inner.lock().queries.insert(id.to_owned(), query);
    }

    /// Goes on with the answers about another recorded query.
    pub(crate) fn settle(&self, query: &str, recorded: &Arc<str>) {
        if let Some(query) = self.inner.lock().queries.get_mut(query) {
            query.recorded = recorded.clone();
        }
    }

    /// The number of times that this query, or else this session, got an answer of the series before.
    pub(crate) fn next(&self, session: Option<&str>, query: Option<&str>, series: usize) -> usize {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let cursors = match query.and_then(|query| inner.queries.get_mut(query)) {
            Some(query) => &mut query.cursors,
            None => {
                let session = session.unwrap_or_default();
                if !inner.sessions.contains_key(session) {
                    inner.sessions.insert(session.to_owned(), Cursors::new());
                }
                let Some(cursors) = inner.sessions.get_mut(session) else { return 0 };
                cursors
            }
        };
        let cursor = cursors.entry(series).or_default();
        *cursor += 1;
        *cursor - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_limit_the_longest_silent_is_forgotten() {
        let state = State::default();
        state.add_query("first", "q", 0);
        state.add_query("second", "q", 0);
        assert_eq!([state.next(Some("s"), None, 0), state.next(Some("s"), None, 0)], [0, 1]);
        for number in 0..MOST - 1 {
            state.recorded("first");
            state.add_query(&format!("q{number}"), "q", 0);
            state.next(Some(&format!("s{number}")), None, 0);
        }
        assert!(state.recorded("first").is_some() && state.recorded("second").is_none());
        assert_eq!(state.next(Some("s"), None, 0), 2);
        for number in 0..MOST {
            state.next(Some(&format!("t{number}")), None, 0);
        }
        assert_eq!(state.next(Some("s"), None, 0), 0);
    }
}
