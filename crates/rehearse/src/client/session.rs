//! Login, calls, and following, by the rules of the published connectors.

use std::time::Duration;

use prost::Message;
use protocol::{
    CallKind, Strategy,
    pb::{AuthenticateRequest, AuthenticateResponse},
};
use tokio::time::timeout;
use tonic::{
    Code, Status,
    metadata::{AsciiMetadataValue, MetadataMap},
};
use tracing::info;

use super::{Client, Open, answer::Answer};
use crate::{
    behaviour::{Adopts, Behaviour},
    line::{CallError, Line},
    plan::Login,
    process::Adoption,
    record::{Adopted, Call, Outcome},
};

const AUTHENTICATE: &str = "/QueryEngineService/authenticate";

/// The timeout of a call.
const LONGEST_CALL: Duration = Duration::from_secs(60);
/// The most rounds of a client between a server's notices and 456s; connectors overflow their stack.
const MOST_ROUNDS: u32 = 20;

/// The method to call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    path: &'static str,
    kind: CallKind,
}

impl Method {
    pub(super) const fn new(path: &'static str, kind: CallKind) -> Self {
        Self { path, kind }
    }

    pub(super) fn name(self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// Records a call that the client leaves before the response.
struct Unanswered<'a> {
    client: &'a Client,
    call: Option<Call>,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let recorder = &self.client.common.recorder;
            recorder.call(Call { answered: recorder.now(), outcome: Outcome::GivenUp, ..call });
        }
    }
}

impl Client {
    /// Called before a call: adopts the pending strategy if no query is open, and logs in if needed.
    pub(super) async fn be_ready(&mut self) -> Result<(), CallError> {
        if let Some(adoption) = self.process.before_request() {
            self.note(adoption);
        }
        if self.process.take_invalidated() {
            self.start_anew();
        }
        if self.session.is_some() {
            return Ok(());
        }
        match self.log_in().await {
            Err(error) if error.is_suspended(self.common.plan.login.is_token()) => {
                self.wake_cluster().await?;
                self.log_in().await
            }
            done => done,
        }
    }

    /// Opens a new connection, which requires a login.
    pub(super) fn start_anew(&mut self) {
        self.line = Line::new(&self.common.plan.server, self.behaviour == Behaviour::SlowReader);
        self.session = None;
    }

    /// Logs in under the strategy of the process, or finds out the active one.
    async fn log_in(&mut self) -> Result<(), CallError> {
        let Login::Password { user, password } = self.common.plan.login.clone() else {
            self.session = Some(String::new());
            return Ok(());
        };
        let request = AuthenticateRequest { user, password, ..AuthenticateRequest::default() };
        for _ in 0..MOST_ROUNDS {
            let known = self.process.active();
            let tries = known.map_or(Strategy::ALL.to_vec(), |known| vec![known]);
            let mut refusal = None;
            let mut answered = None;
            for strategy in tries {
                match self.authenticate(strategy, request.clone()).await {
                    Ok(answer) => {
                        answered = Some((strategy, answer));
                        break;
                    }
                    Err(error) if error.is_refused() => refusal = Some(error),
                    Err(error) => return Err(error),
                }
            }
            let Some((strategy, answer)) = answered else {
                match (refusal, known) {
                    // The known strategy is no longer active.
                    (Some(_), Some(_)) if self.behaviour.recovers() => self.process.forget(),
                    (Some(refusal), _) => return Err(refusal),
                    (None, _) => unreachable!("each round tries one strategy at least"),
                }
                continue;
            };
            if answer.session_id.is_empty() {
                return Err(CallError::of(
                    "authenticate",
                    &Status::unauthenticated("no session id in the answer"),
                ));
            }
            info!("Successfully authenticated with strategy: {strategy}");
            self.session = Some(answer.session_id);
            self.process.settle(strategy);
            let notice = self.common.recorder.now();
            let Some(adoption) = answer
                .new_strategy
                .and_then(|told| told.parse().ok())
                .and_then(|told| self.process.on_login_notice(told, notice))
            else {
                return Ok(());
            };
            self.note(adoption);
        }
        Err(CallError::of(
            "authenticate",
            &Status::unknown("the server keeps announcing a strategy that it rejects"),
        ))
    }

    async fn authenticate(
        &mut self,
        strategy: Strategy,
        request: AuthenticateRequest,
    ) -> Result<AuthenticateResponse, CallError> {
        let method = Method::new(AUTHENTICATE, CallKind::LogIn);
        self.send(method, Some(strategy), None, request).await
    }

    /// Makes a call outside of queries.
    pub(super) async fn call<Q, A>(
        &mut self,
        method: Method,
        number: Option<u32>,
        request: Q,
    ) -> Result<A, CallError>
    where
        Q: Message + Clone + 'static,
        A: Message + Answer + Default + 'static,
    {
        let strategy = self.process.active();
        self.hear(method, strategy, number, request).await
    }

    /// Makes a call about a query, under the strategy it was prepared under.
    pub(super) async fn call_about<Q, A>(
        &mut self,
        method: Method,
        open: &Open,
        request: Q,
    ) -> Result<A, CallError>
    where
        Q: Message + Clone + 'static,
        A: Message + Answer + Default + 'static,
    {
        let strategy = match self.behaviour.adopts() {
            Adopts::AtOnce => self.process.active(),
            _ => open.strategy,
        };
        self.hear(method, strategy, Some(open.number), request).await
    }

    /// Makes a call, and handles the notice in its response.
    pub(super) async fn hear<Q, A>(
        &mut self,
        method: Method,
        strategy: Option<Strategy>,
        query: Option<u32>,
        request: Q,
    ) -> Result<A, CallError>
    where
        Q: Message + Clone + 'static,
        A: Message + Answer + Default + 'static,
    {
        let mut insists = self.behaviour.insists();
        let answer: A = loop {
            match self.send(method, strategy, query, request.clone()).await {
                Err(error) if insists > 0 && error.is_refused() => insists -= 1,
                other => break other?,
            }
        };
        if let Some(notice) = answer.notice() {
            let (is_news, adoption) = self.process.on_notice(notice, self.common.recorder.now());
            if is_news {
                info!("Pending deployment strategy set to: {notice}");
            }
            if let Some(adoption) = adoption {
                self.note(adoption);
            }
        }
        Ok(answer)
    }

    /// Sends one request, and records the outcome.
    async fn send<Q, A>(
        &mut self,
        method: Method,
        strategy: Option<Strategy>,
        query: Option<u32>,
        request: Q,
    ) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Answer + Default + 'static,
    {
        let metadata = self.metadata(strategy)?;
        let mut line = self.line.clone();
        let name = method.name();
        let header = if self.behaviour == Behaviour::NoHeader { None } else { strategy };
        let sent = self.common.recorder.now();
        let (outcome, notice) = (Outcome::GivenUp, None);
        let (client, kind) = (self.number, method.kind);
        let call = Call {
            client,
            query,
            method: name,
            kind,
            strategy: header,
            sent,
            answered: sent,
            outcome,
            notice,
        };
        let mut unanswered = Unanswered { client: self, call: Some(call) };
        let answer: Result<A, Status> =
            match timeout(LONGEST_CALL, line.call(method.path, metadata, request)).await {
                Ok(answer) => answer,
                Err(_) => Err(Status::deadline_exceeded(format!("no answer within {LONGEST_CALL:?}"))),
            };
        let answer = answer.map_err(|status| CallError { strategy: header, ..CallError::of(name, &status) });
        let call = unanswered.call.take();
        drop(unanswered);
        if let Some(call) = call {
            let outcome = match &answer {
                Ok(_) => Outcome::Answered,
                Err(error) if error.is_refused() => Outcome::Refused,
                Err(error) => Outcome::Failed {
                    code: error.code.unwrap_or(Code::Unknown).into(),
                    message: error.message.as_str().into(),
                    is_broken: error.is_broken,
                },
            };
            let notice = answer.as_ref().ok().and_then(Answer::notice);
            let answered = self.common.recorder.now();
            self.common.recorder.call(Call { answered, outcome, notice, ..call });
        }
        answer
    }

    fn metadata(&self, strategy: Option<Strategy>) -> Result<MetadataMap, CallError> {
        let mut metadata = MetadataMap::new();
        if let Some(strategy) = strategy.filter(|_| self.behaviour != Behaviour::NoHeader) {
            let name = match self.behaviour {
                Behaviour::UpperCase => strategy.as_str().to_uppercase(),
                _ => strategy.as_str().to_owned(),
            };
            metadata.insert("strategy", ascii("strategy", &name)?);
        }
        if let Some(planner) = &self.planner {
            metadata.insert("plannerip", ascii("plannerip", planner)?);
        }
        if let Login::Token(token) = &self.common.plan.login {
            metadata.insert("authorization", ascii("authorization", &format!("Bearer {token}"))?);
        }
        Ok(metadata)
    }

    /// Records an adoption.
    pub(super) fn note(&self, adoption: Adoption) {
        let Adoption { from, to, told } = adoption;
        info!("Strategy transition completed: {} -> {to}", from.map_or("none", Strategy::as_str));
        let at = self.common.recorder.now();
        let process = self.number / self.common.plan.threads;
        self.common.recorder.adopted(Adopted { process, from, to, told, at });
    }
}

fn ascii(name: &'static str, value: &str) -> Result<AsciiMetadataValue, CallError> {
    value.parse().map_err(|_| CallError::of(name, &Status::internal("a value that metadata cannot hold")))
}
