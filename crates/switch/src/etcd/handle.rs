//! The store, as the gate, operators and the server use it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::OptionFuture;
use parking_lot::Mutex;
use tokio::{
    select,
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinError,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    copy::RecordCopy,
    counters::Counters,
    lease::Deadline,
    look_up::{LookUp, Reader},
    record::{Recorded, Recorder},
    sight::{InstanceState, Instances, Sight},
    store::{Own, StoreError},
};
use crate::{
    course::{TransitionKind, Truth},
    phase::Actor,
    queries::{Queries, Query, Touched},
};

/// How many orders and retractions wait. More fail at once.
pub const MAX_ASKS: usize = 1024;
/// How long an order waits for other instances.
pub const ORDER_WITHIN: Duration = Duration::from_secs(5);

/// The store, as one instance uses it. A clone is the same.
#[derive(Clone, Debug)]
pub struct Handle {
    /// The name of the instance.
    pub(super) name: Arc<str>,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) own: watch::Receiver<Option<Own>>,
    pub(super) deadline: Deadline,
    pub(super) copy: Arc<Mutex<RecordCopy>>,
    pub(super) table: Arc<Queries>,
    pub(super) recorder: Recorder,
    pub(super) reader: Reader,
    pub(super) changed: Arc<Notify>,
    pub(super) sight: Sight,
}

/// The task that drives an instance. It ends when this is dropped; then the instance loses its lease.
#[derive(Debug)]
pub struct Task {
    pub(super) driver: AbortOnDropHandle<()>,
}

impl Task {
    /// Waits until the instance has left, or its driver has panicked.
    pub async fn ended(&mut self) -> Result<(), JoinError> {
        (&mut self.driver).await
    }
}

/// A request to the driver.
#[derive(Debug)]
pub(super) enum Ask {
    Order { order: TransitionOrder, done: oneshot::Sender<Result<Truth, OrderError>> },
    Timer { order: TimerOrder, done: oneshot::Sender<Result<bool, OrderError>> },
    Retract { done: oneshot::Sender<()> },
    CatchUp { epoch: u64, done: oneshot::Sender<()> },
    Leave { done: oneshot::Sender<Result<(), StoreError>> },
}

/// A transition that somebody orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransitionOrder {
    /// Which one.
    pub kind: TransitionKind,
    /// The actor that orders it.
    pub by: Actor,
    /// In this epoch alone.
    pub epoch: Option<u64>,
    /// A cutover to an unhealthy engine, too.
    pub is_forced: bool,
}

/// An order to pause the timer, or to let it go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerOrder {
    /// To pause it.
    pub pauses: bool,
    /// The actor that orders it.
    pub by: Actor,
    /// In this epoch alone.
    pub epoch: Option<u64>,
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It does not fit the phase.
    #[error(transparent)]
    Invalid(#[from] crate::InvalidTransition),
    /// It was meant for an epoch that is over.
    #[error("the state has moved on: epoch {epoch}, not epoch {seen}")]
    Stale {
        /// The present epoch.
        epoch: u64,
        /// The one that it was meant for.
        seen: u64,
    },
    /// Another instance has not come along in time.
    #[error("{0}")]
    Waiting(String),
    /// Another instance sees the pending engine unhealthy.
    #[error("{0}")]
    Unhealthy(String),
    /// The instance has lost etcd.
    #[error("lost etcd: no command is carried out")]
    CutOff,
    /// etcd refuses what the order needs.
    #[error("{0}")]
    Failed(String),
    /// Too many orders wait.
    #[error("too many commands wait: expected at most {MAX_ASKS}")]
    Busy,
}

impl Handle {
    /// The incarnation that is live: since it has followed the truth, until its key is known to be gone.
    pub fn own(&self) -> Option<Own> {
        *self.own.borrow()
    }

    /// Whether the instance may have lost its lease, or has not joined yet. Looked at by each judgement.
    pub fn is_cut_off(&self) -> bool {
        self.deadline.is_over()
    }

    /// Whether a task that it needs has ended, though nobody has left. Then it stays cut off.
    pub fn has_failed(&self) -> bool {
        let is_over = self.asks.is_closed() || self.recorder.has_ended() || self.reader.has_ended();
        is_over && self.state() != InstanceState::Leaving
    }

    /// The answer to calls that need etcd while the instance is cut off. No client takes it for a 456 or a 503.
    pub fn lost(&self) -> String {
        format!("teal {} has lost etcd", self.name)
    }

    /// When it may have lost its lease.
    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// All instances, as this one sees them.
    pub fn instances(&self) -> Instances {
        self.sight.instances()
    }

    /// How this instance stands with etcd.
    pub fn state(&self) -> InstanceState {
        self.sight.state()
    }

    /// Queries on record, by strategy: the same at all instances.
    pub fn queries(&self) -> [u64; 2] {
        self.sight.queries()
    }

    /// The counters of the use of etcd.
    pub fn counters(&self) -> &Arc<Counters> {
        self.sight.counters()
    }

    /// Tells the other instances where operators reach the admin API of this one.
    pub fn set_admin(&self, admin: Option<String>) {
        self.sight.set_admin(admin);
    }

    /// Tells the other instances settings of the server that ought to be the same everywhere, besides the rules: the
    /// engines' addresses. Two switches that were given one prefix by mistake differ in them.
    pub fn set_settings(&self, settings: BTreeMap<String, String>) {
        self.sight.set_settings(settings);
    }

    /// The copy of the record.
    pub fn copy(&self) -> &Mutex<RecordCopy> {
        &self.copy
    }

    /// The switch has changed: what it reports or wishes may be another thing.
    pub fn changed(&self) {
        self.changed.notify_one();
    }

    /// Puts a query on record. `own`: the incarnation when its begin came.
    pub fn put(&self, own: Own, id: &str, query: Query) -> impl Future<Output = Recorded> + Send + use<> {
        let is_full = self.table.len() >= self.table.limit();
        let put = (!is_full).then(|| self.recorder.put(own, id, query));
        async move { OptionFuture::from(put).await.unwrap_or(Recorded::Full) }
    }

    /// How many queries there may be for another one to be put on record.
    pub(crate) fn limit(&self) -> usize {
        self.table.limit()
    }

    /// A query has ended: it is off the record, and its key is deleted when there is time. `found`: the query, where it
    /// was looked up and the copy may not know it yet.
    pub fn end(&self, id: &str, found: Option<Query>, now: std::time::Instant) -> Option<Query> {
        let query = self.copy.lock().end(id, found, now)?;
        self.recorder.delete(id, query);
        self.changed();
        Some(query)
    }

    /// Puts a query on record for which nobody waits.
    pub(crate) fn put_back(&self, own: Own, id: &str, query: Query) -> bool {
        self.recorder.put_back(own, id, query)
    }

    /// Puts the key of a query again that a request was about, if the last put is so old that the key would go by age.
    pub(crate) fn put_again_if_due(&self, id: Option<&str>, touched: Option<Touched>) {
        if let (Some(id), Some(Touched { query, is_put_due: true }), Some(own)) = (id, touched, self.own()) {
            self.put_back(own, id, query);
        }
    }

    /// Reads the truth, and the query of an id, before a call is judged.
    pub async fn look_up(&self, id: Option<&str>) -> LookUp {
        self.reader.look_up(id).await
    }

    /// Takes back a report of quiet. Resolves once nobody can end the drain because of it, with `true`; or with `false`
    /// if the instance is cut off before. Then the request is judged again. It has to be counted meanwhile, or quiet would
    /// be reported anew.
    pub async fn retract_quiet(&self) -> bool {
        let (done, retracted) = oneshot::channel();
        let sent = self.asks.try_send(Ask::Retract { done });
        select! {
            biased;
            done = retracted, if sent.is_ok() => done.is_ok(),
            () = self.deadline.passed() => false,
            else => false,
        }
    }

    /// Waits until a truth of this epoch is followed. Revisions would not do: they begin anew where etcd has lost its data. False if the instance is cut off before.
    pub async fn catch_up(&self, epoch: u64) -> bool {
        let (done, followed) = oneshot::channel();
        let sent = self.asks.try_send(Ask::CatchUp { epoch, done });
        select! {
            biased;
            done = followed, if sent.is_ok() => done.is_ok(),
            () = self.deadline.passed() => false,
            else => false,
        }
    }

    /// Orders a transition. Where other instances have to come along it waits for them for a while.
    pub async fn order(&self, order: TransitionOrder) -> Result<Truth, OrderError> {
        let (done, ordered) = oneshot::channel();
        self.asked(Ask::Order { order, done }, ordered).await
    }

    /// Pauses the timer or lets it go on. Says whether it did not before.
    pub async fn set_timer(&self, order: TimerOrder) -> Result<bool, OrderError> {
        let (done, ordered) = oneshot::channel();
        self.asked(Ask::Timer { order, done }, ordered).await
    }

    async fn asked<T>(
        &self,
        ask: Ask,
        ordered: oneshot::Receiver<Result<T, OrderError>>,
    ) -> Result<T, OrderError> {
        self.asks.try_send(ask).map_err(|_| OrderError::Busy)?;
        select! {
            biased;
            done = ordered => done.unwrap_or(Err(OrderError::CutOff)),
            () = self.deadline.passed() => Err(OrderError::CutOff),
        }
    }

    /// Waits until the instance has followed the truth and is live.
    pub async fn ready(&self) {
        // The sender is there as long as the task, which this handle holds.
        _ = self.own.clone().wait_for(Option::is_some).await;
    }

    /// Leaves, once all that is on its way is written, or after `within`. The key goes last.
    pub async fn leave(&self, within: Duration) -> Result<(), StoreError> {
        self.recorder.flush(within).await;
        let (done, left) = oneshot::channel();
        match self.asks.send(Ask::Leave { done }).await {
            Ok(()) => left.await.unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }
}
