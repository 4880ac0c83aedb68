//! The watches of a member: one to a stream.

use std::{sync::Arc, time::Duration};

use futures::stream::{self, BoxStream};
use tokio::{
    select,
    sync::mpsc::{self, Sender},
    time::{Instant, sleep_until},
};
use tonic::{Status, Streaming, metadata::MetadataMap};

use super::{
    refusals,
    service::Services,
    world::{Mode, World},
};
use crate::{
    Keys,
    pb::{Event, ResponseHeader, WatchRequest, WatchResponse, watch_request::RequestUnion},
};

/// How many messages are ready before their reader comes.
const READY: usize = 4;
/// After how long without events a watch is told how far it has come, as with etcd's default settings.
const PROGRESS: Duration = Duration::from_secs(600);

type Answer = Result<WatchResponse, Status>;

pub(super) fn serve(
    world: &Arc<World>,
    member: usize,
    metadata: MetadataMap,
    requests: Streaming<WatchRequest>,
) -> BoxStream<'static, Answer> {
    let (sender, answers) = mpsc::channel(READY);
    let services = Services { world: Arc::clone(world), member };
    let life = world.state().members[member].life;
    let watching = Watching { services, life, metadata, requests, sender, watch: None };
    tokio::spawn(watching.run());
    Box::pin(stream::unfold(answers, |mut answers| async {
        answers.recv().await.map(|next| (next, answers))
    }))
}

struct Watching {
    services: Services,
    life: u64,
    metadata: MetadataMap,
    requests: Streaming<WatchRequest>,
    sender: Sender<Answer>,
    watch: Option<Created>,
}

struct Created {
    keys: Keys,
    /// The first revision that the watcher has not seen.
    next: i64,
    fragment: bool,
    /// When it is told how far it has come.
    progress: Instant,
}

/// The events that a watch can be sent now, and the time of the next ones.
struct Ready {
    answers: Vec<WatchResponse>,
    more: Option<Instant>,
}

impl Watching {
    /// Until the client leaves, the member dies, or the watch is canceled.
    async fn run(mut self) {
        let error = loop {
            let mut changes = self.services.world.changes();
            if self.services.runs(self.life).await.is_err() {
                break Status::unavailable("the member died");
            }
            if self.services.world.state().members[self.services.member].mode == Mode::Isolated {
                break refusals::no_leader();
            }
            let Ready { answers, more } = self.ready();
            for answer in answers {
                let is_canceled = answer.canceled;
                if self.sender.send(Ok(answer)).await.is_err() || is_canceled {
                    return;
                }
            }
            let later = more.unwrap_or_else(Instant::now);
            select! {
                // In this order, so that a run can be repeated.
                biased;
                request = self.requests.message() => match request {
                    Ok(Some(request)) => if self.services.runs(self.life).await.is_ok() && !self.take(request).await {
                        return;
                    },
                    Ok(None) | Err(_) => return,
                },
                _ = changes.changed() => {}
                () = sleep_until(later), if more.is_some() => {}
                () = self.sender.closed() => return,
            }
        };
        let _ = self.sender.send(Err(error)).await;
    }

    /// Answers a request; says whether the stream goes on.
    async fn take(&mut self, request: WatchRequest) -> bool {
        let (answer, goes_on) = {
            let state = self.services.world.state();
            let header = state.header(self.services.member);
            match request.request_union {
                Some(RequestUnion::CreateRequest(create)) => {
                    let keys = Keys::between(create.key, create.range_end);
                    let refused = self.services.admit(&state, &self.metadata, std::slice::from_ref(&keys));
                    let from = create.start_revision;
                    let next = if from > 0 { from } else { state.store.revision() + 1 };
                    let reason = refused.err().map(|refused| refused.message().to_owned());
                    let goes_on = reason.is_none();
                    let progress = Instant::now() + PROGRESS;
                    self.watch = Some(Created { keys, next, fragment: create.fragment, progress });
                    let cancel_reason = reason.unwrap_or_default();
                    let canceled = !goes_on;
                    (
                        WatchResponse {
                            header,
                            created: true,
                            canceled,
                            cancel_reason,
                            ..WatchResponse::default()
                        },
                        goes_on,
                    )
                }
                Some(RequestUnion::ProgressRequest(_)) => {
                    (WatchResponse { header, watch_id: -1, ..WatchResponse::default() }, true)
                }
                None => return true,
            }
        };
        self.sender.send(Ok(answer)).await.is_ok() && goes_on
    }

    fn ready(&mut self) -> Ready {
        let state = self.services.world.state();
        let Some(watch) = &mut self.watch else { return Ready { answers: Vec::new(), more: None } };
        let header = state.header(self.services.member);
        if watch.next < state.store.compacted() {
            let compact_revision = state.store.compacted();
            let canceled =
                WatchResponse { header, canceled: true, compact_revision, ..WatchResponse::default() };
            return Ready { answers: vec![canceled], more: None };
        }
        let lag = state.members[self.services.member].lag;
        let now = Instant::now();
        let mut events = Vec::new();
        let mut more = None;
        for (revision, entry) in state.store.since(watch.next) {
            if entry.at + lag > now {
                more = Some(entry.at + lag);
                break;
            }
            watch.next = revision + 1;
            let of_watch = |event: &&Event| event.kv.as_ref().is_some_and(|kv| watch.keys.contains(&kv.key));
            events.extend(entry.events.iter().filter(of_watch).cloned());
        }
        if !events.is_empty() {
            watch.progress = now + PROGRESS;
        } else if watch.progress <= now && more.is_none() {
            watch.progress = now + PROGRESS;
            let progress = WatchResponse { header, ..WatchResponse::default() };
            return Ready { answers: vec![progress], more: Some(watch.progress) };
        }
        let more = more.unwrap_or(watch.progress).min(watch.progress);
        let most = if watch.fragment { state.fragment } else { usize::MAX };
        Ready { answers: split(events, most, header), more: Some(more) }
    }
}

fn split(events: Vec<Event>, most: usize, header: Option<ResponseHeader>) -> Vec<WatchResponse> {
    let all = events.len().div_ceil(most);
    let parts = events.chunks(most.min(events.len().max(1))).enumerate();
    let answer = |(index, part): (usize, &[Event])| WatchResponse {
        header,
        fragment: index + 1 < all,
        events: part.to_vec(),
        ..WatchResponse::default()
    };
    parts.map(answer).collect()
}
