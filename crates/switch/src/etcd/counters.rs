//! Counters of the use of etcd, for metrics. Plain numbers: whoever exports them reads them now and then.

mod kinds;
mod samples;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

pub use self::{
    kinds::{EtcdOp, LookUpReason, ResyncReason},
    samples::Samples,
};
use super::store::StoreError;

/// All that is counted. One for each instance.
#[derive(Debug)]
pub struct Counters {
    base: Instant,
    ops: [OpCounters; EtcdOp::ALL.len()],
    batches: Samples,
    look_ups: [AtomicU64; LookUpReason::ALL.len()],
    resyncs: [AtomicU64; ResyncReason::ALL.len()],
    waiting: AtomicI64,
    outstanding: AtomicI64,
    /// Nanoseconds from `base`: since when nobody was answered, while somebody waits.
    silent: AtomicU64,
    /// The last request that is over was not answered.
    is_failing: AtomicBool,
    /// etcd had no room for the last put.
    is_full: AtomicBool,
}

#[derive(Debug)]
struct OpCounters {
    durations: Samples,
    errors: AtomicU64,
}

/// A request that waits for etcd, until this is dropped.
#[derive(Debug)]
pub(crate) struct Waits(Arc<Counters>);

/// A request that is not answered yet.
struct Outstanding<'a> {
    counters: &'a Counters,
    is_answered: bool,
}

impl Default for Counters {
    fn default() -> Self {
        let op = |_| OpCounters { durations: Samples::new(&Self::DURATIONS), errors: AtomicU64::new(0) };
        Self {
            base: Instant::now(),
            ops: EtcdOp::ALL.map(op),
            batches: Samples::new(&Self::BATCHES),
            look_ups: Default::default(),
            resyncs: Default::default(),
            waiting: AtomicI64::new(0),
            outstanding: AtomicI64::new(0),
            silent: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
        }
    }
}

impl Counters {
    /// The upper bounds of durations, in seconds.
    pub const DURATIONS: [f64; 11] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
    /// The upper bounds of the size of a batch.
    pub const BATCHES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

    /// How long requests took, in seconds.
    pub fn durations(&self, op: EtcdOp) -> &Samples {
        &self.ops[op as usize].durations
    }

    /// How many requests failed.
    pub fn errors(&self, op: EtcdOp) -> u64 {
        self.ops[op as usize].errors.load(Relaxed)
    }

    /// How many puts and deletions were written at once.
    pub fn batches(&self) -> &Samples {
        &self.batches
    }

    /// How many calls had to ask etcd.
    pub fn look_ups(&self, why: LookUpReason) -> u64 {
        self.look_ups[why as usize].load(Relaxed)
    }

    /// How often everything was listed anew.
    pub fn resyncs(&self, why: ResyncReason) -> u64 {
        self.resyncs[why as usize].load(Relaxed)
    }

    /// How many requests wait for etcd.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed).try_into().unwrap_or_default()
    }

    /// For how long requests have been waiting without an answer to any of them. Zero where the last one was answered.
    pub fn silent_for(&self) -> Duration {
        if self.outstanding.load(Relaxed) <= 0 && !self.is_failing.load(Relaxed) {
            return Duration::ZERO;
        }
        self.base.elapsed().saturating_sub(Duration::from_nanos(self.silent.load(Relaxed)))
    }

    /// Whether etcd is out of space: it has refused the last put for that.
    pub fn is_full(&self) -> bool {
        self.is_full.load(Relaxed)
    }

    /// Measures a request.
    pub(super) async fn time<T, E: Into<StoreError>>(
        &self,
        op: EtcdOp,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreError> {
        let sent = Instant::now();
        if self.outstanding.fetch_add(1, Relaxed) == 0 && !self.is_failing.load(Relaxed) {
            self.heard();
        }
        let mut outstanding = Outstanding { counters: self, is_answered: false };
        let answer = request.await.map_err(Into::into);
        let of = &self.ops[op as usize];
        // An error that is no outage is an answer, too.
        outstanding.is_answered = answer.as_ref().err().is_none_or(|error| !error.is_outage());
        match &answer {
            Ok(_) => {
                of.durations.add(sent.elapsed().as_secs_f64());
                if op.always_puts() {
                    self.is_full.store(false, Relaxed);
                }
            }
            Err(error) => {
                of.errors.fetch_add(1, Relaxed);
                if error.is_no_space() {
                    self.is_full.store(true, Relaxed);
                }
            }
        }
        answer
    }

    fn heard(&self) {
        let now = u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.silent.store(now, Relaxed);
        self.is_failing.store(false, Relaxed);
    }

    pub(super) fn batch(&self, size: usize) {
        self.batches.add(size as f64);
    }

    pub(super) fn look_up(&self, why: LookUpReason) {
        self.look_ups[why as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn resync(&self, why: ResyncReason) {
        self.resyncs[why as usize].fetch_add(1, Relaxed);
    }

    /// A request begins to wait for etcd.
    pub(crate) fn wait(self: &Arc<Self>) -> Waits {
        self.waiting.fetch_add(1, Relaxed);
        Waits(Arc::clone(self))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        match self.is_answered {
            true => self.counters.heard(),
            false => self.counters.is_failing.store(true, Relaxed),
        }
        self.counters.outstanding.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_ends_with_any_answer() {
        let (counters, second) = (Counters::default(), Duration::from_secs(1));
        assert_eq!(counters.silent_for(), Duration::ZERO);
        let slow = counters.time(EtcdOp::Read, async {
            tokio::time::sleep(second * 10).await;
            Ok::<_, StoreError>(())
        });
        let look = async {
            tokio::time::sleep(second * 3).await;
            assert_eq!(counters.silent_for(), second * 3);
            counters.time(EtcdOp::Record, async { Ok::<_, StoreError>(()) }).await.expect("it is done");
            assert_eq!(counters.silent_for(), Duration::ZERO);
            tokio::time::sleep(second).await;
            assert_eq!(counters.silent_for(), second);
        };
        _ = tokio::join!(slow, look);
        assert_eq!(counters.silent_for(), Duration::ZERO);
        assert_eq!(counters.durations(EtcdOp::Read).drain(), [(10.0, 1)]);
    }

    /// An attempt that failed is no answer, and between two of them etcd is silent still.
    #[tokio::test(start_paused = true)]
    async fn failed_attempts_are_silence() {
        let (counters, second) = (Counters::default(), Duration::from_secs(1));
        for _ in 0..2 {
            let failed = counters.time(EtcdOp::Read, async {
                tokio::time::sleep(second).await;
                Err::<(), _>(teal_etcd::Error::Busy)
            });
            assert!(failed.await.is_err());
            tokio::time::sleep(second).await;
        }
        assert_eq!((counters.silent_for(), counters.errors(EtcdOp::Read)), (second * 4, 2));
        counters.time(EtcdOp::Read, async { Ok::<_, StoreError>(()) }).await.expect("it is done");
        assert_eq!(counters.silent_for(), Duration::ZERO);
    }
}
