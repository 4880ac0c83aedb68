//! The interface between the gate and whatever observes its calls.

use std::{convert::Infallible, fmt::Debug, time::Instant};

use http::HeaderMap;
use protocol::{CallKind, Method, Strategy};
use switch::{Effect, Notice};

/// The caller, as the request's message names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// The name of the user who logs in.
    User(&'a str),
    /// The session.
    Session(&'a str),
}

/// Observes the calls of one client's connection.
pub trait ObserveConnection: Debug + Send + Sync + 'static {
    /// Observes one call.
    type Call: ObserveCall;

    /// Returns whether the caller has to be read from the request's message.
    fn reads_caller(&self, kind: CallKind, head: &HeaderMap) -> bool;

    /// Called before a call that came at `arrived` is judged; `heading` is the last announcement.
    fn call(
        &self,
        arrived: Instant,
        method: &Method,
        head: &HeaderMap,
        caller: Option<Caller<'_>>,
        heading: Notice,
    ) -> Self::Call;

    /// Called when a request that is not gRPC, and came at `arrived`, has its response.
    fn foreign(&self, arrived: Instant);
}

/// Observes one call. If it is dropped before [`over`](ObserveCall::over) or [`rejected`](ObserveCall::rejected), the
/// client has given up the call.
pub trait ObserveCall: Debug + Send + 'static {
    /// Called when the call is admitted under `strategy`. May add metadata for the engine to `head`.
    fn let_in(&mut self, strategy: Strategy, head: &mut HeaderMap);

    /// Called when the response carries a notice.
    fn notified(&self, notice: Notice);

    /// Called when the response's message could not carry the notice that was due.
    fn untouched(&self);

    /// Called when a login was answered with this session.
    fn logged_in(&self, session: &str);

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

    fn call(&self, _: Instant, _: &Method, _: &HeaderMap, _: Option<Caller<'_>>, _: Notice) -> Self {
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

    fn notified(&self, _: Notice) {
        match *self {}
    }

    fn untouched(&self) {
        match *self {}
    }

    fn logged_in(&self, _: &str) {
        match *self {}
    }

    fn rejected(self, _: Option<Strategy>) {
        match self {}
    }

    fn over(self, _: Option<&HeaderMap>, _: Effect) {
        match self {}
    }
}
