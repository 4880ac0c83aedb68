//! Whoever is told of the calls that pass the gate. The gate knows no more of them.

use std::{convert::Infallible, fmt::Debug, time::Instant};

use http::HeaderMap;
use protocol::{CallKind, Method, Strategy};
use switch::{Effect, Notice};

/// What a request's message says of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// The name of the user who logs in.
    User(&'a str),
    /// The session.
    Session(&'a str),
}

/// Watches the calls of one client's connection.
pub trait ObserveConnection: Debug + Send + Sync + 'static {
    /// Watches one call.
    type Call: ObserveCall;

    /// Whether the message of such a request has to be read to know its caller.
    fn reads_caller(&self, kind: CallKind, head: &HeaderMap) -> bool;

    /// A call is about to be judged. It came at `arrived`; `heading` is what was announced last.
    fn call(
        &self,
        arrived: Instant,
        method: &Method,
        head: &HeaderMap,
        caller: Option<Caller<'_>>,
        heading: Notice,
    ) -> Self::Call;

    /// A request that is no gRPC call, which came at `arrived`, is answered.
    fn foreign(&self, arrived: Instant);
}

/// Watches one call. Dropped before it is [over](ObserveCall::over) or [rejected](ObserveCall::rejected), the call was
/// given up.
pub trait ObserveCall: Debug + Send + 'static {
    /// It was let in under `strategy`. What its request carries to the engine may be added to `head`.
    fn let_in(&mut self, strategy: Strategy, head: &mut HeaderMap);

    /// Its response carries a notice.
    fn notified(&self, notice: Notice);

    /// Its response's message could not be given the notice that was due.
    fn untouched(&self);

    /// Its login was answered with this session.
    fn logged_in(&self, session: &str);

    /// It got a 456, whatever strategy it `named`.
    fn rejected(self, named: Option<Strategy>);

    /// It was answered to the end, with these trailers, and that did something to queries.
    fn over(self, trailers: Option<&HeaderMap>, effect: Effect);
}

/// Nobody watches.
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
