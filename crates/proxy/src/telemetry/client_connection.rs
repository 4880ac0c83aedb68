//! A client's connection, and the callers on it.

use std::{net::IpAddr, sync::Arc, time::Instant};

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, USER_AGENT},
};
use parking_lot::Mutex;
use protocol::CallKind;

use super::{call::Call, history::Pending, shard::Shard, traces::Span};
use crate::{
    adoption::{CallRecord, ClientIdentity, Key, KnownClient, fingerprint},
    gate::{Arriving, Caller, ObserveConnection},
};

/// A connection. A client may have several, and a load balancer may put several clients on one.
#[derive(Debug)]
pub struct ClientConnection {
    shard: Arc<Shard>,
    peer: IpAddr,
    caller: Mutex<LastCaller>,
}

/// The caller of the last call. The next call is most likely from the same one.
#[derive(Default)]
struct LastCaller {
    agent: Option<HeaderValue>,
    token: Option<HeaderValue>,
    session: Box<str>,
    /// The fingerprint of the session, if calls are kept.
    fingerprint: Option<u64>,
    client: Option<Arc<KnownClient>>,
}

impl ClientConnection {
    pub(super) fn new(shard: Arc<Shard>, peer: IpAddr) -> Self {
        Self { shard, peer, caller: Mutex::default() }
    }

    /// The client, and the fingerprint of the session of the call; a neutral call has the session of the last one.
    fn client(&self, head: &HeaderMap, said: Option<Caller<'_>>) -> (Arc<KnownClient>, Option<u64>) {
        let (agent, token) = (head.get(USER_AGENT), head.get(AUTHORIZATION));
        let mut caller = self.caller.lock();
        if let Some(client) = &caller.client
            && caller.agent.as_ref() == agent
            && caller.token.as_ref() == token
            && !client.is_forgotten()
            && match said {
                _ if token.is_some() => true,
                None => true,
                Some(Caller::Session(session)) => *caller.session == *session,
                Some(Caller::User(user)) => client.key().is_user(user),
            }
        {
            let session = match said {
                Some(Caller::User(_)) => None,
                None | Some(Caller::Session(_)) => caller.fingerprint,
            };
            return (client.clone(), session);
        }
        let who = match (token, said) {
            (Some(token), _) => ClientIdentity::token(token.as_bytes()),
            (None, Some(Caller::User(user))) => ClientIdentity::user(user),
            (None, Some(Caller::Session(session))) if !session.is_empty() => {
                self.shard.directory().whose(session)
            }
            (None, _) => match &caller.client {
                Some(client) if caller.agent.as_ref() == agent && caller.token.is_none() => {
                    client.key().who().clone()
                }
                _ => ClientIdentity::Nobody,
            },
        };
        let client = self.shard.clients().client(Key::new(agent, who, self.peer));
        let session = match said {
            Some(Caller::Session(session)) => session,
            _ => "",
        };
        let is_kept = self.shard.keeps_calls() && !session.is_empty();
        let fingerprint = is_kept.then(|| fingerprint(session.as_bytes()));
        *caller = LastCaller {
            agent: agent.cloned(),
            token: token.cloned(),
            session: session.into(),
            fingerprint,
            client: Some(client.clone()),
        };
        (client, fingerprint)
    }
}

impl ObserveConnection for ClientConnection {
    type Call = Call;

    /// Attributes a neutral call to the last caller, if there was one.
    fn reads_caller(&self, kind: CallKind, head: &HeaderMap) -> bool {
        if head.contains_key(AUTHORIZATION) {
            return false;
        }
        kind != CallKind::Neutral || {
            let last = self.caller.lock();
            last.client.is_none() || last.agent.as_ref() != head.get(USER_AGENT)
        }
    }

    fn call(&self, arriving: Arriving<'_>) -> Call {
        let Arriving { arrived, path, method, head, caller, query, asked, heading, .. } = arriving;
        let span = self.shard.spans().map(|spans| Box::new(Span::begin(spans.sampling, head)));
        let record = CallRecord { arrived, label: method.label, kind: method.kind, strategy: None, heading };
        let (client, session) = self.client(head, caller);
        let pending =
            self.shard.keeps_calls().then(|| Pending::new(query, asked, session, self.shard.tap(path, head)));
        Call { shard: self.shard.clone(), client, record, span, pending, is_over: false }
    }

    fn foreign(&self, arrived: Instant) {
        self.shard.foreign(arrived);
    }
}

impl std::fmt::Debug for LastCaller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Tokens and sessions are nobody's business.
        f.debug_struct("LastCaller").field("client", &self.client).finish_non_exhaustive()
    }
}
