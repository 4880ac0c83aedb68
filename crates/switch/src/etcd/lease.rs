//! An instance's own key: it is there while the instance renews its lease, and says how far the instance is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use teal_etcd::{Compare, Is, Op, Range, Retry, Txn};
use tokio::time::{Instant, sleep_until};

use super::{
    board::{Board, Kept, MAX_INSTANCES},
    counters::EtcdOp,
    store::{Own, Store, StoreError, entries},
    truth::Written,
};
use crate::{course::Truth, instance::InstanceStatus};

/// The shortest lease: a renewal round has a third of it.
pub const MIN_TTL: Duration = Duration::from_secs(3);

/// When this instance's lease may be over, by its own monotonic clock. A clone is the same deadline; it is looked at
/// without a lock.
#[derive(Clone, Debug)]
pub struct Deadline {
    base: Instant,
    /// Nanoseconds from `base`.
    at: Arc<AtomicU64>,
}

impl Deadline {
    /// A deadline that is over.
    pub fn over() -> Self {
        Self { base: Instant::now(), at: Arc::default() }
    }

    /// A renewal that was sent then was answered: the lease lasts for `ttl` from there, of which a tenth is left out.
    pub fn renewed(&self, sent: Instant, ttl: Duration) {
        let at = (sent + ttl / 10 * 9).saturating_duration_since(self.base);
        self.at.fetch_max(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    /// The instance knows that its lease is over.
    pub fn end(&self) {
        self.at.store(0, Ordering::Release);
    }

    /// Whether the lease may be over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.at()
    }

    /// How long it lasts for certain.
    pub fn left(&self) -> Duration {
        self.at().saturating_duration_since(Instant::now())
    }

    /// Resolves once the lease may be over, however often it is renewed until then.
    pub async fn passed(&self) {
        while !self.is_over() {
            sleep_until(self.at()).await;
        }
    }

    /// When it is over.
    pub fn at(&self) -> Instant {
        self.base + Duration::from_nanos(self.at.load(Ordering::Acquire))
    }
}

impl Store {
    /// Joins as a new incarnation, which lets nothing in before it has followed the truth. The deadline counts from now.
    pub async fn join(
        &self,
        status: &InstanceStatus,
        ttl: Duration,
        deadline: &Deadline,
    ) -> Result<Own, StoreError> {
        if self.read().await?.instances.len() >= MAX_INSTANCES {
            return Err(StoreError::Crowded { prefix: self.prefix.to_string() });
        }
        let sent = Instant::now();
        let lease = self.time(EtcdOp::Join, self.client.grant(ttl.max(MIN_TTL))).await?;
        let key = self.prefix.instance(lease.id);
        let text = serde_json::to_string(status).unwrap_or_default();
        // What was applied without an answer is there already; whatever happened, its revision is read.
        let txn = Txn::new()
            .when(Compare::absent(key.clone()))
            .then(Op::put_leased(key.clone(), text, lease.id))
            .then(Op::Range(Range::new(key.clone())))
            .or_else(Op::Range(Range::new(key)));
        let outcome = self.time(EtcdOp::Join, self.client.txn(&txn, Retry::Idempotent)).await?;
        let revision = outcome.revision;
        let created = entries(outcome).into_iter().flatten().next().map_or(revision, |entry| entry.created);
        deadline.renewed(sent, lease.ttl);
        Ok(Own { lease: lease.id, created })
    }

    /// Publishes how far the instance is, if its key is as it was on `board`, and `truth`, which it has followed, is the
    /// truth still. So a report of quiet is taken back only while the drain goes on, and an attempt that was given up does
    /// not undo a later one.
    pub async fn publish(
        &self,
        own: Own,
        board: &Board,
        truth: &Kept<Truth>,
        status: &InstanceStatus,
    ) -> Result<Written, StoreError> {
        let text = serde_json::to_string(status).unwrap_or_default();
        let put = |key, text| Op::put_leased(key, text, own.lease);
        let modified = board.instances.get(&own.lease).map_or(0, |kept| kept.modified);
        let unchanged = Compare::modified(self.prefix.instance(own.lease), Is::Equal, modified);
        self.write(own, truth.modified, vec![unchanged], self.prefix.instance(own.lease), put, text).await
    }

    /// Renews the lease, once what is new has been followed.
    pub async fn renew(&self, own: Own, deadline: &Deadline) -> Result<(), StoreError> {
        let sent = Instant::now();
        let ttl = self.time(EtcdOp::Renew, self.client.keep_alive(own.lease)).await?;
        deadline.renewed(sent, ttl);
        Ok(())
    }

    /// Leaves: the key goes with its lease. All that was to be written is written before.
    pub async fn leave(&self, own: Own, deadline: &Deadline) -> Result<(), StoreError> {
        deadline.end();
        match self.time(EtcdOp::Leave, self.client.revoke(own.lease)).await {
            Err(StoreError::Etcd(error))
                if matches!(error.last(), teal_etcd::Error::LeaseNotFound { .. }) =>
            {
                Ok(())
            }
            other => other,
        }
    }
}
