//! The state machine of `docs/design/switching.md`: a pure function of state, event and time.

use std::time::{Duration, Instant};

use super::{
    phase::{Does, Phase, Refused, Ticket, Transition, Unfit},
    rules::{Cutover, Rules},
};
use crate::strategy::Strategy;

/// The requests and queries of one strategy.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// Queries on record, and requests in progress that count as one.
    queries: u64,
    /// Requests let in and not yet finished.
    requests: u64,
    /// The last moment at which either count changed.
    changed: Instant,
    /// Queries born before this epoch are off the record.
    forgotten: u64,
}

/// What the timer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    Running { since: Instant },
    Paused { left: Duration },
}

/// What operators see of the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerView {
    /// From a strategy becoming active to the announcement of the other one; `None` is never.
    pub every: Option<Duration>,
    /// What is left of that, while it is running down or paused.
    pub left: Option<Duration>,
    /// Whether it is frozen.
    pub is_paused: bool,
}

/// Queries of the active strategy that hold a drain: their clients may act on a withdrawn notice.
#[derive(Clone, Copy, Debug)]
struct Withheld {
    /// Those born before this epoch.
    before: u64,
    left: u64,
    changed: Instant,
}

/// A transition that takes place by itself.
#[derive(Clone, Copy, Debug)]
enum Step {
    CutOver,
    Drained,
    DrainTimedOut,
}

/// The machine. Time only moves forward: every event first [advances](Machine::advance) to its moment.
#[derive(Debug)]
pub(super) struct Machine {
    rules: Rules,
    /// Since when. What they end ends no earlier: until then others held.
    ruled: Instant,
    phase: Phase,
    epoch: u64,
    timer: Timer,
    loads: [Load; 2],
    /// When a client was first seen to act on the present announcement.
    adopted: Option<Instant>,
    /// The present announcement takes back a cutover.
    is_rollback: bool,
    withheld: Option<Withheld>,
    /// Steps not yet [taken](Machine::take_transitions).
    transitions: Vec<Transition>,
}

impl Machine {
    /// `STABLE` with the initial strategy.
    pub(super) fn new(rules: Rules, now: Instant) -> Self {
        let load = Load { queries: 0, requests: 0, changed: now, forgotten: 0 };
        Self {
            phase: Phase::Stable { active: rules.initial },
            rules,
            ruled: now,
            epoch: 0,
            timer: Timer::Running { since: now },
            loads: [load; 2],
            adopted: None,
            is_rollback: false,
            withheld: None,
            transitions: Vec::new(),
        }
    }

    /// The present rules.
    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Moves by other rules from now on.
    pub(super) fn set_rules(&mut self, rules: Rules, now: Instant) {
        self.advance(now);
        if let Timer::Paused { left } = &mut self.timer {
            let every = rules.switch_every.unwrap_or_default();
            let spent = self.rules.switch_every.map_or(Duration::ZERO, |before| before - *left);
            *left = every.saturating_sub(spent);
        }
        let initial = self.rules.initial;
        self.rules = Rules { initial, ..rules };
        self.ruled = now;
        self.advance(now);
    }

    /// The present phase.
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// How many transitions there have been.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Queries of a strategy: on record, or counted for a request in progress.
    pub(super) fn queries(&self, strategy: Strategy) -> u64 {
        self.load(strategy).queries
    }

    /// Requests of a strategy in progress.
    pub(super) fn requests(&self, strategy: Strategy) -> u64 {
        self.load(strategy).requests
    }

    /// The steps since the last call, in order.
    pub(super) fn take_transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }

    /// So many more requests of a strategy came than went, while it was [served](Machine::is_served).
    pub(super) fn count(&mut self, strategy: Strategy, more: i64) {
        let load = self.load_mut(strategy);
        load.requests = load.requests.strict_add_signed(more);
    }

    /// Whether all requests of a strategy are let in, and it doesn't matter when the last of them was.
    pub(super) fn is_served(&self, strategy: Strategy) -> bool {
        strategy == self.phase.active() || matches!(self.phase, Phase::Announced { .. })
    }

    /// Takes every step that is due by `now`, each at its own moment.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some((due, step)) = self.next_step()
            && due <= now
        {
            match step {
                Step::CutOver => _ = self.enter_cutover(due),
                Step::Drained => self.enter_drained(),
                Step::DrainTimedOut => self.time_drain_out(),
            }
        }
    }

    /// When [`Machine::advance`] has something to do, if nothing else happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_step().map(|(due, _)| due)
    }

    /// When the timer wants an announcement. `None` while it waits for `STABLE`, is paused or off.
    pub(super) fn timer_due(&self) -> Option<Instant> {
        match (self.phase, self.timer) {
            (Phase::Stable { .. }, Timer::Running { since }) => Some(since + self.rules.switch_every?),
            _ => None,
        }
    }

    /// Whether it is time to announce the other strategy.
    pub(super) fn is_timer_due(&self, now: Instant) -> bool {
        self.timer_due().is_some_and(|due| due <= now)
    }

    /// What operators see of the timer.
    pub(super) fn timer_view(&self, now: Instant) -> TimerView {
        let every = self.rules.switch_every;
        let (left, is_paused) = match self.timer {
            Timer::Paused { left } => (every.map(|_| left), true),
            Timer::Running { .. } => (self.timer_due().map(|due| due.saturating_duration_since(now)), false),
        };
        TimerView { every, left, is_paused }
    }

    /// Judges a request by its strategy and, where it is let in, counts it.
    pub(super) fn judge(&mut self, does: Does, strategy: Strategy, now: Instant) -> Result<Ticket, Refused> {
        self.advance(now);
        let active = self.phase.active();
        let is_let_in = self.is_served(strategy)
            || match self.phase {
                Phase::Draining { .. } => does != Does::Begin,
                _ => does == Does::End && self.rules.cutover == Cutover::Drain,
            };
        if !is_let_in {
            return Err(Refused { expected: active });
        }
        let counts_query = matches!(does, Does::Begin | Does::ContinueUnseen);
        let load = self.load_mut(strategy);
        load.requests += 1;
        load.queries += u64::from(counts_query);
        load.changed = now;
        let ticket = Ticket { strategy, birth: counts_query.then_some(self.epoch) };
        if strategy != active && matches!(does, Does::LogIn | Does::Begin) {
            self.adopt(now);
        }
        Ok(ticket)
    }

    /// A request is answered, or gone. `keeps_query`: the query counted for it is on record now.
    pub(super) fn finish(&mut self, ticket: Ticket, keeps_query: bool, now: Instant) {
        self.advance(now);
        let load = self.load_mut(ticket.strategy);
        load.requests -= 1;
        load.changed = now;
        if let Some(birth) = ticket.birth.filter(|_| !keeps_query) {
            self.forget(ticket.strategy, birth, now);
        }
    }

    /// Whether a query born at `birth` can still be on record.
    pub(super) fn remembers(&self, strategy: Strategy, birth: u64) -> bool {
        birth >= self.load(strategy).forgotten
    }

    /// A query on record has ended with success.
    pub(super) fn end(&mut self, strategy: Strategy, birth: u64, now: Instant) {
        self.advance(now);
        self.forget(strategy, birth, now);
        if strategy == self.phase.active() {
            self.adopt(now);
        }
    }

    /// A query left the record in another way than by its end.
    pub(super) fn forget(&mut self, strategy: Strategy, birth: u64, now: Instant) {
        self.advance(now);
        if !self.remembers(strategy, birth) {
            return;
        }
        let active = self.phase.active();
        let load = self.load_mut(strategy);
        load.queries -= 1;
        load.changed = now;
        if let Some(withheld) = &mut self.withheld
            && strategy == active
            && birth < withheld.before
        {
            withheld.left -= 1;
            withheld.changed = now;
        }
        self.advance(now);
    }

    /// Announces the other strategy.
    pub(super) fn announce(&mut self, now: Instant) -> Result<Transition, Unfit> {
        self.advance(now);
        match self.phase {
            Phase::Stable { .. } => Ok(self.enter_announced(false, now)),
            _ => Err(self.unfit("announce", "STABLE")),
        }
    }

    /// Makes the pending strategy the active one.
    pub(super) fn cutover(&mut self, now: Instant) -> Result<Transition, Unfit> {
        self.advance(now);
        match self.phase {
            Phase::Announced { .. } => Ok(self.enter_cutover(now)),
            _ => Err(self.unfit("cut over", "ANNOUNCED")),
        }
    }

    /// Withdraws the announcement.
    pub(super) fn abort(&mut self, now: Instant) -> Result<Transition, Unfit> {
        self.advance(now);
        let Phase::Announced { active, .. } = self.phase else {
            return Err(self.unfit("abort", "ANNOUNCED"));
        };
        self.restart_timer(now);
        self.enter_drain(active, true, now);
        Ok(self.record(Transition::Aborted { withdrawn: active.other() }))
    }

    /// Announces the old strategy again.
    pub(super) fn rollback(&mut self, now: Instant) -> Result<Transition, Unfit> {
        self.advance(now);
        match self.phase {
            Phase::Draining { .. } => Ok(self.enter_announced(true, now)),
            _ => Err(self.unfit("roll back", "DRAINING")),
        }
    }

    /// Freezes what is left of the timer. False where it was paused already.
    pub(super) fn pause_timer(&mut self, now: Instant) -> bool {
        let Timer::Running { since } = self.timer else { return false };
        let every = self.rules.switch_every.unwrap_or_default();
        self.timer = Timer::Paused { left: every.saturating_sub(now - since) };
        true
    }

    /// Goes on with what was left of the timer. False where it was not paused.
    pub(super) fn resume_timer(&mut self, now: Instant) -> bool {
        let Timer::Paused { left } = self.timer else { return false };
        let every = self.rules.switch_every.unwrap_or_default();
        // A clock that is younger than the part already spent cannot be set back: start anew then.
        let since = now.checked_sub(every - left).unwrap_or(now);
        self.timer = Timer::Running { since };
        true
    }

    /// Some client acts on the announcement.
    fn adopt(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Announced { .. }) {
            self.adopted.get_or_insert(now);
            self.advance(now);
        }
    }

    fn next_step(&self) -> Option<(Instant, Step)> {
        match self.phase {
            Phase::Stable { .. } => None,
            Phase::Announced { since, .. } => {
                let noticed = since + self.rules.notice;
                let adopted = self.adopted.map(|at| at.max(noticed));
                let timed_out = self.rules.announce_timeout.map(|timeout| noticed.max(since + timeout));
                let due = [adopted, timed_out].into_iter().flatten().min()?;
                Some((due.max(self.ruled), Step::CutOver))
            }
            Phase::Draining { since, .. } => {
                let timed_out = self.rules.drain_timeout.map(|timeout| (since + timeout).max(self.ruled));
                let quiet = self.quiet_since(since);
                match (quiet.map(|quiet| (quiet + self.rules.grace).max(self.ruled)), timed_out) {
                    (Some(drained), timed_out) if timed_out.is_none_or(|timeout| drained <= timeout) => {
                        Some((drained, Step::Drained))
                    }
                    (_, timed_out) => Some((timed_out?, Step::DrainTimedOut)),
                }
            }
        }
    }

    /// Since when nothing of the old strategy has been going on.
    fn quiet_since(&self, cutover: Instant) -> Option<Instant> {
        let old = self.load(self.phase.active().other());
        let withheld = self.withheld.map_or(0, |withheld| withheld.left);
        if old.queries + old.requests + withheld > 0 {
            return None;
        }
        let released = self.withheld.map_or(cutover, |withheld| withheld.changed);
        Some(cutover.max(old.changed).max(released))
    }

    fn enter_announced(&mut self, is_rollback: bool, now: Instant) -> Transition {
        let active = self.phase.active();
        self.enter(Phase::Announced { active, since: now });
        self.is_rollback = is_rollback;
        self.record(Transition::Announced { from: active, to: active.other() })
    }

    fn enter_cutover(&mut self, now: Instant) -> Transition {
        let old = self.phase.active();
        self.restart_timer(now);
        self.enter_drain(old.other(), self.is_rollback, now);
        self.record(Transition::CutOver { from: old, to: old.other() })
    }

    fn enter_drain(&mut self, active: Strategy, withholds: bool, now: Instant) {
        match self.rules.cutover {
            Cutover::Strict => self.enter(Phase::Stable { active }),
            Cutover::Drain => {
                self.enter(Phase::Draining { active, since: now });
                let left = self.load(active).queries;
                self.withheld = withholds.then_some(Withheld { before: self.epoch, left, changed: now });
            }
        }
    }

    fn enter_drained(&mut self) {
        let active = self.phase.active();
        self.enter(Phase::Stable { active });
        self.record(Transition::Drained { old: active.other() });
    }

    fn time_drain_out(&mut self) {
        let active = self.phase.active();
        self.enter(Phase::Stable { active });
        let epoch = self.epoch;
        let old = self.load_mut(active.other());
        old.queries = 0;
        old.forgotten = epoch;
        self.record(Transition::DrainTimedOut { old: active.other() });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
        self.adopted = None;
        self.withheld = None;
    }

    fn record(&mut self, transition: Transition) -> Transition {
        self.transitions.push(transition);
        transition
    }

    fn restart_timer(&mut self, now: Instant) {
        self.timer = match self.timer {
            Timer::Running { .. } => Timer::Running { since: now },
            Timer::Paused { .. } => Timer::Paused { left: self.rules.switch_every.unwrap_or_default() },
        };
    }

    fn unfit(&self, verb: &'static str, expected: &'static str) -> Unfit {
        Unfit { verb, phase: self.phase.name(), expected }
    }

    fn load(&self, strategy: Strategy) -> &Load {
        &self.loads[strategy.index()]
    }

    fn load_mut(&mut self, strategy: Strategy) -> &mut Load {
        &mut self.loads[strategy.index()]
    }
}
