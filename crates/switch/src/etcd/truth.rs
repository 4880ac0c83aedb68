//! How the truth is created and moves. Nobody leads: whoever tries a transition names what it has seen, and etcd refuses
//! if that is no longer so.

use bytes::Bytes;
use teal_etcd::{Compare, Is, Op, Retry, Txn};

use super::{
    board::{Board, Kept},
    counters::EtcdOp,
    keys::FORMAT,
    store::{Own, Store, StoreError},
};
use crate::{Actor, course::Truth};

/// The outcome of a write that names the board which its writer has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is done: this is how it is since then.
    Done(Board),
    /// Something else came first: this is how it is now. The writer's own key may be gone.
    Lost(Board),
}

impl Store {
    /// Creates `format` and `state` where there are none. Says what is there then.
    pub async fn create(&self, truth: &Truth) -> Result<Board, StoreError> {
        let format = Txn::new()
            .when(Compare::absent(self.prefix.format()))
            .then(Op::put(self.prefix.format(), FORMAT.to_string()));
        self.time(EtcdOp::Join, self.client.txn(&format, Retry::Idempotent)).await?;
        let state = Txn::new()
            .when(Compare::absent(self.prefix.state()))
            .then(Op::put(self.prefix.state(), truth.text()));
        self.time(EtcdOp::Join, self.client.txn(&state, Retry::Idempotent)).await?;
        self.read().await
    }

    /// Puts a truth in the place of the one that was `found`, or of none, unless somebody else was faster.
    pub(super) async fn restore(&self, found: Option<&Kept<Truth>>, truth: &Truth) -> Result<(), StoreError> {
        let Some(found) = found else { return self.create(truth).await.map(drop) };
        let state = Txn::new()
            .when(Compare::modified(self.prefix.state(), Is::Equal, found.modified))
            .then(Op::put(self.prefix.state(), truth.text()));
        self.time(EtcdOp::Join, self.client.txn(&state, Retry::Idempotent)).await?;
        Ok(())
    }

    /// Tries a transition from what was seen on `board` to `next`: only if the truth is that of the board, the
    /// instance's own key is there, and no instance has joined or changed since. Where the health of the engines decides,
    /// more than half were counted: then none may have vanished either, which the compare of a range does not see.
    pub async fn propose(
        &self,
        own: Own,
        board: &Board,
        truth: &Kept<Truth>,
        next: &Truth,
    ) -> Result<Written, StoreError> {
        let unchanged = Compare::modified(self.prefix.instances(), Is::Less, board.revision + 1);
        let mut also = vec![unchanged];
        if next.stamp.why == Actor::Health {
            also.extend(board.instances.iter().map(|(lease, kept)| {
                Compare::created(self.prefix.instance(*lease), Is::Equal, kept.created)
            }));
        }
        self.write(own, truth.modified, also, self.prefix.state(), Op::put, next.text()).await
    }

    /// Writes the timer of `next`, which is `truth` otherwise: no transition, so nobody else is looked at.
    pub async fn set_timer(
        &self,
        own: Own,
        truth: &Kept<Truth>,
        next: &Truth,
    ) -> Result<Written, StoreError> {
        self.write(own, truth.modified, Vec::new(), self.prefix.state(), Op::put, next.text()).await
    }

    /// Puts a key while this incarnation is live and the truth was last changed in revision `truth`.
    pub(super) async fn write(
        &self,
        own: Own,
        truth: i64,
        also: Vec<Compare>,
        key: Bytes,
        put: impl FnOnce(Bytes, String) -> Op,
        value: String,
    ) -> Result<Written, StoreError> {
        let mut txn = Txn::new()
            .when(self.guard(own))
            .when(Compare::modified(self.prefix.state(), Is::Equal, truth))
            .then(put(key.clone(), value.clone()));
        txn = also.into_iter().fold(txn, Txn::when);
        txn = self.reads().into_iter().fold(txn, Txn::then);
        txn = self.reads().into_iter().fold(txn, Txn::or_else);
        let op = if key == self.prefix.state() { EtcdOp::Propose } else { EtcdOp::Publish };
        let outcome = self.time(op, self.client.txn(&txn, Retry::Idempotent)).await?;
        let (has_succeeded, is_repeated) = (outcome.succeeded, outcome.repeated);
        let board = self.board(outcome)?;
        // An attempt that was not answered may have been applied, and stood in the way of the next one.
        let is_there = board.truth.as_ref().is_some_and(|kept| {
            key == self.prefix.state() && kept.modified > truth && kept.value.text() == value
        });
        Ok(if has_succeeded || is_repeated && is_there { Written::Done(board) } else { Written::Lost(board) })
    }
}
