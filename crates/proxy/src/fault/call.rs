//! One call that is matched against the rules.

use std::{future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use grpc::read_string;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http2::Reason;
use tokio::time::sleep;
use tower::Service;

use super::{
    FaultBody, Faults, TEAL_FAULT, answer,
    body::Shaping,
    hits,
    known::{self, Fields},
    registry::ActiveFault,
    rule::{At, BadRule, Outcome, Shape},
};
use crate::{
    gate::{RequestBody, ResponseOverride},
    server::{BoxError, InjectedFault},
};

/// The most bytes of a message that are held in order to inspect it.
const LOOKED_AT: usize = 1 << 20;

/// The faults that apply to a call.
#[derive(Debug, Default)]
struct Plan {
    hits: Vec<Arc<ActiveFault>>,
    /// The rule that decides the outcome.
    last: Option<Arc<ActiveFault>>,
    /// The request message, if a rule needed it.
    message: Option<Bytes>,
    /// The user of a login, if the session must be learned from its response.
    learns: Option<String>,
}

pub(super) async fn call<S, B, R>(
    mut inner: S,
    faults: Faults,
    mut request: Request<RequestBody<B>>,
) -> Result<Response<FaultBody<R>>, BoxError>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>, Error: Into<BoxError>>,
    B: Body<Data = Bytes> + Unpin,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let path = request.uri().path().to_owned();
    if let Some(observer) = faults.observer() {
        observer.call_arrived(&path);
    }
    let mut plan = match Plan::make(&faults, &path, &mut request).await {
        Ok(plan) => plan,
        Err(bad) => return Ok(answer::refusal(&bad)),
    };
    sleep_unless_zero(plan.wait(At::Call)).await;
    let outcome = plan.last.as_ref().and_then(|fault| fault.rule.effect.outcome.as_ref());
    let mut response = match outcome {
        Some(Outcome::Hang) => std::future::pending().await,
        Some(Outcome::Reset(reason)) => return Err(plan.cut(InjectedFault::Reset(*reason))),
        Some(Outcome::Disconnect) => return Err(plan.cut(InjectedFault::Disconnect)),
        Some(Outcome::GoAway(reason)) if *reason != Reason::NO_ERROR => {
            return Err(plan.cut(InjectedFault::GoAway(*reason)));
        }
        Some(Outcome::Status(failure)) => answer::failure(failure),
        Some(Outcome::Mismatch) => answer::for_gate(ResponseOverride::Mismatch),
        Some(Outcome::EmptyBatch | Outcome::EndAfter(_)) => {
            let is_end = matches!(outcome, Some(Outcome::EndAfter(_)));
            answer::batch(&path, plan.session(&path).unwrap_or_default(), is_end)
        }
        _ => inner.call(request).await.map_err(Into::into)?.map(FaultBody::passing),
    };
    sleep_unless_zero(plan.wait(At::Answer)).await;
    match outcome {
        Some(Outcome::GoAway(reason)) => {
            response.extensions_mut().insert(InjectedFault::GoAway(*reason));
        }
        Some(Outcome::Notice(strategy)) => {
            response.extensions_mut().insert(ResponseOverride::Notice(*strategy));
        }
        Some(Outcome::DuplicateNotice) => {
            response.extensions_mut().insert(ResponseOverride::DuplicateNotice);
        }
        Some(Outcome::Shape(Shape::Corrupt(bytes))) => {
            let fault = plan.last.clone().expect("its outcome was looked at");
            response = answer::corrupt(response, &path, *bytes, &fault).await?;
        }
        _ => {}
    }
    if let Some(user) = plan.learns.take() {
        response = answer::learn(response, |session| faults.learn(session, &user)).await?;
    }
    Ok(plan.finish(response))
}

async fn sleep_unless_zero(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}

impl Plan {
    async fn make<B: Body<Data = Bytes> + Unpin>(
        faults: &Faults,
        path: &str,
        request: &mut Request<RequestBody<B>>,
    ) -> Result<Self, BadRule> {
        let (rules, fields) = (faults.rules(), known::method(path));
        let strategy = request.body().strategy();
        let headers = request.headers();
        let is_head = |fault: &ActiveFault| {
            fault.rule.when.is_head(path, strategy, headers)
                && (fields.is_fetch || !fault.rule.effect.is_of_fetches)
        };
        let mut about: Vec<_> = rules.iter().filter(|fault| is_head(fault)).cloned().collect();
        if faults.by_header()
            && let Some(text) = headers.get(TEAL_FAULT)
        {
            let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
            about.extend(Some(faults.armed_by_call(&text)?).filter(|fault| is_head(fault)));
            request.headers_mut().remove(TEAL_FAULT);
        }
        let is_login_of_interest = fields.is_login && faults.is_learning(&rules);
        let mut plan = Self::default();
        if is_login_of_interest || about.iter().any(|fault| fault.looks_inside()) {
            let (head, body) = (request.headers().clone(), request.body_mut());
            plan.message = poll_fn(|cx| Pin::new(&mut *body).poll_message(cx, LOOKED_AT, &head)).await;
        }
        plan.learns = plan.text(fields.user).filter(|_| is_login_of_interest).map(str::to_owned);
        for fault in about {
            if !plan.is_match(faults, &fault, fields) {
                continue;
            }
            let Some(hit) = fault.sample() else { continue };
            faults.tell(&fault, path, hit);
            plan.hits.push(fault.clone());
            // The first rule with an outcome decides it.
            if fault.rule.effect.outcome.is_some() {
                plan.last = Some(fault);
                break;
            }
        }
        Ok(plan)
    }

    /// Checks the conditions that need more than the head.
    fn is_match(&self, faults: &Faults, fault: &ActiveFault, fields: Fields) -> bool {
        let when = &fault.rule.when;
        let is_sql = || self.text(fields.sql);
        let user = || match fields.user {
            Some(_) => self.text(fields.user).map(str::to_owned),
            None => faults.user(self.text(fields.session)?),
        };
        when.phase.is_none_or(|phase| faults.phase() == Some(phase))
            && when.sql.as_ref().is_none_or(|sql| is_sql().is_some_and(|text| sql.is_match(text)))
            && when.user.as_ref().is_none_or(|glob| user().is_some_and(|user| glob.is_match(user)))
            && match fault.rule.effect.outcome {
                Some(Outcome::EndAfter(batches)) => {
                    self.text(fields.query).is_some_and(|query| fault.fetched(query) > batches)
                }
                _ => true,
            }
    }

    fn text(&self, field: Option<u32>) -> Option<&str> {
        read_string(self.message.as_deref()?, field?).ok()?
    }

    fn session(&self, path: &str) -> Option<&str> {
        self.text(known::method(path).session)
    }

    /// The total delay at this point.
    fn wait(&self, at: At) -> Duration {
        let delays = self.hits.iter().filter_map(|fault| Some((fault, fault.rule.effect.delay?)));
        delays.filter(|(_, (there, _))| *there == at).map(|(fault, (_, delay))| fault.pick(delay)).sum()
    }

    /// The error of a call that the faults cut.
    fn cut(&self, injected: InjectedFault) -> BoxError {
        hits::leave(&self.hits);
        injected.into()
    }

    /// Adds the `teal-fault` header to the response, and shapes it.
    fn finish<R>(self, response: Response<FaultBody<R>>) -> Response<FaultBody<R>>
    where
        R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        hits::leave(&self.hits);
        let (mut head, body) = response.into_parts();
        for fault in &self.hits {
            if let Ok(id) = HeaderValue::from_str(&fault.id) {
                head.headers.append(TEAL_FAULT, id);
            }
        }
        let mut shaping = Shaping::default();
        match self.last.as_ref().and_then(|fault| fault.rule.effect.outcome.as_ref()) {
            Some(Outcome::Shape(Shape::Cut(bytes))) => shaping.left = Some(*bytes),
            Some(Outcome::Shape(Shape::Throttled(rate))) => shaping.rate = Some(*rate),
            _ => {}
        }
        let waits =
            |fault: &Arc<ActiveFault>| fault.rule.effect.delay.is_some_and(|(at, _)| at == At::Message);
        shaping.waits = self.hits.into_iter().filter(waits).collect();
        if !shaping.is_needed() || body.is_end_stream() {
            return Response::from_parts(head, body);
        }
        head.headers.remove(http::header::CONTENT_LENGTH);
        Response::from_parts(head, body.shaped(shaping))
    }
}

impl ActiveFault {
    /// Returns whether the rule has conditions on the message of a call.
    fn looks_inside(&self) -> bool {
        self.rule.when.sql.is_some()
            || self.rule.when.user.is_some()
            || matches!(self.rule.effect.outcome, Some(Outcome::EndAfter(_) | Outcome::EmptyBatch))
    }
}
