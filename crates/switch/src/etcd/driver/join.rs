//! How an instance joins: at its start, and whenever its key is gone.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;

use super::{BTreeMap, Driver, Follower, ForPeople, Housekeeping, Unwell, VecDeque};
use crate::{
    course::{Course, Truth},
    etcd::{
        board::Board,
        copy::RecordCopy,
        counters::ResyncReason,
        handle::{Handle, MAX_ASKS, Task},
        lease::{Deadline, MIN_TTL},
        look_up::Reader,
        record::Recorder,
        sight::Sight,
        store::{Own, Store, StoreError},
        watch::{Feed, News},
    },
};

/// From one attempt to join to the next.
const AGAIN: Duration = Duration::from_secs(1);
/// After a loss of data the epoch goes on with the next multiple of this, above all that was lost.
const EPOCHS: u64 = 1000;

impl Handle {
    /// Joins the switch under `store`'s prefix, with a lease of `ttl`, and drives `follower` from then on. `copy` is
    /// empty, and becomes that of the record. Fails, with
    /// nothing written, where the keys are not a switch's, or where etcd cannot be reached.
    pub async fn join<F: Follower>(
        store: Store,
        follower: Arc<F>,
        copy: RecordCopy,
        ttl: Duration,
    ) -> Result<(Self, Task), StoreError> {
        store.check().await?;
        let deadline = Deadline::over();
        let (table, copy) = (copy.table(), Arc::new(Mutex::new(copy)));
        let recorder = Recorder::start(store.clone(), Arc::clone(&copy), deadline.clone());
        let reader = Reader::start(store.clone(), deadline.clone());
        let (asks, asked) = mpsc::channel(MAX_ASKS);
        let (own, live) = watch::channel(None);
        let changed = Arc::<Notify>::default();
        let sight = Sight::new(deadline.clone(), Arc::clone(store.counters()));
        let name = follower.report(false).name;
        let mut driver = Driver {
            feed: Feed::start(store.clone()),
            store,
            follower,
            ttl: ttl.max(MIN_TTL),
            recorder: recorder.clone(),
            deadline: deadline.clone(),
            copy: Arc::clone(&copy),
            table: Arc::clone(&table),
            housekeeping: Housekeeping::default(),
            changed: Arc::clone(&changed),
            asks: asked,
            own,
            board: Board::empty(0),
            has_vanished: false,
            seen: BTreeMap::new(),
            others: Vec::new(),
            said: Unwell::default(),
            is_listed: false,
            followed: None,
            written_from: 0,
            is_unsure: false,
            is_restoring: false,
            orders: VecDeque::new(),
            ordered: Vec::new(),
            timers: VecDeque::new(),
            timed: Vec::new(),
            serial: 0,
            read_serial: 0,
            wants_read: false,
            retractions: Vec::new(),
            behind: Vec::new(),
            leaves: None,
            followed_at: Instant::now(),
            people: ForPeople::new(sight.clone()),
        };
        let own = driver.join().await?;
        let driver = AbortOnDropHandle::new(tokio::spawn(driver.run(own)));
        let name = name.into();
        Ok((
            Self { name, asks, own: live, deadline, copy, table, recorder, reader, changed, sight },
            Task { driver },
        ))
    }
}

impl<F: Follower> Driver<F> {
    /// As another incarnation, as soon as etcd allows it.
    pub(super) async fn join_again(&mut self) -> Own {
        self.retractions.clear();
        self.behind.clear();
        self.orders.clear();
        self.ordered.clear();
        self.timers.clear();
        self.timed.clear();
        self.is_unsure = false;
        // The watch of data that are lost would be silent for ever.
        self.is_listed = false;
        self.store.counters().resync(ResyncReason::Rejoin);
        self.feed.resync();
        loop {
            match self.join().await {
                Ok(own) => {
                    if self.is_restoring {
                        self.say_restored();
                    }
                    return own;
                }
                Err(error) => {
                    tracing::debug!("Cannot join: {error}");
                    sleep(AGAIN).await;
                }
            }
        }
    }

    /// Checks the format, reads the record, puts the key, reads the truth. It is followed by the incarnation's first step.
    async fn join(&mut self) -> Result<Own, StoreError> {
        self.store.check().await?;
        while !self.is_listed {
            match self.feed.next().await {
                Some(News::Lost(error)) => return Err(error),
                Some(news) => _ = self.learn(news),
                None => panic!("the watch of etcd has ended"),
            }
        }
        let board = self.store.read().await?;
        let epoch = self.followed.as_ref().map_or(0, |(truth, _)| truth.course.epoch);
        let has_truth = board.truth.as_ref().is_some_and(|kept| kept.value.course.epoch >= epoch);
        if !has_truth {
            let truth = match &self.followed {
                Some((truth, _)) => restored(truth),
                None => self.follower.first(),
            };
            self.store.restore(board.truth.as_ref(), &truth).await?;
        }
        // Its deadline counts once it has followed: until then it lets nothing in.
        let status = crate::instance::InstanceStatus::joining(self.follower.report(false).name);
        let own = self.store.join(&status, self.ttl, &Deadline::over()).await?;
        self.board = self.store.read().await?;
        if let Some(kept) = &self.board.truth {
            self.follower.join(&kept.value);
            // It forgets what the others have said.
            self.others.clear();
            self.said = Unwell::default();
            self.followed_at = Instant::now();
            self.followed = Some((kept.value.clone(), kept.modified));
        }
        Ok(own)
    }
}

/// The truth as an instance knew it, after etcd has lost it.
fn restored(truth: &Truth) -> Truth {
    let epoch = (truth.course.epoch / EPOCHS + 1) * EPOCHS;
    let withheld = if truth.course.withheld == 0 { 0 } else { epoch };
    Truth { course: Course { epoch, heading: epoch, withheld, ..truth.course }, ..truth.clone() }
}
