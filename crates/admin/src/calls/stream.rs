//! `GET /api/v1/calls/stream`: calls as they end.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract,
    http::HeaderMap,
    response::sse::{self, KeepAlive, Sse},
};
use futures::{Stream, stream};
use proxy::telemetry::history::{Filter, History, Since};
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Which;
use crate::{ErrorAnswer, Params, Problem, Shared, paths};

/// How often the history is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The keep-alive interval.
const QUIET: Duration = Duration::from_secs(10);
/// The number of calls that are prepared at once for one reader.
const BATCH: u64 = 256;

/// Stream calls as they end, as server-sent events. The stream resumes after `Last-Event-ID` or `after`, begins with
/// `since`, and otherwise starts now. A reader that is too slow loses calls.
#[utoipa::path(get, path = paths::CALL_STREAM, tag = "calls",
    params(Which, ("last-event-id" = Option<String>, Header, description = "The id of the last event that was received")),
    responses((status = 200, description = "`event: call`, `id: RUN-ID`, `data: the call`; `event: lost`, \
        `data: {\"lost\": N}` where N calls left the history unread; `id: RUN-ID` alone after calls that were not \
        asked for", content_type = "text/event-stream", body = String),
        (status = 404, description = "No calls are kept", body = ErrorAnswer)))]
pub(crate) async fn call_stream(
    extract::State(shared): extract::State<Arc<Shared>>,
    Params(which): Params<Which>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let history = shared.history()?;
    let filter = which.filter(&shared, &history)?;
    let last = headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let after = match last {
        Some(last) => Some(shared.position(&last)),
        None => which.after()?,
    };
    let reader = Reader::new(shared, history, filter, after);
    let calls = stream::unfold(reader, |mut reader| async {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    Ok(Sse::new(calls).keep_alive(KeepAlive::new().interval(QUIET)))
}

/// The position of one reader of the stream.
struct Reader {
    shared: Arc<Shared>,
    history: History,
    filter: Filter,
    run: String,
    /// The id of the last call that it has got, or that is not for it.
    after: u64,
    ready: VecDeque<sse::Event>,
    look: Interval,
}

impl Reader {
    fn new(shared: Arc<Shared>, history: History, filter: Filter, after: Option<u64>) -> Self {
        let next = history.next();
        // An id from the future belongs to an earlier run of the server.
        let after = after.map(|after| if after < next { after } else { 0 });
        let after = after.unwrap_or(match filter.since {
            Since::Start => next - 1,
            Since::Call(id) => id,
            Since::Epoch(_) | Since::Time(_) => history.oldest(next) - 1,
        });
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let run = shared.run();
        Self { shared, history, filter, run, after, ready: VecDeque::new(), look }
    }

    /// Waits for the next call; `None` when the server shuts down.
    async fn next(&mut self) -> Option<sse::Event> {
        let end = self.shared.end.clone();
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.fill() {
                continue;
            }
            tokio::select! {
                biased;
                () = end.cancelled() => return None,
                _ = self.look.tick() => {}
            }
        }
    }

    /// Prepares calls; returns whether there may be more.
    fn fill(&mut self) -> bool {
        let next = self.history.next();
        let (first, oldest) = (self.after + 1, self.history.oldest(next));
        if first >= next {
            return false;
        }
        let from = first.max(oldest);
        let until = next.min(from + BATCH);
        let found = self.history.read(from, until);
        let lost = until - first - found.len() as u64;
        let id = |id: u64| sse::Event::default().id(format!("{}-{id}", self.run));
        if lost > 0 {
            self.ready.extend(id(from - 1).event("lost").json_data(json!({ "lost": lost })));
        }
        let mut chosen = found;
        chosen.retain(|entry| self.filter.has_begun(entry) && self.history.missed(&self.filter, entry) == 0);
        for call in self.shared.views(&self.history, &chosen) {
            self.ready.extend(id(call.id).event("call").json_data(call));
        }
        self.after = until - 1;
        // A reader that resumes must not look for calls that were not for it: they may have left the history by then.
        if chosen.last().is_none_or(|last| last.id() != self.after) {
            self.ready.push_back(id(self.after));
        }
        true
    }
}
