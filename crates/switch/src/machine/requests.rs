//! How requests and queries are judged and counted.

use std::time::Instant;

use protocol::{CallKind, Strategy};

use super::Machine;
use crate::{
    instance::Stage,
    phase::{Admission, StrategyMismatch},
    phase_name::PhaseName,
};

impl Machine {
    /// So many more requests of a strategy came than went, while it was [served](Machine::is_served).
    pub(crate) fn count(&mut self, strategy: Strategy, more: i64) {
        let load = self.load_mut(strategy);
        load.requests = load.requests.strict_add_signed(more);
    }

    /// Whether all requests of a strategy are let in, and it doesn't matter when the last of them was.
    pub(crate) fn is_served(&self, strategy: Strategy) -> bool {
        self.course.lets_all_in(self.stage, strategy)
    }

    /// Judges a request by its strategy and, where it is let in, counts it, and a query with it.
    pub(crate) fn judge(
        &mut self,
        kind: CallKind,
        strategy: Strategy,
        counts_query: bool,
        now: Instant,
    ) -> Result<Admission, StrategyMismatch> {
        self.advance(now);
        let active = self.course.active;
        if !self.course.lets_in(self.stage, kind, strategy) {
            return Err(StrategyMismatch { expected: active });
        }
        Ok(self.admit(kind, strategy, counts_query, now))
    }

    /// Counts a request that is let in, and a query with it.
    pub(crate) fn admit(
        &mut self,
        kind: CallKind,
        strategy: Strategy,
        counts_query: bool,
        now: Instant,
    ) -> Admission {
        let active = self.course.active;
        let birth = self.course.birth(self.stage);
        let load = self.load_mut(strategy);
        load.requests += 1;
        load.queries += u64::from(counts_query);
        load.changed = now;
        if counts_query
            && strategy == active
            && self.course.holds_drain(strategy, birth)
            && let Some(withheld) = &mut self.withheld
        {
            withheld.left += 1;
        }
        let adopts = strategy != active && matches!(kind, CallKind::LogIn | CallKind::Begin);
        Admission {
            strategy,
            birth: counts_query.then_some(birth),
            adopts: adopts.then_some(self.course.epoch),
        }
    }

    /// A request is answered, or gone. `keeps_query`: the query counted for it is on record now.
    pub(crate) fn finish(
        &mut self,
        admission: Admission,
        keeps_query: bool,
        with_success: bool,
        now: Instant,
    ) {
        self.advance(now);
        let load = self.load_mut(admission.strategy);
        load.requests -= 1;
        load.changed = now;
        if let Some(birth) = admission.birth.filter(|_| !keeps_query) {
            self.forget(admission.strategy, birth, now);
        }
        // To be let in is not enough: a dead engine lets nobody in.
        if with_success && admission.adopts == Some(self.course.epoch) {
            self.adopt(now);
        }
    }

    /// Whether a query born at `birth` can still be on record.
    pub(crate) fn remembers(&self, strategy: Strategy, birth: u64) -> bool {
        self.course.remembers(strategy, birth)
    }

    /// A query on record has ended with success.
    pub(crate) fn end(&mut self, strategy: Strategy, birth: u64, now: Instant) {
        self.advance(now);
        self.forget(strategy, birth, now);
        self.ended(strategy, now);
    }

    /// A query has ended with success, on whatever record it was.
    pub(crate) fn ended(&mut self, strategy: Strategy, now: Instant) {
        // Its client was told where to go next.
        if strategy == self.course.active && self.stage >= Stage::Telling {
            self.adopt(now);
        }
    }

    /// A query left the record in another way than by its end.
    pub(crate) fn forget(&mut self, strategy: Strategy, birth: u64, now: Instant) {
        self.advance(now);
        if !self.remembers(strategy, birth) {
            return;
        }
        let load = self.load_mut(strategy);
        load.queries -= 1;
        load.changed = now;
        if strategy == self.course.active
            && self.course.holds_drain(strategy, birth)
            && let Some(withheld) = &mut self.withheld
        {
            withheld.left -= 1;
            withheld.changed = now;
        }
        self.advance(now);
    }

    /// Some client acts on the announcement.
    fn adopt(&mut self, now: Instant) {
        if self.course.phase == PhaseName::Announced {
            self.adopted.get_or_insert(now);
            self.advance(now);
        }
    }
}
