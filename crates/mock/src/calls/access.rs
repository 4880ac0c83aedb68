//! Access checks: first the session, then the query. A query on record admits any caller, because during a switch
//! callers come with a session of the other engine.

use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    super::{
        query::{Query, Work},
        session::Session,
        status::{EngineError, Refusal},
    },
    Caller, Calls,
};

impl Calls {
    /// The session that a request names, or that its bearer token identifies.
    pub(super) fn session(&self, id: &str, caller: &Caller) -> Result<Arc<Session>, EngineError> {
        let (session, gone) = self.sessions.find(id, caller.bearer, caller.now)?;
        self.end_all(gone);
        Ok(session)
    }

    /// The query that a request names.
    pub(super) fn query(&self, id: &str, session: &str, caller: &Caller) -> Result<Arc<Query>, EngineError> {
        let known = self.session(session, caller);
        let Some(query) = self.held_query(id, caller.now) else {
            return Err(known.err().unwrap_or_else(|| Refusal::UnknownQuery(id.to_owned()).into()));
        };
        Ok(query)
    }

    /// Finds a query by its id alone. Counts as a use of its session too.
    pub(super) fn held_query(&self, id: &str, now: Instant) -> Option<Arc<Query>> {
        let query = self.queries.get(&Uuid::try_parse(id).ok()?, now)?;
        self.sessions.touch(&query.session.key, now);
        Some(query)
    }

    /// Waits for `work`, and keeps the query and its session in use until then.
    pub(super) async fn attended<T>(&self, query: &Query, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        while !self.query_ttl.is_zero() {
            match tokio::time::timeout(self.query_ttl / 4, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.touch(query),
            }
        }
        work.await
    }

    fn touch(&self, query: &Query) {
        let now = Instant::now();
        self.queries.get(&query.id, now);
        self.sessions.touch(&query.session.key, now);
    }

    /// Puts a new query of a session on record.
    pub(super) fn begin(&self, session: Arc<Session>, work: Work) -> Result<Arc<Query>, EngineError> {
        let query = Query::new(session, work);
        for forgotten in self.queries.insert(query.id, Arc::clone(&query), Instant::now()) {
            forget(&forgotten);
        }
        if let Err(refusal) = query.session.adopt(query.id) {
            self.queries.remove(&query.id);
            return Err(refusal.into());
        }
        Ok(query)
    }

    /// Stops and removes a query, if it is on record.
    pub(super) fn release(&self, id: &str) {
        if let Some(query) = Uuid::try_parse(id).ok().and_then(|id| self.queries.remove(&id)) {
            forget(&query);
            tracing::info!(query.id = %query.id, session = %query.session.key, "Cleared query {}", query.id);
        }
    }

    /// Removes a session and all its queries.
    pub(super) fn drop_session(&self, session: &Arc<Session>) {
        if let Some(session) = self.sessions.remove(&session.key) {
            self.end(&session);
        }
    }

    /// Removes expired queries and sessions.
    pub(crate) fn sweep(&self, now: Instant) {
        for query in self.queries.expire(now) {
            forget(&query);
            tracing::debug!(query.id = %query.id, "Query {} expired", query.id);
        }
        self.end_all(self.sessions.expire(now));
    }

    pub(super) fn end_all(&self, sessions: Vec<Arc<Session>>) {
        for session in sessions {
            self.end(&session);
        }
    }

    fn end(&self, session: &Session) {
        for query in session.end() {
            if let Some(query) = self.queries.remove(&query) {
                query.close();
            }
        }
        tracing::debug!(session = %session.key, "Session {} ended", session.key);
    }
}

fn forget(query: &Query) {
    query.session.disown(query.id);
    query.close();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sql::{Engine, Scope, UnknownTables};
    use tokio::runtime::Handle;

    use super::{
        super::super::{Options, Sessions, TokenOptions, cluster::Cluster},
        *,
    };

    const TTL: Duration = Duration::from_secs(60);

    fn calls() -> Calls {
        let engine = sql::Options {
            data: None,
            unknown_tables: UnknownTables::Error,
            memory_limit: 1 << 30,
            batch_rows: 8192,
        };
        let options = Options {
            query_ttl: TTL,
            max_queries: 10,
            sessions: Sessions::Known,
            engine_ip: "127.0.0.1".to_owned(),
            tokens: TokenOptions::default(),
        };
        Calls::new(options, Engine::open(engine).unwrap(), Handle::current(), Cluster::new())
    }

    #[tokio::test(start_paused = true)]
    async fn calls_in_progress_keep_query_and_session() {
        let calls = calls();
        let (session, _) = calls.sessions.open(Instant::now());
        let caller = || Caller { bearer: None, now: Instant::now() };
        let statement = calls.engine.plan(&Scope::default(), "select 1").await.unwrap();
        let session = calls.session(&session.to_string(), &caller()).unwrap();
        let query = calls.begin(session, Work::Statement(statement)).unwrap();
        let (id, session) = (query.id.to_string(), query.session.key);
        let swept = async {
            for _ in 0..100 {
                tokio::time::sleep(TTL / 10).await;
                calls.sweep(Instant::now());
            }
        };
        calls.attended(&query, swept).await;
        assert!(calls.held_query(&id, Instant::now()).is_some());
        tokio::time::sleep(TTL * 2).await;
        assert!(calls.held_query(&id, Instant::now()).is_none());
        calls.sweep(Instant::now());
        assert!(calls.sessions.remove(&session).is_none());
    }
}
