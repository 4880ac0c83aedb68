//! A client's connection, and the callers on it.

use std::{net::IpAddr, sync::Arc, time::Instant};

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, USER_AGENT},
};
use parking_lot::Mutex;
use protocol::{CallKind, Method};
use switch::Notice;

use super::{call::Call, shard::Shard, traces::Span};
use crate::{
    adoption::{CallRecord, ClientIdentity, Key, KnownClient},
    gate::{Caller, ObserveConnection},
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
    client: Option<Arc<KnownClient>>,
}

impl ClientConnection {
    pub(super) fn new(shard: Arc<Shard>, peer: IpAddr) -> Self {
        Self { shard, peer, caller: Mutex::default() }
    }

    fn client(&self, head: &HeaderMap, said: Option<Caller<'_>>) -> Arc<KnownClient> {
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
            return client.clone();
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
        *caller = LastCaller {
            agent: agent.cloned(),
            token: token.cloned(),
            session: session.into(),
            client: Some(client.clone()),
        };
        client
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

    fn call(
        &self,
        arrived: Instant,
        method: &Method,
        head: &HeaderMap,
        caller: Option<Caller<'_>>,
        heading: Notice,
    ) -> Call {
        let span = self.shard.spans().map(|spans| Box::new(Span::begin(spans.sampling, head)));
        let record = CallRecord { arrived, label: method.label, kind: method.kind, strategy: None, heading };
        Call { shard: self.shard.clone(), client: self.client(head, caller), record, span, is_over: false }
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
