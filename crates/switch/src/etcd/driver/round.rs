//! The renewal round: reads the truth and the instances, has what is new followed and published, then renews the lease.
//! Whoever cannot follow loses its lease by itself.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, sleep_until};

use super::{Driver, Follower};
use crate::etcd::{
    board::Board,
    store::{Own, StoreError},
};

/// From one attempt to the next, where etcd does not answer.
const AGAIN: Duration = Duration::from_millis(200);

/// Where the round is.
pub(super) enum Round {
    /// The next one begins then.
    Rests(Instant),
    /// It reads. When that began the board was at this revision, and so many orders had come.
    Reads(BoxFuture<'static, Result<Board, StoreError>>, i64, u64),
    /// The board that was read has to be followed, and that published.
    Follows,
    /// The lease is being renewed.
    Renews(BoxFuture<'static, Result<(), StoreError>>),
}

/// The end of a step.
pub(super) enum Step {
    Begins,
    Read(Result<Board, StoreError>),
    Renewed(Result<(), StoreError>),
}

impl Round {
    /// A round in which nothing has to be read any more.
    pub(super) fn follow() -> Self {
        Self::Follows
    }

    /// The end of the present step.
    pub(super) async fn step(&mut self) -> Step {
        match self {
            Self::Rests(until) => {
                sleep_until(*until).await;
                Step::Begins
            }
            Self::Reads(read, ..) => Step::Read(read.await),
            Self::Follows => std::future::pending().await,
            Self::Renews(renew) => Step::Renewed(renew.await),
        }
    }
}

impl<F: Follower> Driver<F> {
    /// Renews the lease once what was read is followed, and the others know that.
    pub(super) fn next_round(&mut self, own: Own, round: &mut Round) {
        let epoch = self.followed.as_ref().map(|(truth, _)| truth.course.epoch);
        let published = self.board.own(own.lease, own.created).map(|status| status.epoch);
        if matches!(round, Round::Follows) && epoch == published {
            let (store, deadline) = (self.store.clone(), self.deadline.clone());
            *round = Round::Renews(async move { store.renew(own, &deadline).await }.boxed());
        }
        // A call has read a newer truth, and waits for it; or an order, before it is refused.
        if matches!(round, Round::Rests(_)) && (!self.behind.is_empty() || self.wants_read) {
            self.wants_read = false;
            *round = Round::Rests(Instant::now());
        }
    }

    /// Goes on with the round. False if this incarnation is over.
    pub(super) fn round_done(&mut self, own: Own, round: &mut Round, step: Step) -> bool {
        let again = Instant::now() + AGAIN;
        *round = match step {
            Step::Begins => {
                let store = self.store.clone();
                Round::Reads(async move { store.read().await }.boxed(), self.board.revision, self.serial)
            }
            Step::Read(Ok(board)) => {
                let (from, serial) = match round {
                    Round::Reads(_, from, serial) => (*from, *serial),
                    _ => (0, 0),
                };
                self.read_serial = self.read_serial.max(serial);
                let is_set_back = board.revision < from;
                if is_set_back || board.truth.is_none() {
                    self.is_restoring = true;
                    self.board = board;
                    return false;
                }
                self.renew(board);
                Round::Follows
            }
            Step::Renewed(Ok(())) => {
                self.put_back(own);
                self.own.send_if_modified(|live| live.replace(own) != Some(own));
                Round::Rests(Instant::now() + self.ttl / 3)
            }
            Step::Renewed(Err(StoreError::Etcd(error)))
                if matches!(error.last(), teal_etcd::Error::LeaseNotFound { .. }) =>
            {
                return false;
            }
            Step::Read(Err(error)) | Step::Renewed(Err(error)) => {
                tracing::debug!("The lease is not renewed: {error}");
                Round::Rests(again)
            }
        };
        true
    }
}
