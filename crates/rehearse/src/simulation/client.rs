//! A client in the simulated world, on a network that loses, delays and repeats calls.

use std::task::Poll;

use bytes::Bytes;
use grpc::{read_string, string_field};
use http::{Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use protocol::CallKind;
use rand::Rng;
use tokio::time::{sleep, timeout, timeout_at};
use tower::{Layer, ServiceExt, service_fn};

use super::{
    engine::{framed, serve},
    *,
};
use crate::{Call, Outcome, process::Process};

/// The number of attempts of `execute`.
const TRIES: u32 = 5;

/// How a call ended for the client.
enum End {
    Answered {
        id: Option<String>,
    },
    Refused,
    Failed,
    /// No response; the call may have arrived.
    Lost,
}

struct Method {
    name: &'static str,
    kind: CallKind,
    /// The number of the notice field in the response.
    notice: u32,
}

static AUTHENTICATE: Method = Method { name: "authenticate", kind: CallKind::LogIn, notice: 2 };
static PREPARE: Method = Method { name: "prepareStatement", kind: CallKind::Begin, notice: 4 };
static EXECUTE: Method = Method { name: "executeStatement", kind: CallKind::Continue, notice: 2 };
static METADATA: Method = Method { name: "getResultMetadata", kind: CallKind::Continue, notice: 3 };
static BATCH: Method = Method { name: "getNextResultBatch", kind: CallKind::Continue, notice: 4 };
static CLEAR: Method = Method { name: "clearOrCancelQuery", kind: CallKind::End, notice: 2 };
static SCHEMAS: Method = Method { name: "getSchemaNames", kind: CallKind::Neutral, notice: 3 };

pub(super) struct Client {
    number: u32,
    behaviour: Behaviour,
    /// The network loses nothing.
    is_calm: bool,
    world: Rc<World>,
    process: Process,
    has_session: bool,
    random: SmallRng,
}

/// A query that the client has begun.
#[derive(Clone)]
struct Query {
    number: u32,
    id: String,
    strategy: Option<Strategy>,
}

impl Client {
    pub(super) fn new(
        number: u32,
        behaviour: Behaviour,
        is_calm: bool,
        world: Rc<World>,
        random: SmallRng,
    ) -> Self {
        let process = Process::new(behaviour.adopts());
        Self { number, behaviour, is_calm, world, process, has_session: false, random }
    }

    pub(super) async fn live(mut self) {
        sleep(millis(self.random.random_range(0..10_000))).await;
        for _ in 0..self.random.random_range(1..8) {
            self.query().await;
            if self.random.random_ratio(1, 4) {
                self.be_ready().await;
                let _ = self.call(&SCHEMAS, self.process.active(), None).await;
            }
            let think = if self.random.random_ratio(1, 20) { 30_000 } else { 500 };
            sleep(millis(self.random.random_range(0..think))).await;
        }
    }

    /// Begins queries, and measures the longest time without success. Fails if it exceeds `longest`.
    pub(super) async fn probe(mut self, longest: Duration) {
        loop {
            let since = Instant::now();
            let query = timeout_at(since + longest, self.begin()).await;
            let query = query.unwrap_or_else(|_| self.world.fail_without_service(longest));
            self.world.waited(since.elapsed());
            let world = self.world.clone();
            self.world.twins.borrow_mut().spawn_local(async move {
                exchange(&world, &CLEAR, query.strategy, Some(&query.id)).await;
            });
            sleep(millis(self.random.random_range(100..600))).await;
        }
    }

    /// Retries until a query is begun. An UNAVAILABLE call is retried under the same strategy.
    async fn begin(&mut self) -> Query {
        loop {
            self.be_ready().await;
            let (number, strategy) = (self.world.next_query(), self.process.active());
            match self.call(&PREPARE, strategy, Some((number, None))).await {
                End::Answered { id: Some(id) } => return Query { number, id, strategy },
                End::Refused => {
                    self.process.forget();
                    self.has_session = false;
                }
                End::Answered { id: None } | End::Failed | End::Lost => {}
            }
            sleep(millis(self.random.random_range(10..100))).await;
        }
    }

    /// Runs one query, as an application does.
    async fn query(&mut self) {
        let Some(query) = self.execute().await else { return };
        for _ in 0..self.random.random_range(0..4) {
            if self.random.random_ratio(1, 3) {
                let hold = if self.random.random_ratio(1, 10) { 40_000 } else { 300 };
                sleep(millis(self.random.random_range(0..hold))).await;
            }
            if self.behaviour == Behaviour::Vanish && self.random.random_ratio(1, 4) {
                self.process.closed();
                self.process.forget();
                self.has_session = false;
                return;
            }
            self.be_ready().await;
            let _ = self.call_about(&BATCH, &query).await;
            if !self.is_calm && self.random.random_ratio(1, 30) {
                let _ = self.call_about(&BATCH, &query).await;
            }
        }
        self.be_ready().await;
        let _ = self.call_about(&CLEAR, &query).await;
        self.process.closed();
        // Some cursors are closed twice.
        if self.random.random_ratio(1, 4) {
            let _ = self.call_about(&CLEAR, &query).await;
        }
    }

    async fn execute(&mut self) -> Option<Query> {
        for _ in 0..TRIES {
            self.be_ready().await;
            let number = self.world.next_query();
            let strategy = self.process.active();
            let id = match self.call(&PREPARE, strategy, Some((number, None))).await {
                End::Answered { id } => id?,
                End::Refused if self.behaviour.recovers() => {
                    self.process.forget();
                    self.has_session = false;
                    continue;
                }
                End::Refused | End::Failed | End::Lost => return None,
            };
            let query = Query { number, id, strategy };
            self.process.opened();
            for method in [&EXECUTE, &METADATA] {
                self.be_ready().await;
                let _ = self.call_about(method, &query).await;
            }
            return Some(query);
        }
        None
    }

    async fn be_ready(&mut self) {
        self.process.before_request();
        if self.process.take_invalidated() {
            self.has_session = false;
        }
        if !self.has_session {
            self.log_in().await;
        }
    }

    async fn log_in(&mut self) {
        for _ in 0..4 {
            let known = self.process.active();
            let tries = known.map_or(Strategy::ALL.to_vec(), |known| vec![known]);
            for strategy in tries {
                match self.call(&AUTHENTICATE, Some(strategy), None).await {
                    End::Answered { .. } => {
                        // The announced strategy was adopted.
                        if self.process.active().is_none() {
                            self.process.settle(strategy);
                        }
                        self.has_session = true;
                        return;
                    }
                    End::Refused if self.behaviour.recovers() => self.process.forget(),
                    End::Refused | End::Failed | End::Lost => {}
                }
            }
        }
    }

    async fn call_about(&mut self, method: &'static Method, query: &Query) -> End {
        let strategy = match self.behaviour {
            Behaviour::Eager => self.process.active(),
            _ => query.strategy,
        };
        self.call(method, strategy, Some((query.number, Some(query.id.as_str())))).await
    }

    /// A call with unknown outcome.
    fn noted(&self, method: &Method, query: Option<u32>, strategy: Option<Strategy>, sent: u64) -> Call {
        let (client, outcome, notice) = (self.number, Outcome::GivenUp, None);
        let Method { name, kind, .. } = *method;
        Call { client, query, method: name, kind, strategy, sent, answered: sent, outcome, notice }
    }

    /// Sends a call, and records the outcome.
    async fn call(
        &mut self,
        method: &'static Method,
        strategy: Option<Strategy>,
        query: Option<(u32, Option<&str>)>,
    ) -> End {
        let world = self.world.clone();
        let header = strategy.filter(|_| self.behaviour != Behaviour::NoHeader);
        let sent = world.now();
        let (number, id) = (query.map(|(number, _)| number), query.and_then(|(_, id)| id).map(str::to_owned));
        if !self.is_calm && self.random.random_ratio(1, 40) {
            // The network repeats the call, sooner or later.
            let (twin, delay) = (world.clone(), self.random.random_range(0..3_000));
            let id = id.clone();
            world.twins.borrow_mut().spawn_local(async move {
                sleep(millis(delay)).await;
                exchange(&twin, method, header, id.as_deref()).await;
            });
            if method.kind == CallKind::End {
                // The repeated call may arrive first, and end the other one's query.
                world.call(self.noted(method, number, header, sent.saturating_sub(1)));
            }
        }
        sleep(millis(self.random.random_range(0..20))).await;
        let is_lossy = !self.is_calm && self.random.random_ratio(1, 25);
        let (end, notice) = if is_lossy && self.random.random_ratio(1, 2) {
            (End::Lost, None)
        } else {
            let patience = if is_lossy { self.random.random_range(0..100) } else { 100_000 };
            // A client that gives up drops the call at any point.
            let exchange = timeout(millis(patience), exchange(&world, method, header, id.as_deref()));
            exchange.await.unwrap_or((End::Lost, None))
        };
        world.observe();
        let outcome = match &end {
            End::Answered { .. } => Outcome::Answered,
            End::Refused => Outcome::Refused,
            End::Failed => Outcome::Failed { code: 13, message: "".into(), is_broken: false },
            End::Lost => Outcome::Failed { code: 14, message: "".into(), is_broken: true },
        };
        let call = self.noted(method, number, header, sent);
        world.call(Call { answered: world.now(), outcome, notice, ..call });
        match (notice, strategy) {
            (Some(notice), Some(strategy)) if method.kind == CallKind::LogIn => {
                self.process.settle(strategy);
                self.process.on_login_notice(notice, world.now());
            }
            (Some(notice), _) => _ = self.process.on_notice(notice, world.now()),
            (None, _) => {}
        }
        end
    }
}

/// A query that counts as on record until its begin is known to have failed.
struct Begun<'a> {
    world: &'a World,
    id: Option<String>,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.world.on_record.borrow_mut().remove(&id);
        }
    }
}

/// Sends a call through the gate, and checks the result against the rules.
async fn exchange(
    world: &Rc<World>,
    method: &Method,
    header: Option<Strategy>,
    id: Option<&str>,
) -> (End, Option<Strategy>) {
    let service = service_fn(|request| serve(world.clone(), request));
    let mut request = Request::post(format!("/QueryEngineService/{}", method.name))
        .header(CONTENT_TYPE, "application/grpc");
    if let Some(header) = header {
        request = request.header("strategy", header.as_str());
    }
    let message = id.map(|id| string_field(3, id)).unwrap_or_default();
    let request = request.body(Full::new(framed(&message))).unwrap();

    // The call arrives now.
    let state = world.observe();
    let on_record = id.and_then(|id| world.on_record.borrow().get(id).copied());
    let (strategy, is_let_in) = world.rule(state, method.kind, on_record, header);
    assert!(is_let_in || on_record.is_none() || world.is_strict(), "promise 1: {} refused", method.name);
    let mut answer = Box::pin(world.layer.layer(service).oneshot(request));
    let first = futures::poll!(&mut answer);
    let is_refused = matches!(&first, Poll::Ready(Ok(response)) if response.status() == 456);
    assert_eq!(is_refused, !is_let_in, "{} under {header:?} in {state:?}", method.name);
    if is_refused {
        return (End::Refused, None);
    }
    let response = match first {
        Poll::Ready(response) => response.unwrap(),
        Poll::Pending => answer.await.unwrap(),
    };

    // The response head leaves now.
    let now = world.observe();
    let headed_for = now.phase.headed_for();
    // An error without a message carries no notice.
    let is_error = response.headers().contains_key("grpc-status");
    let due = (headed_for != strategy && !is_error).then_some(headed_for);
    let told = response.headers().get("new-strategy").map(|told| told.to_str().unwrap().parse().unwrap());
    assert_eq!(told, due, "the notice of {} let in under {strategy}", method.name);
    if let Some(told) = told {
        let (_, is_let_in) = world.rule(now, CallKind::LogIn, None, Some(told));
        assert!(is_let_in, "promise 2: told of {told}, which is refused");
    }
    let (mut body, mut message) = (response.into_body(), Bytes::new());
    let mut begun = Begun { world, id: None };
    let mut is_success = false;
    while let Some(frame) = body.frame().await {
        let frame = frame.unwrap();
        if let Some(trailers) = frame.trailers_ref() {
            is_success = trailers["grpc-status"] == "0";
        } else if let Ok(data) = frame.into_data() {
            message = data;
            if method.kind == CallKind::Begin {
                let id = read_string(&message[5..], 2).unwrap().unwrap().to_owned();
                // The query is on record before its bytes are passed on, unless the drain timed out in the meantime.
                if !world.timed_out_since(strategy, state.epoch) {
                    world.on_record.borrow_mut().insert(id.clone(), strategy);
                }
                begun.id = Some(id);
            }
        }
    }
    if !is_success {
        return (End::Failed, None);
    }
    match (method.kind, id) {
        (CallKind::End, Some(id)) => _ = world.on_record.borrow_mut().remove(id),
        // An abandoned query is on record again once it continues.
        (CallKind::Continue, Some(id))
            if on_record.is_none() && !world.timed_out_since(strategy, state.epoch) =>
        {
            world.on_record.borrow_mut().entry(id.to_owned()).or_insert(strategy);
        }
        _ => {}
    }
    let notice = read_string(&message[5..], method.notice).unwrap().map(|told| told.parse().unwrap());
    assert_eq!(notice, due, "field and metadata of {} from one decision", method.name);
    (End::Answered { id: begun.id.take() }, notice)
}
