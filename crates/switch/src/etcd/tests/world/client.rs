//! A client whose calls go through any instance. It is true to the connectors: told where to go, it goes there once its
//! query has ended; refused, it looks for its strategy.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures::future::OptionFuture;
use parking_lot::Mutex;
use protocol::{CallKind, Strategy};
use tokio::{
    select,
    time::{Instant, sleep},
};

use super::{World, random::Random};
use crate::{RequestGuard, etcd::Rejected};

/// How often a client tries before it gives up.
const TRIES: usize = 6;
const PAUSE: Duration = Duration::from_millis(50);

/// A thread of a client.
pub(super) struct Client {
    pub(super) name: String,
    /// What all its threads know: their strategy, and where they were told to go.
    pub(super) knows: Arc<Mutex<(Strategy, Option<Strategy>)>>,
    pub(super) random: Random,
}

/// A query that a client runs.
struct Runs {
    id: String,
    of: Strategy,
    began: Instant,
}

/// Why a call had no answer that counts.
enum Missed {
    /// Its strategy is not served.
    Mismatch,
    /// Nobody could say; or the instance was killed meanwhile, or its engine is ill.
    Unavailable,
}

impl Client {
    /// One call through any instance, answered after a while.
    async fn call(
        &mut self,
        world: &World,
        kind: CallKind,
        header: Strategy,
        query: Option<&str>,
        begins: Option<&str>,
    ) -> Result<Strategy, Missed> {
        let Some(place) = world.any(&mut self.random) else {
            sleep(PAUSE).await;
            return Err(Missed::Unavailable);
        };
        let arrived = place.instance.arrive(kind, Some(header), query).await;
        world.check();
        let mut pass: RequestGuard = match arrived {
            _ if place.is_killed.load(Relaxed) => return Err(Missed::Unavailable),
            Ok(pass) => pass,
            Err(Rejected::Mismatch(_)) => {
                world.refused.fetch_add(1, Relaxed);
                return Err(Missed::Mismatch);
            }
            Err(Rejected::Unavailable(_)) => {
                sleep(PAUSE).await;
                return Err(Missed::Unavailable);
            }
        };
        let left: OptionFuture<_> = pass.left().map(crate::Left::wait).into();
        select! {
            biased;
            Some(()) = left => {
                pass.answered(false);
                sleep(PAUSE).await;
                return Err(Missed::Unavailable);
            }
            () = sleep(self.random.millis(200)) => {}
        }
        let strategy = pass.strategy();
        if !place.engines.is_well(strategy) {
            pass.answered(false);
            sleep(PAUSE).await;
            return Err(Missed::Unavailable);
        }
        if let Some(record) = begins.and_then(|id| pass.record(id))
            && record.await.is_err()
        {
            return Err(Missed::Unavailable);
        }
        if place.is_killed.load(Relaxed) {
            return Err(Missed::Unavailable);
        }
        world.check();
        if let Some(notice) = pass.notice() {
            self.knows.lock().1 = Some(notice.strategy);
        }
        pass.answered(true);
        Ok(strategy)
    }

    /// Logs in and begins a query.
    async fn begin(&mut self, world: &World, number: usize) -> Option<Runs> {
        let (mut mismatches, mut tries) = (0, 0);
        loop {
            if world.is_over.load(Relaxed) {
                return None;
            }
            tries += 1;
            let id = format!("q-{}-{number}-{tries}", self.name);
            let strategy = self.knows.lock().0;
            let done = match self.call(world, CallKind::LogIn, strategy, None, None).await {
                Ok(_) => {
                    let strategy = self.knows.lock().0;
                    self.call(world, CallKind::Begin, strategy, None, Some(&id)).await
                }
                missed => missed,
            };
            match done {
                Ok(of) => return Some(Runs { id, of, began: Instant::now() }),
                Err(Missed::Unavailable) => {}
                Err(Missed::Mismatch) => {
                    mismatches += 1;
                    let gives_up = mismatches >= TRIES && !world.traits.may_loop();
                    assert!(!gives_up, "client {} looks for its strategy for ever", self.name);
                    let mut knows = self.knows.lock();
                    if knows.0 == strategy {
                        *knows = (strategy.other(), None);
                    }
                }
            }
        }
    }

    /// A query's call, until it is answered. It is refused only where the promises allow it; then it says `false`.
    async fn about(&mut self, world: &World, kind: CallKind, query: &Runs) -> bool {
        let id = (kind != CallKind::Neutral).then_some(query.id.as_str());
        for _ in 0..2000 {
            let own = self.knows.lock().0;
            // A call about a query may have any header: other threads of its client have moved on.
            let header = if id.is_some() && self.random.one_in(2) { own.other() } else { own };
            match self.call(world, kind, header, id, None).await {
                // A cursor clears twice: then a header judges.
                Ok(_) if kind != CallKind::Continue => return true,
                Ok(strategy) => {
                    let is_right = strategy == query.of || world.excuses(query.began);
                    assert!(is_right, "{} of {} was sent to {strategy}", query.id, query.of);
                    return true;
                }
                Err(Missed::Unavailable) => {}
                Err(Missed::Mismatch) => {
                    let may_be = match kind {
                        CallKind::Neutral => world.traits.may_refuse_neutral(),
                        _ => world.traits.is_strict,
                    };
                    let (id, of) = (&query.id, query.of);
                    assert!(may_be || world.excuses(query.began), "{kind:?} about {id} of {of} was refused");
                    return false;
                }
            }
        }
        panic!("{kind:?} about {} finds nobody", query.id);
    }

    pub(super) async fn run(mut self, world: Arc<World>) {
        for number in 0.. {
            sleep(self.random.millis(400)).await;
            let Some(query) = self.begin(&world, number).await else { return };
            let mut goes_on = true;
            for _ in 0..self.random.below(4) {
                goes_on = goes_on && self.about(&world, CallKind::Continue, &query).await;
                if goes_on && self.random.one_in(3) {
                    self.about(&world, CallKind::Neutral, &query).await;
                }
            }
            // The answer to an end may be lost with its instance; then the query is gone, and a header judges.
            if goes_on && self.about(&world, CallKind::End, &query).await {
                world.queries.fetch_add(1, Relaxed);
            }
            let mut knows = self.knows.lock();
            if let Some(told) = knows.1.take() {
                knows.0 = told;
            }
        }
    }
}
