//! The task that drives a switch by what is in etcd, and etcd by what the switch wishes. It writes one thing at a time,
//! each time after all that it knows has been followed.

mod agenda;
mod following;
pub(super) mod housekeeping;
mod join;
mod look;
mod outcome;
mod round;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    select,
    sync::{Notify, mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use self::{agenda::Writing, housekeeping::Housekeeping, look::ForPeople, round::Round};
use super::{
    board::Board,
    copy::RecordCopy,
    follower::Follower,
    handle::{Ask, ORDER_WITHIN, OrderError, TimerOrder, TransitionOrder},
    lease::Deadline,
    record::Recorder,
    store::{Own, Store, StoreError},
    truth::Written,
    watch::Feed,
};
use crate::{course::Truth, instance::Unwell, queries::Queries};

/// The task.
pub(super) struct Driver<F> {
    store: Store,
    follower: Arc<F>,
    ttl: Duration,
    feed: Feed,
    recorder: Recorder,
    deadline: Deadline,
    copy: Arc<Mutex<RecordCopy>>,
    /// The queries of the copy.
    table: Arc<Queries>,
    housekeeping: Housekeeping,
    changed: Arc<Notify>,
    asks: mpsc::Receiver<Ask>,
    own: watch::Sender<Option<Own>>,
    board: Board,
    /// An instance is gone since the follower was told last.
    has_vanished: bool,
    /// The copy is that of one revision, and the watch goes on from there.
    is_listed: bool,
    /// By lease: when a status was first seen, and the revision of it.
    seen: BTreeMap<i64, (i64, Instant)>,
    /// The others' engines, as the follower was told of them.
    others: Vec<Unwell>,
    /// Since when the engines are unhealthy, as this incarnation has published.
    said: Unwell,
    /// The truth that the follower has, and the revision of its last change.
    followed: Option<(Truth, i64)>,
    /// The revision of the board when the last writing began.
    written_from: i64,
    /// A status was sent and not answered: it may still come into effect, until another one does.
    is_unsure: bool,
    /// etcd has lost its data: what the copy holds has to be put back.
    is_restoring: bool,
    orders: VecDeque<Waiting>,
    /// Orders about the timer, the first of which is carried out next.
    timers: VecDeque<TimerWaiting>,
    /// Orders about the timer that are carried out, to be answered once they are followed here too.
    timed: Vec<oneshot::Sender<Result<bool, OrderError>>>,
    /// Orders that were made, to be answered once they are followed here too.
    ordered: Vec<(Truth, oneshot::Sender<Result<Truth, OrderError>>)>,
    /// How many orders came, and how many before the last read that was answered began.
    serial: u64,
    read_serial: u64,
    /// An order would be refused by a view that may be old.
    wants_read: bool,
    retractions: Vec<oneshot::Sender<()>>,
    /// Those who have read a truth of this epoch, and wait until it is followed.
    behind: Vec<(u64, oneshot::Sender<()>)>,
    leaves: Option<oneshot::Sender<Result<(), StoreError>>>,
    /// When the present epoch was followed.
    followed_at: Instant,
    people: ForPeople,
}

/// An order that waits for other instances, or for its turn.
struct Waiting {
    order: TransitionOrder,
    until: Instant,
    /// How many orders came before, and this one.
    serial: u64,
    done: oneshot::Sender<Result<Truth, OrderError>>,
}

/// An order about the timer.
struct TimerWaiting {
    order: TimerOrder,
    serial: u64,
    done: oneshot::Sender<Result<bool, OrderError>>,
}

/// Why an incarnation is over.
enum Over {
    /// Its key is gone, or etcd has lost its data.
    Lost,
    /// It wants to leave.
    Leaves,
}

impl<F: Follower> Driver<F> {
    /// Until it leaves.
    pub(super) async fn run(mut self, mut own: Own) {
        loop {
            match self.live(own).await {
                Over::Leaves => {
                    self.own.send_replace(None);
                    self.say_goodbye(own).await;
                    let left = self.store.leave(own, &self.deadline).await;
                    if let Some(done) = self.leaves.take() {
                        _ = done.send(left);
                    }
                    return;
                }
                Over::Lost => {
                    self.own.send_replace(None);
                    self.deadline.end();
                    self.look_back(own);
                    own = self.join_again().await;
                }
            }
        }
    }

    /// One incarnation, from the moment when its key is in etcd.
    async fn live(&mut self, own: Own) -> Over {
        // It is live for others already, and for itself once it has followed and renewed its lease.
        let mut round = Round::follow();
        let mut writing: Option<BoxFuture<'static, Writing>> = None;
        let mut is_publishing = false;
        loop {
            if !self.follow(own) {
                return Over::Lost;
            }
            self.look(own);
            if !is_publishing {
                self.answer_retractions(own);
            }
            if self.leaves.is_some() && writing.is_none() {
                return Over::Leaves;
            }
            if writing.is_none()
                && let Some((next, publishes)) = self.next_write(own)
            {
                (writing, is_publishing) = (Some(next), publishes);
                self.written_from = self.board.revision;
            }
            self.next_round(own, &mut round);
            self.keep_house(own);
            let wakes = [self.wake(own), self.housekeeping.wake()];
            let wake = wakes.into_iter().flatten().fold(self.looks_again(), Instant::min);
            let changed = Arc::clone(&self.changed);
            let recorder = self.recorder.clone();
            let is_busy = recorder.on_the_way() > 0;
            select! {
                // In this order, so that a simulated run can be repeated.
                biased;
                written = async { writing.as_mut().expect("it is there").await }, if writing.is_some() => {
                    (writing, is_publishing) = (None, false);
                    if !self.written(written) {
                        return Over::Lost;
                    }
                }
                done = round.step() => if !self.round_done(own, &mut round, done) {
                    return Over::Lost;
                },
                news = self.feed.next() => if !self.learn(news.expect("the watch goes on")) {
                    return Over::Lost;
                },
                Some(ask) = self.asks.recv() => self.ask(ask),
                () = changed.notified() => {}
                () = self.housekeeping.deleted() => {}
                () = recorder.idle(), if is_busy => {}
                told = self.people.told() => self.was_told(told),
                () = sleep_until(wake) => {}
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Order { order, done } => {
                self.serial += 1;
                let (until, serial) = (Instant::now() + ORDER_WITHIN, self.serial);
                self.orders.push_back(Waiting { order, until, serial, done });
            }
            Ask::Timer { order, done } => {
                self.serial += 1;
                self.timers.push_back(TimerWaiting { order, serial: self.serial, done });
            }
            Ask::Retract { done } => self.retractions.push(done),
            Ask::CatchUp { epoch, done } => self.behind.push((epoch, done)),
            Ask::Leave { done } => self.leaves = Some(done),
        }
    }

    /// Tells those who wait that no report of quiet stands any more.
    fn answer_retractions(&mut self, own: Own) {
        let is_quiet = self.board.own(own.lease, own.created).is_some_and(|status| status.quiet);
        if !is_quiet && !self.is_unsure {
            for done in self.retractions.drain(..) {
                _ = done.send(());
            }
        }
    }
}
