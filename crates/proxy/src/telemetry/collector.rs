//! The collector of everything observed about calls and clients.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use parking_lot::Mutex;
use protocol::{Protocol, Strategy};
use switch::{Step, Switch, Transition};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    history::{self, History, Limits},
    metrics::{Exported, Metrics},
    series::{Ring, Series, seconds},
    shard::{Keeper, Shard},
    traces::Tracer,
};
use crate::adoption::{self, Client, Directory, Key, KnownClient, SwitchWindows};

/// How often the counts of the threads are collected.
const EVERY: Duration = Duration::from_secs(1);

/// Puts together what the network threads count, each in its own [shard](Collector::shard). Clones share their
/// state.
#[derive(Clone, Debug)]
pub struct Collector {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    switch: Option<Switch>,
    metrics: Metrics,
    tracer: Option<Tracer>,
    labels: Arc<[String]>,
    clock: Clock,
    directory: Arc<Mutex<Directory>>,
    shards: Mutex<Vec<Arc<Shard>>>,
    kept: history::Shared,
    turns: Mutex<SwitchWindows>,
    /// The number of queries in flight.
    sampled: Mutex<Ring>,
    exported: Mutex<Exported>,
}

/// Converts monotonic times to wall-clock times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    wall: DateTime<Utc>,
}

impl Clock {
    fn new() -> Self {
        Self { start: Instant::now(), wall: Utc::now() }
    }

    pub(super) fn rfc3339(&self, at: Instant) -> String {
        let since = TimeDelta::from_std(at.saturating_duration_since(self.start)).unwrap_or_default();
        (self.wall + since).to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

impl Default for Collector {
    /// Creates a collector for the known methods, without a switch.
    fn default() -> Self {
        Self::new(&Protocol::default(), None, Metrics::default(), None)
    }
}

impl Collector {
    /// Creates a collector for these methods and, if there is one, the switch. It keeps no calls.
    pub fn new(
        protocol: &Protocol,
        switch: Option<Switch>,
        metrics: Metrics,
        tracer: Option<Tracer>,
    ) -> Self {
        Self::keeping(Limits::OFF, protocol, switch, metrics, tracer)
    }

    /// Creates a collector that keeps the last calls. Without a switch there are none to keep.
    pub fn keeping(
        limits: Limits,
        protocol: &Protocol,
        switch: Option<Switch>,
        metrics: Metrics,
        tracer: Option<Tracer>,
    ) -> Self {
        let limits = if switch.is_some() { limits } else { Limits::OFF };
        let labels: Arc<[String]> = protocol.labels().into();
        let clock = Clock::new();
        let shared = Shared {
            switch,
            tracer,
            exported: Mutex::new(Exported::new(metrics.clone(), labels.clone())),
            metrics,
            labels,
            directory: Arc::default(),
            shards: Mutex::default(),
            kept: history::Shared::new(limits, protocol),
            turns: Mutex::default(),
            sampled: Mutex::new(Ring::new(clock.start)),
            clock,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Creates the shard of one more network thread.
    pub fn shard(&self) -> Arc<Shard> {
        let Shared { labels, clock, directory, tracer, shards, kept, switch, .. } = &*self.shared;
        let keeper = kept.ring().zip(switch.clone());
        let keeper = keeper.map(|(ring, switch)| Keeper { ring, switch, messages: kept.keeping() });
        let shard =
            Arc::new(Shard::new(labels.len(), clock.start, directory.clone(), tracer.as_ref(), keeper));
        shards.lock().push(shard.clone());
        shard
    }

    /// The history of calls, if it keeps any.
    pub fn history(&self) -> Option<History> {
        History::of(self)
    }

    pub(super) fn kept(&self) -> &history::Shared {
        &self.shared.kept
    }

    pub(super) fn shards(&self) -> Vec<Arc<Shard>> {
        self.shared.shards.lock().clone()
    }

    pub(super) fn labels(&self) -> &[String] {
        &self.shared.labels
    }

    pub(super) fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Returns the user of a session, if it is known.
    pub(crate) fn user(&self, session: &str) -> Option<String> {
        self.shared.directory.lock().user(session)
    }

    /// Records a transition of the switch.
    pub fn step(&self, step: &Step) {
        let (ended, turn) = {
            let mut turns = self.shared.turns.lock();
            (turns.step(step), turns.present().map(|turn| turn.number))
        };
        if let Transition::Drained { old } | Transition::DrainTimedOut { old } = step.transition {
            self.close(old, turn.filter(|_| matches!(step.transition, Transition::DrainTimedOut { .. })));
        }
        // Of several instances one has made it, and counts it.
        if !step.is_own {
            return;
        }
        let exported = self.shared.exported.lock();
        if let Some((end, took)) = ended {
            exported.switched(end, took.as_secs_f64());
        }
        exported.abandoned(step.abandoned);
    }

    /// Records that a strategy has no queries any more. If `abandoned_in` is given, those it had are lost.
    fn close(&self, strategy: Strategy, abandoned_in: Option<u64>) {
        let mut all: HashMap<Key, Vec<Arc<KnownClient>>> = HashMap::new();
        for known in self.known() {
            all.entry(known.key().clone()).or_default().push(known);
        }
        for known in all.into_values() {
            let open = adoption::open(&known, strategy);
            known.iter().for_each(|known| known.stats().close(strategy));
            if let (Some(turn), 1..) = (abandoned_in, open) {
                known[0].stats().abandon(turn, open);
            }
        }
    }

    /// The clients heard from most recently, latest first, 10 000 at most.
    pub fn clients(&self) -> Vec<Client> {
        let Shared { labels, clock, turns, .. } = &*self.shared;
        let turns = turns.lock().clone();
        let mut all: Vec<_> = adoption::merged(self.known()).into_iter().collect();
        all.sort_by_key(|(_, stats)| std::cmp::Reverse(stats.last_heard()));
        all.truncate(adoption::MOST);
        let name = |label: usize| labels[label].rsplit('/').next().unwrap_or_default().to_owned();
        let view = |(key, stats)| adoption::view(&key, &stats, &turns, name, |at| clock.rfc3339(at));
        all.into_iter().filter_map(view).collect()
    }

    fn known(&self) -> Vec<Arc<KnownClient>> {
        self.shared.shards.lock().iter().flat_map(|shard| shard.clients().all()).collect()
    }

    /// The last ten minutes.
    pub fn series(&self) -> Series {
        let Shared { clock, shards, sampled, .. } = &*self.shared;
        let mut sums = seconds(clock.start, Instant::now());
        sampled.lock().add_to(&mut sums);
        for shard in &*shards.lock() {
            shard.tally().ring.add_to(&mut sums);
        }
        Series::new(&sums, clock.start, clock)
    }

    /// The metrics in Prometheus's text format.
    pub fn metrics(&self) -> String {
        self.collect();
        self.shared.metrics.render()
    }

    /// Collects the counts of the threads and sends their spans, for as long as it is polled.
    pub async fn run(self) {
        match self.shared.tracer.clone() {
            None => self.count().await,
            Some(tracer) => _ = tokio::join!(self.count(), tracer.run()),
        }
    }

    async fn count(&self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.collect();
            self.shared.metrics.tidy();
        }
    }

    fn collect(&self) {
        let Shared { switch, shards, sampled, exported, .. } = &*self.shared;
        let mut exported = exported.lock();
        for shard in &*shards.lock() {
            exported.collect(&mut shard.tally());
        }
        if let Some(switch) = switch {
            let snapshot = switch.snapshot();
            exported.show(&snapshot);
            if let Some(store) = switch.store() {
                exported.show_shared(store, snapshot.epoch);
            }
            sampled.lock().sample(snapshot.queries, Instant::now());
        }
    }
}
