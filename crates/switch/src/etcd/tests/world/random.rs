//! What differs from seed to seed.

use std::time::Duration;

use protocol::Strategy::Blue;

use crate::{Cutover, Rules};

/// A small generator, so that a failing run comes again.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    pub(super) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(super) fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap_or_default()
    }

    pub(super) fn millis(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }

    pub(super) fn split(&mut self) -> Self {
        let seed = self.0;
        self.below(2);
        Self::new(seed)
    }
}

/// What a world has that another one has not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traits {
    /// Calls of the old strategy are rejected at the cutover, in the middle of a query too.
    pub(super) is_strict: bool,
    /// Threads of a client, which share its strategy.
    pub(super) threads: usize,
    /// An engine per strategy, which not all instances reach at times.
    pub(super) has_engines: bool,
    /// etcd loses its data, or is set back.
    pub(super) loses_data: bool,
    /// Leases end before their owners know.
    pub(super) ends_leases: bool,
}

impl Traits {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            is_strict: random.one_in(6),
            threads: if random.one_in(4) { 2 } else { 1 },
            has_engines: random.one_in(2),
            loses_data: random.one_in(6),
            ends_leases: random.one_in(6),
        }
    }

    pub(super) fn rules(&self, random: &mut Random) -> Rules {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        Rules {
            initial: Blue,
            switch_every: None,
            cutover: if self.is_strict { Cutover::Strict } else { Cutover::Drain },
            notice: random.millis(1000),
            announce_timeout: seconds(5).filter(|_| random.one_in(2)),
            grace: Duration::from_millis(700) + random.millis(1000),
            drain_timeout: seconds(90),
            unhealthy_abort: seconds(3).filter(|_| random.one_in(2)),
            failover: seconds(2).filter(|_| random.one_in(2)),
            ..Rules::default()
        }
    }
}
