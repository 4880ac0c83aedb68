//! The keys of one switch in one etcd, and what is read of them at once.

use std::sync::Arc;

use teal_etcd::{Answer, Client, Compare, Is, KeyValue, Op, Outcome, Range, Retry, Txn};

use super::{
    board::{Board, MAX_INSTANCES},
    counters::{Counters, EtcdOp},
    keys::{BadKey, Prefix, check_format},
    watch::MAX_LISTED,
};

/// The keys of one switch. A clone is the same.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) client: Client,
    pub(super) prefix: Prefix,
    counters: Arc<Counters>,
}

/// The key of an instance: other incarnations have other leases, or at least other revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Own {
    /// The lease of the key, which names it.
    pub lease: i64,
    /// The revision in which the key was created: the guard of what this incarnation writes.
    pub created: i64,
}

/// Why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// etcd did not do it.
    #[error(transparent)]
    Etcd(#[from] teal_etcd::Error),
    /// It holds what teal does not write.
    #[error(transparent)]
    Bad(#[from] BadKey),
    /// There are too many queries on record.
    #[error("{prefix}: expected at most {MAX_LISTED} queries on record, found more")]
    TooManyQueries {
        /// The prefix.
        prefix: String,
    },
    /// There are too many instances.
    #[error("{prefix}: expected at most {MAX_INSTANCES} live instances; as many are there already")]
    Crowded {
        /// The prefix.
        prefix: String,
    },
}

impl StoreError {
    /// Whether it passes when a member, the leader or the network comes back.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Etcd(error) if error.is_outage())
    }

    /// Whether etcd has no room for a put.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::Etcd(error) if matches!(error.last(), teal_etcd::Error::NoSpace { .. }))
    }
}

impl Store {
    /// The keys under a prefix.
    pub fn new(client: Client, prefix: Prefix) -> Self {
        Self { client, prefix, counters: Arc::default() }
    }

    /// The prefix.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The counters of its use.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Measures a request.
    pub(super) async fn time<T, E: Into<StoreError>>(
        &self,
        op: EtcdOp,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreError> {
        self.counters.time(op, request).await
    }

    /// Whether the keys under the prefix are those of a switch, in the format that this version knows, or there are none.
    /// Writes nothing.
    pub async fn check(&self) -> Result<(), StoreError> {
        let format = Op::Range(Range::new(self.prefix.format()));
        let gaps = self.prefix.gaps().into_iter().map(|gap| Op::Range(Range::new(gap).limit(1).keys_only()));
        let read = gaps.fold(Txn::new().then(format), Txn::then);
        let mut pages =
            entries(self.time(EtcdOp::Join, self.client.txn(&read, Retry::Idempotent)).await?).into_iter();
        // The format first: a newer one may have other keys.
        for entry in pages.next().unwrap_or_default() {
            check_format(&entry.key, &entry.value)?;
        }
        match pages.flatten().next() {
            Some(foreign) => self.prefix.name(&foreign.key).map(drop).map_err(StoreError::from),
            None => Ok(()),
        }
    }

    /// Reads the truth and the live instances at one revision.
    pub async fn read(&self) -> Result<Board, StoreError> {
        let txn = self.reads().into_iter().fold(Txn::new(), Txn::then);
        self.board(self.time(EtcdOp::Read, self.client.txn(&txn, Retry::Idempotent)).await?)
    }

    /// The reads that make up a [`board`](Self::board).
    pub(super) fn reads(&self) -> [Op; 2] {
        let state = Range::new(self.prefix.state());
        let instances = Range::new(self.prefix.instances()).limit(2 * MAX_INSTANCES);
        [Op::Range(state), Op::Range(instances)]
    }

    /// The board in the answer to a transaction that [reads](Self::reads) it.
    pub(super) fn board(&self, outcome: Outcome) -> Result<Board, StoreError> {
        let revision = outcome.revision;
        let entries: Vec<_> = entries(outcome).into_iter().flatten().collect();
        Ok(Board::read(&self.prefix, revision, &entries)?)
    }

    /// Holds while this incarnation is live.
    pub(super) fn guard(&self, own: Own) -> Compare {
        Compare::created(self.prefix.instance(own.lease), Is::Equal, own.created)
    }
}

/// The entries that a transaction read, by operation.
pub(super) fn entries(outcome: Outcome) -> Vec<Vec<KeyValue>> {
    let read = |answer| match answer {
        Answer::Range(page) => Some(page.entries),
        Answer::Put | Answer::Deleted(_) => None,
    };
    outcome.answers.into_iter().filter_map(read).collect()
}
