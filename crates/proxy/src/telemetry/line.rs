//! A client's connection, and who is heard on it.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, USER_AGENT},
};
use protocol::{CallKind, Method};
use switch::Notice;

use super::{
    call::Call,
    shard::{Shard, lock},
    traces::Span,
};
use crate::clients::{Key, Known, Visit, Who};

/// A connection. A client may have several, and a balancer may bring several clients on one.
#[derive(Debug)]
pub struct Line {
    shard: Arc<Shard>,
    peer: IpAddr,
    caller: Mutex<Caller>,
}

/// Who called last: the next call is most likely from the same.
#[derive(Default)]
struct Caller {
    agent: Option<HeaderValue>,
    token: Option<HeaderValue>,
    session: Box<str>,
    client: Option<Arc<Known>>,
}

/// What a request's message says of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// The name of the user who logs in.
    User(&'a str),
    /// The session.
    Session(&'a str),
}

impl Line {
    pub(super) fn new(shard: Arc<Shard>, peer: IpAddr) -> Self {
        Self { shard, peer, caller: Mutex::default() }
    }

    pub(crate) fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Whether the message of such a request has to be read to know its caller. That of a neutral call
    /// is taken to be from whoever was heard last, if somebody was.
    pub fn asks(&self, kind: CallKind, head: &HeaderMap) -> bool {
        if head.contains_key(AUTHORIZATION) {
            return false;
        }
        kind != CallKind::Neutral || {
            let caller = lock(&self.caller);
            caller.client.is_none() || caller.agent.as_ref() != head.get(USER_AGENT)
        }
    }

    /// A call that was judged: `heading` is what was announced at that moment.
    pub fn call(
        &self,
        arrived: Instant,
        method: &Method,
        head: &HeaderMap,
        said: Option<Said<'_>>,
        heading: Notice,
    ) -> Call {
        let span = self.shard.spans().map(|spans| Box::new(Span::begin(spans.sampling, head)));
        let visit = Visit { arrived, label: method.label, kind: method.kind, strategy: None, heading };
        Call { shard: self.shard.clone(), client: self.client(head, said), visit, span, is_over: false }
    }

    fn client(&self, head: &HeaderMap, said: Option<Said<'_>>) -> Arc<Known> {
        let (agent, token) = (head.get(USER_AGENT), head.get(AUTHORIZATION));
        let mut caller = lock(&self.caller);
        if let Some(client) = &caller.client
            && caller.agent.as_ref() == agent
            && caller.token.as_ref() == token
            && !client.is_forgotten()
            && match said {
                _ if token.is_some() => true,
                None => true,
                Some(Said::Session(session)) => *caller.session == *session,
                Some(Said::User(user)) => client.key().is_user(user),
            }
        {
            return client.clone();
        }
        let who = match (token, said) {
            (Some(token), _) => Who::token(token.as_bytes()),
            (None, Some(Said::User(user))) => Who::user(user),
            (None, Some(Said::Session(session))) if !session.is_empty() => {
                self.shard.directory().whose(session)
            }
            (None, _) => match &caller.client {
                Some(client) if caller.agent.as_ref() == agent && caller.token.is_none() => {
                    client.key().who().clone()
                }
                _ => Who::Nobody,
            },
        };
        let client = self.shard.clients().client(Key::new(agent, who, self.peer));
        let session = match said {
            Some(Said::Session(session)) => session,
            _ => "",
        };
        *caller = Caller {
            agent: agent.cloned(),
            token: token.cloned(),
            session: session.into(),
            client: Some(client.clone()),
        };
        client
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Tokens and sessions are nobody's business.
        f.debug_struct("Caller").field("client", &self.client).finish_non_exhaustive()
    }
}
