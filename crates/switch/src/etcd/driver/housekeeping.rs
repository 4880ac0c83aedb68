//! Puts keys of the record again that are in use, and deletes those that are over. Only the eldest deletes.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use teal_etcd::{Compare, Is, MAX_OPERATIONS, Op, Retry, Txn};
use tokio::time::Instant;

use super::{Driver, Follower, Own, Store, StoreError};
use crate::{
    etcd::counters::EtcdOp,
    queries::{Key, Query},
};

/// How many keys one transaction deletes: each is compared, and so is the instance's own.
pub const MAX_DELETED: usize = MAX_OPERATIONS - 1;
/// From one deletion to the next.
const EVERY: Duration = Duration::from_millis(100);
/// The same while there are more queries than may be: as many leave then as come.
const EVERY_IN_EXCESS: Duration = Duration::from_millis(10);
/// From one look to the next, where nothing is over.
const RESTS: Duration = Duration::from_secs(1);

/// Where the housekeeping is.
pub(super) struct Housekeeping {
    /// When to look for keys that are over.
    next: Instant,
    /// When to look for keys in use whose last put is old.
    next_puts: Instant,
    /// The copy has to come to this revision first, or the same keys would be found again.
    after: i64,
    deleting: Option<BoxFuture<'static, Result<i64, StoreError>>>,
}

impl Default for Housekeeping {
    fn default() -> Self {
        let now = Instant::now();
        Self { next: now, next_puts: now, after: 0, deleting: None }
    }
}

impl Housekeeping {
    /// When there is something to do.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.deleting.is_none().then_some(self.next.min(self.next_puts))
    }

    /// The end of the present deletion.
    pub(super) async fn deleted(&mut self) {
        let Some(deleting) = &mut self.deleting else { return std::future::pending().await };
        let deleted = deleting.await;
        self.deleting = None;
        match deleted {
            Ok(revision) => self.after = revision,
            Err(error) => {
                tracing::debug!("Keys that are over are not deleted: {error}");
                self.next = Instant::now() + RESTS;
            }
        }
    }
}

impl<F: Follower> Driver<F> {
    /// Does what is due.
    pub(super) fn keep_house(&mut self, own: Own) {
        let now = Instant::now();
        let (max_queries, query_ttl) = self.follower.limits();
        if self.housekeeping.next_puts <= now {
            self.housekeeping.next_puts = now + (query_ttl / 8).max(RESTS);
            for (id, query) in self.table.puts_due(now.into_std()) {
                self.recorder.put_back(own, &id, query);
            }
        }
        if self.housekeeping.deleting.is_some() || self.housekeeping.next > now {
            return;
        }
        self.housekeeping.next = now + RESTS;
        let Some(course) = self.board.truth.as_ref().map(|kept| kept.value.course) else { return };
        if self.board.eldest() != Some(own.lease) || !self.is_listed {
            return;
        }
        let has_closed = {
            let copy = self.copy.lock();
            if copy.revision() < self.housekeeping.after {
                self.housekeeping.next = now + EVERY_IN_EXCESS;
                return;
            }
            copy.has_closed(&course)
        };
        let excess = self.table.len().saturating_sub(max_queries);
        let is_closed = |query: Query| !course.remembers(query.strategy, query.birth);
        let is_closed = has_closed.then_some(is_closed);
        let over = self.table.over(MAX_DELETED, excess, query_ttl / 4 * 5, is_closed, now.into_std());
        if !over.is_empty() {
            self.housekeeping.next = now + if excess > 0 { EVERY_IN_EXCESS } else { EVERY };
            let store = self.store.clone();
            self.housekeeping.deleting = Some(async move { store.delete(own, &over).await }.boxed());
        }
    }
}

impl Store {
    /// Deletes keys of the record, unless one of them was put again meanwhile. Returns the revision.
    pub(in crate::etcd) async fn delete(
        &self,
        own: Own,
        keys: &[(Box<str>, Key)],
    ) -> Result<i64, StoreError> {
        let txn = keys.iter().fold(Txn::new().when(self.guard(own)), |txn, (id, known)| {
            let key = self.prefix.query(id);
            txn.when(Compare::modified(key.clone(), Is::Equal, known.modified)).then(Op::delete(key))
        });
        Ok(self.time(EtcdOp::Housekeep, self.client.txn(&txn, Retry::Idempotent)).await?.revision)
    }
}
