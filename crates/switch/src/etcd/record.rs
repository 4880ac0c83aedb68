//! Queries come on record, and leave it, in group commits: what waits goes into one transaction. A begin's message waits
//! until the query's key is in etcd; a deletion is waited for by nobody.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use protocol::Strategy;
use teal_etcd::{Op, Outcome, Retry, Txn};
use tokio::{
    select,
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    copy::{RecordCopy, of},
    counters::EtcdOp,
    keys::write_query,
    lease::Deadline,
    store::{Own, Store, StoreError},
};
use crate::{course::Course, queries::Query};

/// How many puts and deletions a transaction has.
pub const MAX_BATCH: usize = 64;
/// How many transactions are in flight at once.
pub const MAX_COMMITS: usize = 4;
/// How many puts and deletions wait. More puts fail at once.
pub const MAX_QUEUE: usize = 65_536;
/// How many of those that wait are looked through for the next transaction.
const LOOK_AHEAD: usize = 4 * MAX_BATCH;
/// From one attempt to the next, where etcd does not do it.
const AGAIN: Duration = Duration::from_millis(100);

/// The outcome of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is on record.
    Done,
    /// This incarnation of the instance may be over. The query is not on record.
    CutOff,
    /// etcd refuses it. The query is not on record.
    Failed(String),
    /// Too much waits already. The query is not on record.
    Busy,
    /// Too many queries are on record. This one is not.
    Full,
}

/// Puts queries on record and takes them off. A clone is the same.
#[derive(Clone, Debug)]
pub struct Recorder {
    asks: mpsc::Sender<Ask>,
    on_the_way: Arc<OnTheWay>,
    _task: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
enum Ask {
    Put { own: Own, id: Box<str>, query: Query, done: Option<oneshot::Sender<Recorded>> },
    Delete { id: Box<str>, query: Query },
}

/// One transaction's worth.
#[derive(Debug, Default)]
struct Batch {
    /// Under whose guard the puts are.
    own: Option<Own>,
    asks: Vec<Ask>,
}

struct Writer {
    store: Store,
    copy: Arc<Mutex<RecordCopy>>,
    deadline: Deadline,
    on_the_way: Arc<OnTheWay>,
}

/// The puts and deletions that are not done yet.
#[derive(Debug, Default)]
struct OnTheWay {
    count: AtomicUsize,
    /// How many there are about each kind of query: their strategy and birth.
    kinds: Mutex<BTreeMap<(usize, u64), usize>>,
    idle: Notify,
}

impl OnTheWay {
    fn add(&self, query: Query) {
        *self.kinds.lock().entry(of(query)).or_default() += 1;
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    fn remove(&self, query: Query) {
        {
            let mut kinds = self.kinds.lock();
            if let Some(count) = kinds.get_mut(&of(query)) {
                *count -= 1;
                if *count == 0 {
                    kinds.remove(&of(query));
                }
            }
        }
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
    }
}

impl Recorder {
    /// Writes for this instance, whose copy of the record learns what is done.
    pub fn start(store: Store, copy: Arc<Mutex<RecordCopy>>, deadline: Deadline) -> Self {
        let (asks, asked) = mpsc::channel(MAX_QUEUE);
        let on_the_way = Arc::<OnTheWay>::default();
        let writer = Writer { store, copy, deadline, on_the_way: Arc::clone(&on_the_way) };
        let task = AbortOnDropHandle::new(tokio::spawn(writer.run(asked)));
        Self { asks, on_the_way, _task: Arc::new(task) }
    }

    /// Puts a query on record. `own`: the incarnation of the instance when the begin came. Resolves once it is in etcd,
    /// or is not going to be.
    pub fn put(&self, own: Own, id: &str, query: Query) -> impl Future<Output = Recorded> + Send + use<> {
        let (done, recorded) = oneshot::channel();
        let is_queued = self.ask(Ask::Put { own, id: id.into(), query, done: Some(done) });
        async move {
            match is_queued {
                true => recorded.await.unwrap_or(Recorded::CutOff),
                false => Recorded::Busy,
            }
        }
    }

    /// Puts a query back on record, for which nobody waits. False if too much waits already.
    pub(super) fn put_back(&self, own: Own, id: &str, query: Query) -> bool {
        self.ask(Ask::Put { own, id: id.into(), query, done: None })
    }

    /// Deletes the key of a query that has ended. If too much waits already the key stays, and goes by age.
    pub fn delete(&self, id: &str, query: Query) -> bool {
        self.ask(Ask::Delete { id: id.into(), query })
    }

    /// Whether a put or deletion that is not done yet is about a query that holds the drain of a course. Others are
    /// always on the way where there is much to do.
    pub(super) fn holds(&self, course: &Course) -> bool {
        let holds = |(strategy, birth): &(usize, u64)| course.holds_drain(Strategy::ALL[*strategy], *birth);
        self.on_the_way.kinds.lock().keys().any(holds)
    }

    /// Whether nothing is written any more.
    pub(super) fn has_ended(&self) -> bool {
        self.asks.is_closed()
    }

    /// How many puts and deletions are not done yet.
    pub fn on_the_way(&self) -> usize {
        self.on_the_way.count.load(Ordering::Acquire)
    }

    /// Resolves once nothing is on its way.
    pub async fn idle(&self) {
        loop {
            let idle = self.on_the_way.idle.notified();
            if self.on_the_way() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// The same, but after `within` at the latest. Says whether nothing is on its way.
    pub async fn flush(&self, within: Duration) -> bool {
        timeout(within, self.idle()).await.is_ok()
    }

    fn ask(&self, ask: Ask) -> bool {
        let query = ask.query();
        self.on_the_way.add(query);
        let is_queued = self.asks.try_send(ask).is_ok();
        if !is_queued {
            self.on_the_way.remove(query);
        }
        is_queued
    }
}

impl Ask {
    fn id(&self) -> &str {
        match self {
            Self::Put { id, .. } | Self::Delete { id, .. } => id,
        }
    }

    fn query(&self) -> Query {
        match self {
            Self::Put { query, .. } | Self::Delete { query, .. } => *query,
        }
    }
}

impl Batch {
    /// Takes what waits longest: each query once, none of which another transaction is in flight, and puts of one
    /// incarnation. About each query the order stays.
    fn take(waiting: &mut VecDeque<Ask>, in_flight: &HashSet<Box<str>>) -> Self {
        let mut batch = Self::default();
        let (mut ids, mut later) = (HashSet::<Box<str>>::new(), VecDeque::new());
        for _ in 0..LOOK_AHEAD.min(waiting.len()) {
            let Some(ask) = waiting.pop_front() else { break };
            let is_free = batch.asks.len() < MAX_BATCH && !in_flight.contains(ask.id());
            let is_first = ids.insert(ask.id().into());
            let is_guarded = match &ask {
                Ask::Put { own, .. } => *batch.own.get_or_insert(*own) == *own,
                Ask::Delete { .. } => true,
            };
            match is_free && is_first && is_guarded {
                true => batch.asks.push(ask),
                false => later.push_back(ask),
            }
        }
        later.append(waiting);
        *waiting = later;
        batch
    }

    fn txn(&self, store: &Store) -> Txn {
        let mut txn = Txn::new();
        if let Some(own) = self.own {
            txn = txn.when(store.guard(own));
        }
        for ask in &self.asks {
            let key = store.prefix.query(ask.id());
            txn = match ask {
                Ask::Put { query, .. } => txn.then(Op::put(key, write_query(*query))),
                // Whatever becomes of the puts.
                Ask::Delete { .. } => txn.then(Op::delete(key.clone())).or_else(Op::delete(key)),
            };
        }
        txn
    }
}

impl Writer {
    async fn run(self, mut asked: mpsc::Receiver<Ask>) {
        let mut waiting = VecDeque::new();
        let mut in_flight = HashSet::new();
        let mut commits = FuturesUnordered::new();
        let mut more = Vec::new();
        loop {
            while commits.len() < MAX_COMMITS {
                let batch = Batch::take(&mut waiting, &in_flight);
                if batch.asks.is_empty() {
                    break;
                }
                in_flight.extend(batch.asks.iter().map(|ask| Box::from(ask.id())));
                commits.push(self.commit(batch));
            }
            select! {
                biased;
                Some((ids, again)) = commits.next() => {
                    for id in &ids {
                        in_flight.remove(id);
                    }
                    waiting.extend(again);
                }
                // Nobody asks any more once this is `None`: then the task is about to end.
                got = asked.recv_many(&mut more, MAX_BATCH), if waiting.len() < MAX_QUEUE => {
                    if got == 0 {
                        return;
                    }
                    waiting.extend(more.drain(..));
                }
            }
        }
    }

    /// Commits a batch. Says of which queries it was, and what remains to be done about them.
    async fn commit(&self, mut batch: Batch) -> (Vec<Box<str>>, Vec<Ask>) {
        let ids = batch.asks.iter().map(|ask| ask.id().into()).collect();
        let mut again = Vec::new();
        while !batch.asks.is_empty() {
            let txn = batch.txn(&self.store);
            self.store.counters().batch(batch.asks.len());
            let written = self.store.client.txn(&txn, Retry::Idempotent);
            let answer = select! {
                biased;
                answer = self.store.time(EtcdOp::Record, written) => answer,
                () = self.deadline.passed(), if batch.own.is_some() => {
                    again.extend(self.give_up(&mut batch, &Recorded::CutOff, true));
                    continue;
                }
            };
            match answer {
                Ok(outcome) => {
                    // Another incarnation's puts are refused, but what was to be deleted is.
                    if !outcome.succeeded {
                        again.extend(self.give_up(&mut batch, &Recorded::CutOff, outcome.repeated));
                    }
                    again.extend(self.done(std::mem::take(&mut batch), &outcome));
                }
                // A put without an answer is tried again. So is a deletion, whatever etcd says.
                Err(error) if error.is_outage() || batch.own.is_none() => sleep(AGAIN).await,
                Err(error) => {
                    let is_unsure = matches!(&error, StoreError::Etcd(error) if error.may_have_applied());
                    let failed = Recorded::Failed(error.to_string());
                    again.extend(self.give_up(&mut batch, &failed, is_unsure));
                }
            }
        }
        (ids, again)
    }

    /// Tells what is done. Returns what has to be deleted: queries whose begins are gone meanwhile.
    fn done(&self, batch: Batch, outcome: &Outcome) -> Vec<Ask> {
        let mut copy = self.copy.lock();
        let mut again = Vec::new();
        for ask in batch.asks {
            let about = ask.query();
            match ask {
                Ask::Put { id, query, done, .. } => {
                    copy.put(&id, query, outcome.revision);
                    if done.is_some_and(|done| done.send(Recorded::Done).is_err()) {
                        copy.end(&id, None, Instant::now().into_std());
                        again.push(Ask::Delete { id, query });
                        continue;
                    }
                }
                Ask::Delete { id, .. } => copy.deleted(&id, outcome.revision),
            }
            self.on_the_way.remove(about);
        }
        again
    }

    /// Tells the begins of a batch that their queries are not on record. Returns what has to be deleted later: puts that
    /// may have been applied. The batch keeps its deletions.
    fn give_up(&self, batch: &mut Batch, recorded: &Recorded, is_unsure: bool) -> Vec<Ask> {
        let (mut again, mut deletions) = (Vec::new(), Vec::new());
        for ask in batch.asks.drain(..) {
            match ask {
                Ask::Put { id, query, done, .. } => {
                    done.map(|done| done.send(recorded.clone()));
                    match is_unsure {
                        true => again.push(Ask::Delete { id, query }),
                        false => self.on_the_way.remove(query),
                    }
                }
                delete @ Ask::Delete { .. } => deletions.push(delete),
            }
        }
        *batch = Batch { own: None, asks: deletions };
        again
    }
}
