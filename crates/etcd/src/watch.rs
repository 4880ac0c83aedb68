//! Watches: what changes under a range of keys, in order and without a gap, whichever members come and go.

mod inbox;

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Status, Streaming};
use tracing::debug;

use self::inbox::{Inbox, News};
use crate::{
    Client, Error, KeyValue, Keys, MAX_ANSWER, MAX_BATCHES, MAX_EVENTS, Retry,
    call::About,
    member::Transport,
    pb::{
        WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse, watch_client::WatchClient,
        watch_request::RequestUnion,
    },
};

/// How long is waited before a watch is opened again that ended without a news, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A change of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was put, or created.
    Put(KeyValue),
    /// It was deleted, or its lease ended.
    Deleted {
        /// The key.
        key: Bytes,
        /// The revision of the deletion.
        revision: i64,
    },
}

/// All changes of one or more revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The last of the revisions.
    pub revision: i64,
    /// In the order of revisions.
    pub events: Vec<Event>,
}

/// A running watch. It ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    changes: Receiver<Result<Changes, Error>>,
    _task: AbortOnDropHandle<()>,
}

impl Client {
    /// Watches `keys` from revision `from` on, that included; it must be positive. The watch moves to another member by
    /// itself when its member ends it, dies or is silent. While it waits for one it says nothing; and it says nothing
    /// where etcd has lost its data, until that comes to revision `from` again.
    pub fn watch(&self, keys: impl Into<Keys>, from: i64) -> Watch {
        let (sender, changes) = mpsc::channel(MAX_BATCHES);
        let inbox = Inbox::new(from.max(1));
        let following =
            Following { client: self.clone(), keys: keys.into(), inbox, pause: Duration::ZERO, sender };
        Watch { changes, _task: AbortOnDropHandle::new(tokio::spawn(following.run())) }
    }
}

impl Watch {
    /// The next changes. It may be dropped and called again without a loss. After an error there is `None`: the watch
    /// has ended, with [`Error::Compacted`] if revisions that it has not seen are gone, or with what no member can mend.
    pub async fn next(&mut self) -> Option<Result<Changes, Error>> {
        self.changes.recv().await
    }
}

struct Following {
    client: Client,
    keys: Keys,
    inbox: Inbox,
    pause: Duration,
    sender: Sender<Result<Changes, Error>>,
}

/// A stream on which a watch is created.
struct Opened {
    answers: Streaming<WatchResponse>,
    requests: Sender<WatchRequest>,
    first: WatchResponse,
}

/// Why a stream is followed no longer.
enum Over {
    /// Another one may go on from there.
    Lost { why: String, is_silent: bool },
    /// The watch has ended.
    Ended(Error),
    /// Nobody reads any more.
    Unread,
}

impl Following {
    async fn run(mut self) {
        loop {
            let error = match self.open().await {
                Ok((opened, member)) => {
                    let serial = self.client.shared().members.all()[member].serial();
                    match self.follow(opened, member).await {
                        Over::Lost { why, is_silent } => {
                            let shared = self.client.shared();
                            let member = &shared.members.all()[member];
                            debug!("etcd: the watch at {} is lost ({why})", member.name);
                            member.set_aside(shared.settings.aside, is_silent.then_some(serial));
                            self.inbox.interrupted();
                            None
                        }
                        Over::Ended(error) => Some(error),
                        Over::Unread => return,
                    }
                }
                Err(error) => Some(error).filter(is_final),
            };
            if let Some(error) = error {
                if let Ok(place) = self.sender.reserve().await {
                    place.send(Err(error));
                }
                return;
            }
            sleep(self.pause).await;
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }

    async fn open(&self) -> Result<(Opened, usize), Error> {
        let create = WatchCreateRequest {
            key: self.keys.first.clone(),
            range_end: self.keys.end.clone(),
            start_revision: self.inbox.next(),
            progress_notify: true,
            fragment: true,
        };
        let shared = self.client.shared();
        let about = About { op: "watch", revision: self.inbox.next(), lease: 0 };
        let opened = shared.call(about, Retry::Idempotent, self.client.deadline(), create, open).await?;
        Ok((opened.answer, opened.member))
    }

    async fn follow(&mut self, opened: Opened, member: usize) -> Over {
        let Opened { mut answers, requests, first } = opened;
        let id = first.watch_id;
        let silence = self.client.shared().settings.silence;
        let mut is_asked = false;
        let mut answer = Some(first);
        loop {
            if let Some(answer) = answer.take() {
                match self.inbox.take(answer, id) {
                    News::None => {}
                    News::Changes(changes) => {
                        self.pause = Duration::ZERO;
                        match self.sender.reserve().await {
                            Ok(place) => place.send(Ok(changes)),
                            Err(_) => return Over::Unread,
                        }
                    }
                    News::Compacted { asked, revision } => {
                        return Over::Ended(Error::Compacted { asked, revision: Some(revision) });
                    }
                    News::Canceled(why) => return Over::Lost { why, is_silent: false },
                    News::TooMany { revision } => {
                        let member = self.client.shared().members.all()[member].name.clone();
                        let said = format!("revision {revision} changes more than {MAX_EVENTS} keys");
                        return Over::Ended(Error::AnswerTooLarge { member, said });
                    }
                }
            }
            let lost = |why: &str, is_silent| Over::Lost { why: why.to_owned(), is_silent };
            match timeout(silence, answers.message()).await {
                Ok(Ok(Some(more))) => (is_asked, answer) = (false, Some(more)),
                Ok(Ok(None)) => return lost("its stream ended", false),
                Ok(Err(status)) => return lost(status.message(), false),
                Err(_) if is_asked => return lost("it is silent", true),
                Err(_) => {
                    // A member that lives answers at once, whether there is news or not.
                    let union = Some(RequestUnion::ProgressRequest(WatchProgressRequest {}));
                    if requests.try_send(WatchRequest { request_union: union }).is_err() {
                        return lost("it takes no requests", true);
                    }
                    is_asked = true;
                }
            }
        }
    }
}

/// Whether no other member, and no later try, would do better.
fn is_final(error: &Error) -> bool {
    matches!(
        error.last(),
        Error::Compacted { .. }
            | Error::NoRights { .. }
            | Error::NeedsUser { .. }
            | Error::WrongPassword { .. }
            | Error::Refused { .. }
            | Error::AnswerTooLarge { .. }
    )
}

/// Opens a stream and creates a watch on it.
async fn open(transport: Transport, request: Request<WatchCreateRequest>) -> Result<Opened, Status> {
    let (metadata, extensions, create) = request.into_parts();
    let (requests, outgoing) = mpsc::channel(2);
    let union = Some(RequestUnion::CreateRequest(create));
    requests.try_send(WatchRequest { request_union: union }).map_err(|_| Status::internal("it is full"))?;
    let outgoing =
        stream::unfold(outgoing, |mut outgoing| async { outgoing.recv().await.map(|next| (next, outgoing)) });
    let mut client = WatchClient::new(transport).max_decoding_message_size(MAX_ANSWER);
    let answers = client.watch(Request::from_parts(metadata, extensions, outgoing)).await?;
    let mut answers = answers.into_inner();
    let Some(first) = answers.message().await? else {
        return Err(Status::unavailable("the stream ended before the watch was created"));
    };
    if first.canceled && first.compact_revision == 0 {
        return Err(match first.cancel_reason {
            reason if reason.contains("permission denied") => Status::permission_denied(reason),
            reason if reason.contains("auth") => Status::unauthenticated(reason),
            reason => Status::unavailable(reason),
        });
    }
    Ok(Opened { answers, requests, first })
}
