//! The interface between the gate and whatever observes its calls.

use std::{
    convert::Infallible,
    fmt::Debug,
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use http::{Extensions, HeaderMap};
use protocol::{CallKind, Method, Strategy};
use switch::{Effect, Header, Notice};

use crate::messages::MessageTap;

/// The caller, as the request's message names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// The name of the user who logs in.
    User(&'a str),
    /// The session.
    Session(&'a str),
}

/// A call that is about to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Arriving<'a> {
    /// When it came.
    pub arrived: Instant,
    /// The path of its method.
    pub path: &'a str,
    /// Its method.
    pub method: &'a Method,
    /// Its metadata.
    pub head: &'a HeaderMap,
    /// The server's own data about it, such as the address of its client.
    pub extensions: &'a Extensions,
    /// Its caller, where that was read.
    pub caller: Option<Caller<'a>>,
    /// The query that it names.
    pub query: Option<&'a str>,
    /// Its `strategy` header.
    pub asked: Header,
    /// The last announcement.
    pub heading: Notice,
}

/// Observes the calls of one client's connection.
pub trait ObserveConnection: Debug + Send + Sync + 'static {
    /// Observes one call.
    type Call: ObserveCall;

    /// Returns whether the caller has to be read from the request's message.
    fn reads_caller(&self, kind: CallKind, head: &HeaderMap) -> bool;

    /// Called before a call is judged.
    fn call(&self, arriving: Arriving<'_>) -> Self::Call;

    /// Called when a request that is not gRPC, and came at `arrived`, has its response.
    fn foreign(&self, arrived: Instant);
}

/// Observes one call. If it is dropped before [`over`](ObserveCall::over) or [`rejected`](ObserveCall::rejected), the
/// client has given up the call.
pub trait ObserveCall: Debug + Send + 'static {
    /// Called when the call is admitted under `strategy`. May add metadata for the engine to `head`.
    fn let_in(&mut self, strategy: Strategy, head: &mut HeaderMap);

    /// The counter of the bytes of the request's body that are passed on, if they are to be counted.
    fn request_counter(&self) -> Option<Arc<AtomicU64>>;

    /// Takes note of the request's messages, if they are to be kept.
    fn message_tap(&self) -> Option<MessageTap>;

    /// Called when there is an error in place of an answer; the call is dropped then.
    fn failed(&mut self);

    /// Called when the engine or a fault has answered with this head, and a body or none.
    fn answered(&mut self, head: &HeaderMap, has_body: bool);

    /// Called when the answer of a begin has named its query.
    fn began(&mut self, query: &str);

    /// Called when a chunk of the answer's body is passed on.
    fn sent(&mut self, chunk: &[u8]);

    /// Called when the response carries a notice.
    fn notified(&mut self, notice: Notice);

    /// Called when the response's message could not carry the notice that was due.
    fn untouched(&self);

    /// Called when a login was answered with this session.
    fn logged_in(&mut self, session: &str);

    /// Called when the call was rejected with a 456; `named` is the strategy in its header.
    fn rejected(self, named: Option<Strategy>);

    /// Called when the call is complete, with its trailers and its effect on the record of queries.
    fn over(self, trailers: Option<&HeaderMap>, effect: Effect);
}

/// Observes nothing.
impl ObserveConnection for Infallible {
    type Call = Self;

    fn reads_caller(&self, _: CallKind, _: &HeaderMap) -> bool {
        match *self {}
    }

    fn call(&self, _: Arriving<'_>) -> Self {
        match *self {}
    }

    fn foreign(&self, _: Instant) {
        match *self {}
    }
}

impl ObserveCall for Infallible {
    fn let_in(&mut self, _: Strategy, _: &mut HeaderMap) {
        match *self {}
    }

    fn request_counter(&self) -> Option<Arc<AtomicU64>> {
        match *self {}
    }

    fn message_tap(&self) -> Option<MessageTap> {
        match *self {}
    }

    fn failed(&mut self) {
        match *self {}
    }

    fn answered(&mut self, _: &HeaderMap, _: bool) {
        match *self {}
    }

    fn began(&mut self, _: &str) {
        match *self {}
    }

    fn sent(&mut self, _: &[u8]) {
        match *self {}
    }

    fn notified(&mut self, _: Notice) {
        match *self {}
    }

    fn untouched(&self) {
        match *self {}
    }

    fn logged_in(&mut self, _: &str) {
        match *self {}
    }

    fn rejected(self, _: Option<Strategy>) {
        match self {}
    }

    fn over(self, _: Option<&HeaderMap>, _: Effect) {
        match self {}
    }
}
