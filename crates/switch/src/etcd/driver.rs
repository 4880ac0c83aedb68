//! The task that drives a switch by what is in etcd, and etcd by what the switch wishes. It writes one thing at a time,
//! each time after all that it knows has been followed.

mod agenda;
pub(super) mod housekeeping;
mod join;
mod look;
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
    board::{Board, Difference},
    copy::RecordCopy,
    follower::Follower,
    handle::{Ask, ORDER_WITHIN, OrderError, TimerOrder, TransitionOrder},
    lease::Deadline,
    record::Recorder,
    store::{Own, Store, StoreError},
    truth::Written,
    watch::{Feed, News},
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

    /// Has the follower take over what is on the board. False once this incarnation is over.
    fn follow(&mut self, own: Own) -> bool {
        let Some(truth) = &self.board.truth else {
            self.is_restoring = true;
            return false;
        };
        let before = self.followed.as_ref().map(|(truth, modified)| (truth.course.epoch, *modified));
        match before {
            // etcd has been set back.
            Some((epoch, _)) if truth.value.course.epoch < epoch => {
                self.is_restoring = true;
                return false;
            }
            Some((_, modified)) if truth.modified <= modified => {}
            _ => {
                if before.is_none_or(|(epoch, _)| epoch < truth.value.course.epoch) {
                    self.followed_at = Instant::now();
                }
                self.follower.follow(&truth.value);
                self.followed = Some((truth.value.clone(), truth.modified));
            }
        }
        if !self.is_live(own) {
            return false;
        }
        self.learn_record();
        self.see_health(own);
        let has_vanished = std::mem::take(&mut self.has_vanished);
        self.follower.see(&self.board.live(), has_vanished);
        for (truth, done) in self.ordered.drain(..) {
            _ = done.send(Ok(truth));
        }
        for done in self.timed.drain(..) {
            _ = done.send(Ok(true));
        }
        let followed = self.followed.as_ref().map_or(0, |(truth, _)| truth.course.epoch);
        for (_, done) in self.behind.extract_if(.., |(epoch, _)| *epoch <= followed) {
            _ = done.send(());
        }
        true
    }

    /// Tells the follower what the others say of the engines: since when, is counted from the first sight of it.
    fn see_health(&mut self, own: Own) {
        let (now, instances) = (Instant::now(), &self.board.instances);
        self.seen.retain(|lease, _| instances.contains_key(lease));
        let others = instances.iter().filter(|(lease, _)| **lease != own.lease).map(|(lease, kept)| {
            let seen = self.seen.entry(*lease).or_insert((kept.modified, now));
            if seen.0 != kept.modified {
                *seen = (kept.modified, now);
            }
            kept.value.unwell(seen.1.into_std())
        });
        let others: Vec<_> = others.collect();
        if others != self.others {
            self.follower.see_health(others.clone());
            self.others = others;
        }
    }

    /// Tells the follower what is on record. Nobody who holds the copy waits for the follower.
    fn learn_record(&self) {
        if let Some(kept) = &self.board.truth {
            let (holding, queries) = {
                let copy = self.copy.lock();
                (copy.holding(&kept.value.course), copy.queries(&kept.value.course))
            };
            self.people.sight.set_queries(queries);
            self.follower.learn(holding, queries);
        }
    }

    fn is_live(&self, own: Own) -> bool {
        self.board.own(own.lease, own.created).is_some()
    }

    /// Takes a board that was read or answered.
    fn renew(&mut self, board: Board) {
        let Difference { has_vanished, .. } = self.board.renew(board);
        self.has_vanished |= has_vanished;
    }

    /// Takes in what the feed says. False if etcd has lost its data.
    fn learn(&mut self, news: News) -> bool {
        match news {
            News::List { board, queries, abouts } => {
                self.people.listed(self.store.prefix(), &abouts, board.revision);
                let has_data = board.revision >= self.board.revision && board.truth.is_some();
                self.copy.lock().replace(queries, board.revision);
                self.is_listed = true;
                // Some may have come and gone unseen.
                self.has_vanished = true;
                if !has_data {
                    self.is_restoring |= self.followed.is_some();
                    self.board = board;
                    return false;
                }
                self.renew(board);
                true
            }
            News::Changes { events, record, revision } => {
                match self.board.take(self.store.prefix(), &events, revision) {
                    Ok(difference) => self.has_vanished |= difference.has_vanished,
                    // Another program's key is nobody's business; a value that cannot be read is found by the next round.
                    Err(error) => tracing::debug!("{error}"),
                }
                self.people.changed(self.store.prefix(), &events, revision);
                let now = Instant::now().into_std();
                self.copy.lock().take(record, revision, now);
                true
            }
            News::Lost(error) => {
                tracing::debug!("The watch of etcd is lost: {error}");
                self.is_listed = false;
                true
            }
        }
    }

    /// After a loss of data: puts back what the copy holds and etcd does not. What does not fit in now is put later.
    fn put_back(&mut self, own: Own) {
        if !std::mem::take(&mut self.is_restoring) {
            return;
        }
        let unseen = self.copy.lock().unseen();
        for (id, query) in unseen {
            self.is_restoring |= !self.recorder.put_back(own, &id, query);
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
