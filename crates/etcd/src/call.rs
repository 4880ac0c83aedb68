//! One request, until a member has answered it or its deadline is over.

use std::time::Duration;

use tokio::{
    sync::{Semaphore, SemaphorePermit, TryAcquireError},
    time::{Instant, sleep, timeout_at},
};
use tonic::{Request, Status, metadata::MetadataValue};
use tracing::debug;

use crate::{
    Error, MAX_IN_FLIGHT, MAX_WAITING, Settings,
    fault::{Context, Next, judge},
    member::{Member, Transport},
    members::{Attempts, Members},
    token::Tokens,
};

/// When a request that failed may be sent again to another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Only while it is certain that etcd has not applied it. For what must not happen twice.
    IfNotApplied,
    /// Always. For what may be applied twice with the same effect. A comparison may fail because an earlier attempt was
    /// applied: see [`Outcome::repeated`](crate::Outcome::repeated).
    Idempotent,
}

/// The state that all requests of a client share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) members: Members,
    pub(crate) settings: Settings,
    tokens: Tokens,
    in_flight: Semaphore,
    waiting: Semaphore,
}

/// The operation and its subject, as error messages name them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) op: &'static str,
    pub(crate) revision: i64,
    pub(crate) lease: i64,
}

/// An answer, who gave it, and whether an earlier attempt may have been applied as well.
#[derive(Debug)]
pub(crate) struct Answered<R> {
    pub(crate) answer: R,
    pub(crate) member: usize,
    pub(crate) repeated: bool,
}

impl Shared {
    pub(crate) fn new(members: Members, settings: Settings) -> Self {
        let tokens = Tokens::new(settings.user.clone());
        let (in_flight, waiting) = (Semaphore::new(MAX_IN_FLIGHT), Semaphore::new(MAX_WAITING));
        Self { members, settings, tokens, in_flight, waiting }
    }

    /// Sends `message` to one member after the other, as `retry` allows, until one answers.
    pub(crate) async fn call<T, R, F>(
        &self,
        about: About,
        retry: Retry,
        within: Duration,
        message: T,
        send: impl Fn(Transport, Request<T>) -> F,
    ) -> Result<Answered<R>, Error>
    where
        T: Clone,
        F: Future<Output = Result<R, Status>>,
    {
        let until = Instant::now() + within;
        let _permit = self.permit(until).await?;
        let mut attempts = Attempts::new(&self.members);
        loop {
            let Some(index) = self.members.next(&attempts) else {
                let pause = attempts.again(self.settings.attempt);
                if Instant::now() + pause >= until {
                    return Err(attempts.error());
                }
                sleep(pause).await;
                continue;
            };
            let ends = match retry {
                // Nobody else may be asked: all the time is this member's.
                Retry::IfNotApplied => until,
                Retry::Idempotent => until.min(Instant::now() + attempts.patience(self.settings.attempt)),
            };
            if !attempts.is_empty() && Instant::now() >= until {
                return Err(attempts.error());
            }
            let member = &self.members.all()[index];
            let serial = member.serial();
            match self.attempt(member, about, ends, &message, &send).await {
                Ok(answer) => {
                    self.members.answered(index);
                    return Ok(Answered { answer, member: index, repeated: attempts.may_have_applied() });
                }
                Err((error, next)) => {
                    debug!("etcd: {} failed: {error}", about.op);
                    if matches!(next, Next::NewToken | Next::Stop) {
                        // It is etcd that says so.
                        self.members.answered(index);
                        return Err(error.after(attempts.may_have_applied()));
                    }
                    let is_dead = matches!(error, Error::Unanswered { .. } | Error::Broken { .. });
                    member.set_aside(self.settings.aside, is_dead.then_some(serial));
                    if next == Next::Perhaps && retry == Retry::IfNotApplied {
                        return Err(error.after(attempts.may_have_applied()));
                    }
                    attempts.failed(index, error);
                }
            }
        }
    }

    /// Asks one member, once more with a new token if it does not accept the present one.
    pub(crate) async fn attempt<T, R, F>(
        &self,
        member: &Member,
        about: About,
        ends: Instant,
        message: &T,
        send: &impl Fn(Transport, Request<T>) -> F,
    ) -> Result<R, (Error, Next)>
    where
        T: Clone,
        F: Future<Output = Result<R, Status>>,
    {
        let began = Instant::now();
        let transport = member.transport();
        let judged = |status: &Status| {
            let context = Context {
                member: &member.name,
                has_answered: member.has_answered(),
                user: self.tokens.user(),
                op: about.op,
                revision: about.revision,
                lease: about.lease,
            };
            judge(status, context)
        };
        let silent = || {
            let within = ends.saturating_duration_since(began);
            (Error::Unanswered { member: member.name.clone(), within }, Next::Perhaps)
        };
        let mut refused = None;
        loop {
            let token = timeout_at(ends, self.tokens.get(&transport, refused.as_ref())).await;
            let token = token.map_err(|_| no_login(member))?.map_err(|status| {
                match judged(&status) {
                    // The request itself was not sent yet.
                    (error, Next::Perhaps) => (unsent(member, &error), Next::Elsewhere),
                    other => other,
                }
            })?;
            let mut request = Request::new(message.clone());
            // A member without a leader says so at once, and ends its watches.
            request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
            if let Some(token) = &token {
                token.add_to(&mut request);
            }
            let answer = timeout_at(ends, send(transport.clone(), request)).await;
            let status = match answer.map_err(|_| silent())? {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            match judged(&status) {
                (_, Next::NewToken) if refused.is_none() => refused = token,
                other => return Err(other),
            }
        }
    }

    async fn permit(&self, until: Instant) -> Result<SemaphorePermit<'_>, Error> {
        match self.in_flight.try_acquire() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {}
        }
        let _place = self.waiting.try_acquire().map_err(|_| Error::Busy)?;
        match timeout_at(until, self.in_flight.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
    }
}

fn no_login(member: &Member) -> (Error, Next) {
    (
        Error::Unreachable { member: member.name.clone(), why: "no answer to the login".to_owned() },
        Next::Elsewhere,
    )
}

fn unsent(member: &Member, error: &Error) -> Error {
    Error::Unreachable { member: member.name.clone(), why: format!("the login failed: {error}") }
}
