//! Look-ups: queries that the copy does not know, and the truth, read before a call is judged. What waits is read at once.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use teal_etcd::{Op, Range, Retry, Txn};
use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    board::{Board, Kept},
    counters::EtcdOp,
    keys::read_query,
    lease::Deadline,
    store::{Store, StoreError, entries},
};
use crate::{course::Truth, queries::Query};

/// How many ids are read at once.
pub const MAX_IDS: usize = 64;
/// How many reads are in flight at once.
pub const MAX_READS: usize = 4;
/// How many calls wait for a look-up. More fail at once.
pub const MAX_LOOK_UPS: usize = 65_536;
/// An answer that took longer is thrown away: meanwhile the lease may have ended, and much may have happened.
pub const FRESH: Duration = Duration::from_secs(1);
/// From one attempt to the next, where etcd does not answer.
const AGAIN: Duration = Duration::from_millis(50);

/// The outcome of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// As it was in etcd at one moment after the look-up was asked for.
    Found(Looked),
    /// The instance may have lost its lease before etcd answered.
    CutOff,
    /// etcd refuses, or holds what teal does not write.
    Failed(String),
    /// Too many calls wait already.
    Busy,
}

/// The truth and the query that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The truth. It may be newer than the view: follow it first.
    pub truth: Kept<Truth>,
    /// The query of the id that was named, if it has a key.
    pub query: Option<Query>,
}

/// Reads for calls. A clone is the same.
#[derive(Clone, Debug)]
pub struct Reader {
    asks: mpsc::Sender<Ask>,
    _task: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Ask {
    id: Option<Box<str>>,
    done: oneshot::Sender<LookUp>,
}

impl Reader {
    /// Reads for this instance.
    pub fn start(store: Store, deadline: Deadline) -> Self {
        let (asks, asked) = mpsc::channel(MAX_LOOK_UPS);
        let task = AbortOnDropHandle::new(tokio::spawn(run(store, deadline, asked)));
        Self { asks, _task: Arc::new(task) }
    }

    /// Whether nothing is read any more.
    pub(super) fn has_ended(&self) -> bool {
        self.asks.is_closed()
    }

    /// Reads the truth, and the query of an id if one is named. The read begins after this call.
    pub fn look_up(&self, id: Option<&str>) -> impl Future<Output = LookUp> + Send + use<> {
        let (done, looked) = oneshot::channel();
        let is_queued = self.asks.try_send(Ask { id: id.map(Box::from), done }).is_ok();
        async move {
            match is_queued {
                true => looked.await.unwrap_or(LookUp::CutOff),
                false => LookUp::Busy,
            }
        }
    }
}

async fn run(store: Store, deadline: Deadline, mut asked: mpsc::Receiver<Ask>) {
    let mut waiting = VecDeque::new();
    let mut reads = FuturesUnordered::new();
    let mut more = Vec::new();
    loop {
        while reads.len() < MAX_READS && !waiting.is_empty() {
            let asks: Vec<Ask> = waiting.drain(..MAX_IDS.min(waiting.len())).collect();
            reads.push(read(&store, &deadline, asks));
        }
        select! {
            biased;
            Some(()) = reads.next() => {}
            got = asked.recv_many(&mut more, MAX_IDS), if waiting.len() < MAX_LOOK_UPS => {
                if got == 0 {
                    return;
                }
                waiting.extend(more.drain(..));
            }
        }
    }
}

/// Reads again and again, until there is an answer in time, or nobody may wait any longer.
async fn read(store: &Store, deadline: &Deadline, asks: Vec<Ask>) {
    let keys: Vec<_> = asks.iter().map(|ask| ask.id.as_ref().map(|id| store.prefix.query(id))).collect();
    let found = loop {
        let answer = select! {
            biased;
            answer = timeout(FRESH, store.look_up(&keys)) => answer,
            () = deadline.passed() => break Err(LookUp::CutOff),
        };
        match answer {
            Ok(Ok(Some(found))) => break Ok(found),
            Ok(Err(error)) if !error.is_outage() => break Err(LookUp::Failed(error.to_string())),
            // Too late, nobody there, or no truth: etcd has lost its data, and gets them back.
            Ok(Ok(None) | Err(_)) | Err(_) => sleep(AGAIN).await,
        }
    };
    match found {
        Ok((truth, queries)) => {
            for (ask, query) in asks.into_iter().zip(queries) {
                _ = ask.done.send(LookUp::Found(Looked { truth: truth.clone(), query }));
            }
        }
        Err(failed) => asks.into_iter().for_each(|ask| _ = ask.done.send(failed.clone())),
    }
}

type Found = (Kept<Truth>, Vec<Option<Query>>);

impl Store {
    /// Reads the truth and these keys of queries at one moment. `None` where there is no truth.
    async fn look_up(&self, keys: &[Option<Bytes>]) -> Result<Option<Found>, StoreError> {
        let read = |key: Bytes| Op::Range(Range::new(key));
        let txn = Txn::new().then(read(self.prefix.state()));
        let txn = keys.iter().flatten().cloned().map(read).fold(txn, Txn::then);
        let outcome = self.time(EtcdOp::LookUp, self.client.txn(&txn, Retry::Idempotent)).await?;
        let revision = outcome.revision;
        let mut pages = entries(outcome).into_iter();
        let board = Board::read(&self.prefix, revision, &pages.next().unwrap_or_default())?;
        let Some(truth) = board.truth else { return Ok(None) };
        let mut found = |key: &Option<Bytes>| match key {
            Some(_) => {
                pages.next().unwrap_or_default().first().map(|entry| read_query(&entry.key, &entry.value))
            }
            None => None,
        };
        let queries = keys.iter().map(|key| found(key).transpose()).collect::<Result<_, _>>()?;
        Ok(Some((truth, queries)))
    }
}
