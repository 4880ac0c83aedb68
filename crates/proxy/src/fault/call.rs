//! One call that the rules are looked at for.

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
    book::Armed,
    known::{self, Fields},
    rule::{At, BadRule, Outcome, Shape},
};
use crate::{
    gate::{Order, RequestBody},
    server::{BoxError, Trouble},
};

/// How much of a message is held to look into it.
const LOOKED_AT: usize = 1 << 20;

/// What the rules have in store for a call.
#[derive(Debug, Default)]
struct Plan {
    hits: Vec<Arc<Armed>>,
    /// The rule of the outcome.
    last: Option<Arc<Armed>>,
    /// The request's message, where a rule wanted it.
    message: Option<Bytes>,
    /// Who logs in, where it has to be learned from the answer which session that is.
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
    let outcome = plan.last.as_ref().and_then(|armed| armed.rule.effect.outcome.as_ref());
    let mut response = match outcome {
        Some(Outcome::Hang) => std::future::pending().await,
        Some(Outcome::Reset(reason)) => return Err(Trouble::Reset(*reason).into()),
        Some(Outcome::Disconnect) => return Err(Trouble::Disconnect.into()),
        Some(Outcome::GoAway(reason)) if *reason != Reason::NO_ERROR => {
            return Err(Trouble::GoAway(*reason).into());
        }
        Some(Outcome::Status(failure)) => answer::failure(failure),
        Some(Outcome::Mismatch) => answer::ordered(Order::Mismatch),
        Some(Outcome::EmptyBatch | Outcome::EndAfter(_)) => {
            let is_end = matches!(outcome, Some(Outcome::EndAfter(_)));
            answer::batch(&path, plan.session(&path).unwrap_or_default(), is_end)
        }
        _ => inner.call(request).await.map_err(Into::into)?.map(FaultBody::passing),
    };
    sleep_unless_zero(plan.wait(At::Answer)).await;
    match outcome {
        Some(Outcome::GoAway(reason)) => {
            response.extensions_mut().insert(Trouble::GoAway(*reason));
        }
        Some(Outcome::Notice(strategy)) => {
            response.extensions_mut().insert(Order::Notice(*strategy));
        }
        Some(Outcome::DuplicateNotice) => {
            response.extensions_mut().insert(Order::DuplicateNotice);
        }
        Some(Outcome::Shape(Shape::Corrupt(bytes))) => {
            let armed = plan.last.clone().expect("its outcome was looked at");
            response = answer::corrupt(response, &path, *bytes, &armed).await?;
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
        let is_head = |armed: &Armed| {
            armed.rule.when.is_head(path, strategy, headers)
                && (fields.is_fetch || !armed.rule.effect.is_of_fetches)
        };
        let mut about: Vec<_> = rules.iter().filter(|armed| is_head(armed)).cloned().collect();
        if faults.by_header()
            && let Some(text) = headers.get(TEAL_FAULT)
        {
            let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
            about.extend(Some(faults.armed_by_call(&text)?).filter(|armed| is_head(armed)));
            request.headers_mut().remove(TEAL_FAULT);
        }
        let is_login_of_interest = fields.is_login && faults.is_learning(&rules);
        let mut plan = Self::default();
        if is_login_of_interest || about.iter().any(|armed| armed.looks_inside()) {
            let (head, body) = (request.headers().clone(), request.body_mut());
            plan.message = poll_fn(|cx| Pin::new(&mut *body).poll_message(cx, LOOKED_AT, &head)).await;
        }
        plan.learns = plan.text(fields.user).filter(|_| is_login_of_interest).map(str::to_owned);
        for armed in about {
            if !plan.is_match(faults, &armed, fields) {
                continue;
            }
            let Some(hit) = armed.strike() else { continue };
            faults.tell(&armed, path, hit);
            plan.hits.push(armed.clone());
            // A call has one outcome: the first rule's that has one.
            if armed.rule.effect.outcome.is_some() {
                plan.last = Some(armed);
                break;
            }
        }
        Ok(plan)
    }

    /// What the head does not tell.
    fn is_match(&self, faults: &Faults, armed: &Armed, fields: Fields) -> bool {
        let when = &armed.rule.when;
        let is_sql = || self.text(fields.sql);
        let user = || match fields.user {
            Some(_) => self.text(fields.user).map(str::to_owned),
            None => faults.user(self.text(fields.session)?),
        };
        when.phase.is_none_or(|phase| faults.phase() == Some(phase))
            && when.sql.as_ref().is_none_or(|sql| is_sql().is_some_and(|text| sql.is_match(text)))
            && when.user.as_ref().is_none_or(|glob| user().is_some_and(|user| glob.is_match(user)))
            && match armed.rule.effect.outcome {
                Some(Outcome::EndAfter(batches)) => {
                    self.text(fields.query).is_some_and(|query| armed.fetched(query) > batches)
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

    /// How long the rules want to wait there.
    fn wait(&self, at: At) -> Duration {
        let delays = self.hits.iter().filter_map(|armed| Some((armed, armed.rule.effect.delay?)));
        delays.filter(|(_, (there, _))| *there == at).map(|(armed, (_, delay))| armed.pick(delay)).sum()
    }

    /// Marks the answer, and shapes what is to be shaped of it.
    fn finish<R>(self, response: Response<FaultBody<R>>) -> Response<FaultBody<R>>
    where
        R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let (mut head, body) = response.into_parts();
        for armed in &self.hits {
            if let Ok(id) = HeaderValue::from_str(&armed.id) {
                head.headers.append(TEAL_FAULT, id);
            }
        }
        let mut shaping = Shaping::default();
        match self.last.as_ref().and_then(|armed| armed.rule.effect.outcome.as_ref()) {
            Some(Outcome::Shape(Shape::Cut(bytes))) => shaping.left = Some(*bytes),
            Some(Outcome::Shape(Shape::Throttled(rate))) => shaping.rate = Some(*rate),
            _ => {}
        }
        let waits = |armed: &Arc<Armed>| armed.rule.effect.delay.is_some_and(|(at, _)| at == At::Message);
        shaping.waits = self.hits.into_iter().filter(waits).collect();
        if !shaping.is_needed() || body.is_end_stream() {
            return Response::from_parts(head, body);
        }
        head.headers.remove(http::header::CONTENT_LENGTH);
        Response::from_parts(head, body.shaped(shaping))
    }
}

impl Armed {
    /// Whether a call's message tells what it wants to know.
    fn looks_inside(&self) -> bool {
        self.rule.when.sql.is_some()
            || self.rule.when.user.is_some()
            || matches!(self.rule.effect.outcome, Some(Outcome::EndAfter(_) | Outcome::EmptyBatch))
    }
}
