//! `GET /api/v1/events`, and the same as server-sent events.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, extract,
    http::{HeaderMap, StatusCode},
    response::sse::{self, KeepAlive, Sse},
};
use futures::{Stream, stream};
use protocol::Strategy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use switch::{KEPT, Record};
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use utoipa::{IntoParams, ToSchema};

use super::{Params, Problem, Shared, paths, state::told};

/// How often the state is sent, whatever happens.
const BEAT: Duration = Duration::from_secs(1);
/// How often something is sent where there is no state.
const QUIET: Duration = Duration::from_secs(10);
/// Events that are made ready at once for one reader.
const BATCH: usize = 256;

/// The last events, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// At most 10 000 are kept.
    pub events: Vec<Event>,
    /// The id that the next event will have.
    pub next: u64,
}

/// Something that happened. Its kind may have fields of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// 1 and up, without gaps.
    pub id: u64,
    /// When it happened.
    #[schema(format = DateTime)]
    pub time: String,
    /// The epoch of the switch, after a transition.
    pub epoch: u64,
    /// `announced`, `cut_over`, `aborted`, `drained` and `drain_timed_out` are transitions: they also say
    /// `by` whom, and the `phase` that they led to. `refused`, `engine_left`, `timer_paused`, `timer_resumed`, `reloaded`,
    /// `reload_refused`, `fault`, and others.
    #[schema(example = "cut_over")]
    pub kind: String,
    /// The strategy that was left.
    #[schema(required)]
    pub from: Option<Strategy>,
    /// The strategy that is turned to.
    #[schema(required)]
    pub to: Option<Strategy>,
    /// One sentence.
    pub message: String,
    /// What else its kind has to tell.
    #[serde(flatten)]
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub details: Map<String, Value>,
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those after the one of this id.
    #[param(minimum = 0)]
    after: Option<i64>,
}

impl Which {
    fn after(&self) -> Result<Option<u64>, Problem> {
        self.after.map(u64::try_from).transpose().map_err(|_| {
            let expected = "after: expected a whole number of 0 or more";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_parameter", expected)
        })
    }
}

/// The last events: transitions, commands, refusals.
#[utoipa::path(get, path = paths::EVENTS, tag = "events", params(Which), responses((status = 200, body = Events)))]
pub(super) async fn events(
    extract::State(shared): extract::State<Arc<Shared>>,
    Params(which): Params<Which>,
) -> Result<Json<Events>, Problem> {
    let journal = &shared.handles.journal;
    let events = journal.after(which.after()?.unwrap_or(0), KEPT);
    let next = events.last().map_or_else(|| journal.next(), |last| last.id + 1);
    Ok(Json(Events { events: events.iter().map(|record| Event::from(&**record)).collect(), next }))
}

/// Events as they happen, and the state at each and once a second, as server-sent events. Goes on where
/// `Last-Event-ID` or `after` left off; else begins now.
#[utoipa::path(get, path = paths::EVENT_STREAM, tag = "events",
    params(Which, ("last-event-id" = Option<String>, Header, description = "The id of the last event that was received")),
    responses((status = 200, description = "`event: KIND`, `id: RUN-ID`, `data: the event`; `event: state`, `data: the state`",
        content_type = "text/event-stream", body = String)))]
pub(super) async fn stream(
    extract::State(shared): extract::State<Arc<Shared>>,
    Params(which): Params<Which>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let last = headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let reader = Reader::new(shared, last, which.after()?);
    let events = stream::unfold(reader, |mut reader| async {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(QUIET)))
}

/// Where one reader of the stream is.
struct Reader {
    shared: Arc<Shared>,
    /// The last event that it got.
    after: u64,
    ready: VecDeque<sse::Event>,
    changed: watch::Receiver<u64>,
    beat: Interval,
}

impl Reader {
    fn new(shared: Arc<Shared>, last: Option<String>, after: Option<u64>) -> Self {
        let next = shared.handles.journal.next();
        let after = match last {
            Some(last) => match last.rsplit_once('-') {
                Some((run, id)) if run == shared.run() => id.parse().unwrap_or(0),
                Some(_) => 0,
                None => last.parse().unwrap_or(0),
            },
            None => after.unwrap_or(next - 1),
        };
        let mut changed = shared.handles.journal.changed();
        changed.mark_changed();
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What has not happened yet was an event of another run.
        let after = if after < next { after } else { 0 };
        Self { shared, after, ready: VecDeque::new(), changed, beat }
    }

    /// The next event; none at the end of the server.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let end = self.shared.end.clone();
            tokio::select! {
                biased;
                () = end.cancelled() => return None,
                _ = self.changed.changed() => {}
                _ = self.beat.tick(), if self.shared.handles.switch.is_some() => {}
            }
            self.fill();
        }
    }

    fn fill(&mut self) {
        let run = self.shared.run();
        let records = self.shared.handles.journal.after(self.after, BATCH);
        if records.len() == BATCH {
            self.changed.mark_changed();
        }
        for record in records {
            self.after = record.id;
            let event = sse::Event::default().event(record.note.kind).id(format!("{run}-{}", record.id));
            self.ready.extend(event.json_data(Event::from(&*record)));
        }
        if let Some(switch) = &self.shared.handles.switch {
            let state = self.shared.state(switch.view());
            self.ready.extend(sse::Event::default().event("state").json_data(state));
        }
    }
}

impl Shared {
    /// Tells this run of the server from others.
    fn run(&self) -> String {
        format!("{:x}", self.handles.journal.started().timestamp_micros())
    }
}

impl From<&Record> for Event {
    fn from(record: &Record) -> Self {
        let note = record.note.clone();
        Self {
            id: record.id,
            time: told(record.time),
            epoch: note.epoch,
            kind: note.kind.to_owned(),
            from: note.from,
            to: note.to,
            message: note.message,
            details: note.details,
        }
    }
}
