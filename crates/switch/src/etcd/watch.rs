//! How an instance keeps up with etcd: it lists everything at one revision, then watches from the next one on, and lists
//! anew if the watch has lost its place. What it learns comes out as plain values.

use std::time::Duration;

use teal_etcd::{Answer, Event, KeyValue, Op, Range, Retry, Txn};
use tokio::{
    select,
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    board::{Board, MAX_INSTANCES},
    copy::RecordChange,
    counters::{EtcdOp, ResyncReason},
    keys::{BadKey, Name, check_format, read_query},
    store::{Store, StoreError},
};
use crate::queries::Query;

/// How many queries a list may have: four times the default of `--max-queries`.
pub const MAX_LISTED: usize = 4_000_000;
/// How many of them are read at once.
const PAGE: usize = 10_000;
/// How many news wait for their reader; then the watch waits, too.
const WAITING: usize = 4;
/// From one attempt to list everything to the next.
const AGAIN: Duration = Duration::from_secs(1);

/// Something that was learned from etcd.
#[derive(Debug)]
pub enum News {
    /// All there is, at one revision. It takes the place of all that was known before.
    List {
        /// The truth and the instances.
        board: Board,
        /// The queries: id, strategy and birth, revision of the last put.
        queries: Vec<(Box<str>, Query, i64)>,
        /// The instances' descriptions of themselves.
        abouts: Vec<KeyValue>,
    },
    /// The changes since the list, or since the changes before.
    Changes {
        /// For the [board](Board::take): events of other keys are among them.
        events: Vec<Event>,
        /// Of the record.
        record: Vec<RecordChange>,
        /// The last revision of these.
        revision: i64,
    },
    /// The watch has lost its place, or cannot begin. Until the next list nothing is certain but what is read.
    Lost(StoreError),
}

/// A task that keeps up. It ends when this is dropped.
#[derive(Debug)]
pub struct Feed {
    news: mpsc::Receiver<News>,
    anew: watch::Sender<()>,
    _task: AbortOnDropHandle<()>,
}

impl Feed {
    /// Begins with a list.
    pub fn start(store: Store) -> Self {
        let (sender, news) = mpsc::channel(WAITING);
        let (anew, asked) = watch::channel(());
        let task = AbortOnDropHandle::new(tokio::spawn(run(store, sender, asked)));
        Self { news, anew, _task: task }
    }

    /// The next news. It may be dropped and called again without a loss.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }

    /// Lists everything anew: the copy has been found wrong, or etcd to have lost its data.
    pub fn resync(&self) {
        self.anew.send_replace(());
    }
}

/// Until nobody reads any more.
async fn run(store: Store, sender: mpsc::Sender<News>, mut asked: watch::Receiver<()>) {
    loop {
        asked.mark_unchanged();
        let followed = select! {
            biased;
            asked = asked.changed() => match asked {
                Ok(()) => continue,
                // It is dropped together with the receiver of the news.
                Err(_) => return,
            },
            followed = follow(&store, &sender) => followed,
        };
        let Err(error) = followed else { return };
        // Then a list is all that is needed.
        let is_compacted = match &error {
            StoreError::Etcd(error) => matches!(error.last(), teal_etcd::Error::Compacted { .. }),
            _ => false,
        };
        store.counters().resync(if is_compacted { ResyncReason::Compacted } else { ResyncReason::Watch });
        if sender.send(News::Lost(error)).await.is_err() {
            return;
        }
        if !is_compacted {
            sleep(AGAIN).await;
        }
    }
}

/// Lists, then watches, until one of the two fails. `Ok` once nobody reads any more.
async fn follow(store: &Store, sender: &mpsc::Sender<News>) -> Result<(), StoreError> {
    let (board, queries, abouts) = store.list().await?;
    let next = board.revision + 1;
    if sender.send(News::List { board, queries, abouts }).await.is_err() {
        return Ok(());
    }
    let mut watch = store.client.watch(store.prefix.all(), next);
    while let Some(changes) = watch.next().await {
        let teal_etcd::Changes { revision, events } = changes?;
        let mut record = Vec::new();
        for event in &events {
            record.extend(store.change(event)?);
        }
        if sender.send(News::Changes { events, record, revision }).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

type Listed = (Board, Vec<(Box<str>, Query, i64)>, Vec<KeyValue>);

impl Store {
    /// Reads everything at one revision.
    pub async fn list(&self) -> Result<Listed, StoreError> {
        let format = Op::Range(Range::new(self.prefix.format()));
        let txn = self.reads().into_iter().fold(Txn::new(), Txn::then);
        let about = Op::Range(Range::new(self.prefix.abouts()).limit(2 * MAX_INSTANCES));
        let txn = txn.then(about).then(format);
        let mut outcome = self.time(EtcdOp::List, self.client.txn(&txn, Retry::Idempotent)).await?;
        if let Some(Answer::Range(page)) = outcome.answers.pop() {
            page.entries.iter().try_for_each(|format| check_format(&format.key, &format.value))?;
        }
        let abouts = match outcome.answers.pop() {
            Some(Answer::Range(page)) => page.entries,
            _ => Vec::new(),
        };
        let board = self.board(outcome)?;
        let mut queries = Vec::new();
        for number in 0..=u8::MAX {
            let keys = self.prefix.query_range(number);
            let mut next = Some(Range::new(keys).at(board.revision).limit(PAGE));
            while let Some(range) = next {
                let page = self.time(EtcdOp::List, self.client.range(&range)).await?;
                for entry in page.entries {
                    queries.extend(self.listed(&entry)?);
                }
                if queries.len() > MAX_LISTED {
                    return Err(StoreError::TooManyQueries { prefix: self.prefix.to_string() });
                }
                next = page.rest;
            }
        }
        Ok((board, queries, abouts))
    }

    /// How many queries have keys at a revision.
    pub async fn count(&self, revision: i64) -> Result<u64, StoreError> {
        let range = Range::new(self.prefix.queries()).at(revision).count_only();
        Ok(self.time(EtcdOp::List, self.client.range(&range)).await?.count)
    }

    fn listed(&self, entry: &KeyValue) -> Result<Option<(Box<str>, Query, i64)>, BadKey> {
        match self.prefix.name(&entry.key) {
            Ok(Name::Query(id)) => Ok(Some((id, read_query(&entry.key, &entry.value)?, entry.modified))),
            _ => Ok(None),
        }
    }

    /// The change of the record that an event brings. Foreign keys that came later are left alone; a newer format is an error.
    fn change(&self, event: &Event) -> Result<Option<RecordChange>, BadKey> {
        Ok(match event {
            Event::Put(entry) => match self.prefix.name(&entry.key) {
                Ok(Name::Format) => {
                    check_format(&entry.key, &entry.value)?;
                    None
                }
                _ => {
                    self.listed(entry)?.map(|(id, query, revision)| RecordChange::Put { id, query, revision })
                }
            },
            Event::Deleted { key, revision } => match self.prefix.name(key) {
                Ok(Name::Query(id)) => Some(RecordChange::Deleted { id, revision: *revision }),
                _ => None,
            },
        })
    }
}
