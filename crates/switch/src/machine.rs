//! The state machine of `docs/design/switching.md`: a pure function of state, event and time.

use std::time::{Duration, Instant};

use protocol::{CallKind, Strategy};

use super::{
    engines::{EngineHealth, Report},
    kept::{Kept, KeptTimer},
    phase::{Actor, Phase, Refused, Ticket, Transition, Unfit},
    phase_name::PhaseName,
    rules::{Cutover, Rules},
};

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
    /// The announced engine is not healthy.
    Abort,
    /// The active engine is not healthy, and the other one is.
    FailOver,
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
    /// What is known of the engines, where each strategy has its own.
    engines: Option<[EngineHealth; 2]>,
    /// Since when the active strategy is that.
    active_since: Instant,
    /// Steps not yet [taken](Machine::take_transitions), and who made them.
    transitions: Vec<(Transition, Actor)>,
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
            engines: None,
            active_since: now,
            transitions: Vec::new(),
        }
    }

    /// Each strategy has an engine of its own, of which nothing is known yet.
    pub(super) fn with_engines(mut self, now: Instant) -> Self {
        self.engines = Some([EngineHealth::unknown(now); 2]);
        self
    }

    /// Where an earlier run left off. The announcement, or the grace of the drain, begins anew.
    pub(super) fn resume(mut self, kept: Kept, now: Instant) -> Self {
        let active = kept.active;
        self.phase = match (kept.phase, self.rules.cutover) {
            (PhaseName::Announced, _) => Phase::Announced { active, since: now },
            (PhaseName::Draining, Cutover::Drain) => Phase::Draining { active, since: now },
            (PhaseName::Draining | PhaseName::Stable, _) => Phase::Stable { active },
        };
        self.epoch = kept.epoch;
        self.is_rollback = kept.rollback;
        if let (Some(every), KeptTimer { paused, left }) = (self.rules.switch_every, kept.timer) {
            self.timer = Timer::Paused { left: left.unwrap_or(every).min(every) };
            if !paused {
                self.resume_timer(now);
            }
        } else if kept.timer.paused {
            self.timer = Timer::Paused { left: Duration::ZERO };
        }
        self
    }

    /// What a later run goes on from.
    pub(super) fn keep(&self, now: Instant) -> Kept {
        let every = self.rules.switch_every;
        let (paused, left) = match self.timer {
            Timer::Paused { left } => (true, left),
            Timer::Running { since } => (false, every.unwrap_or_default().saturating_sub(now - since)),
        };
        Kept {
            phase: match self.phase {
                Phase::Stable { .. } => PhaseName::Stable,
                Phase::Announced { .. } => PhaseName::Announced,
                Phase::Draining { .. } => PhaseName::Draining,
            },
            active: self.phase.active(),
            epoch: self.epoch,
            rollback: self.is_rollback,
            timer: KeptTimer { paused, left: every.map(|_| left) },
        }
    }

    /// What an engine, asked at `report.asked`, said of itself by `now`. Of no account where one engine
    /// serves both.
    pub(super) fn hear(&mut self, strategy: Strategy, report: Report, now: Instant) {
        self.advance(now);
        if let Some(engines) = &mut self.engines {
            engines[strategy.index()].hear(report, now);
        }
        self.advance(now);
    }

    /// Whether the engine of a strategy is known to be healthy, as far as that matters.
    pub(super) fn is_healthy(&self, strategy: Strategy) -> bool {
        self.engines.is_none_or(|engines| engines[strategy.index()].is_healthy())
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
        if self.rules.failover.is_none() && rules.failover.is_some() {
            // They have not been asked all the time.
            self.engines = self.engines.map(|_| [EngineHealth::unknown(now); 2]);
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
    pub(super) fn take_transitions(&mut self) -> Vec<(Transition, Actor)> {
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
                Step::CutOver => _ = self.enter_cutover(Actor::Teal, due),
                Step::Abort => _ = self.enter_aborted(Actor::Health, due),
                Step::FailOver => self.fail_over(due),
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

    /// Judges a request by its strategy and, where it is let in, counts it, and a query with it.
    pub(super) fn judge(
        &mut self,
        kind: CallKind,
        strategy: Strategy,
        counts_query: bool,
        now: Instant,
    ) -> Result<Ticket, Refused> {
        self.advance(now);
        let active = self.phase.active();
        let is_let_in = self.is_served(strategy)
            || match self.phase {
                Phase::Draining { .. } => kind != CallKind::Begin,
                _ => kind == CallKind::End && self.rules.cutover == Cutover::Drain,
            };
        if !is_let_in {
            return Err(Refused { expected: active });
        }
        let load = self.load_mut(strategy);
        load.requests += 1;
        load.queries += u64::from(counts_query);
        load.changed = now;
        let adopts = strategy != active && matches!(kind, CallKind::LogIn | CallKind::Begin);
        let [birth, adopts] = [counts_query, adopts].map(|is| is.then_some(self.epoch));
        Ok(Ticket { strategy, birth, adopts })
    }

    /// A request is answered, or gone. `keeps_query`: the query counted for it is on record now.
    pub(super) fn finish(&mut self, ticket: Ticket, keeps_query: bool, with_success: bool, now: Instant) {
        self.advance(now);
        let load = self.load_mut(ticket.strategy);
        load.requests -= 1;
        load.changed = now;
        if let Some(birth) = ticket.birth.filter(|_| !keeps_query) {
            self.forget(ticket.strategy, birth, now);
        }
        // To be let in is not enough: a dead engine lets nobody in.
        if with_success && ticket.adopts == Some(self.epoch) {
            self.adopt(now);
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
    pub(super) fn announce(&mut self, by: Actor, now: Instant) -> Result<Transition, Unfit> {
        self.advance(now);
        match self.phase {
            Phase::Stable { .. } => Ok(self.enter_announced(false, by, now)),
            _ => Err(self.unfit("announce", PhaseName::Stable)),
        }
    }

    /// Makes the pending strategy the active one.
    pub(super) fn cutover(&mut self, by: Actor, now: Instant) -> Result<Transition, Unfit> {
        self.advance(now);
        match self.phase {
            Phase::Announced { .. } => Ok(self.enter_cutover(by, now)),
            _ => Err(self.unfit("cut over", PhaseName::Announced)),
        }
    }

    /// Withdraws the announcement.
    pub(super) fn abort(&mut self, by: Actor, now: Instant) -> Result<Transition, Unfit> {
        self.advance(now);
        match self.phase {
            Phase::Announced { .. } => Ok(self.enter_aborted(by, now)),
            _ => Err(self.unfit("abort", PhaseName::Announced)),
        }
    }

    /// Announces the old strategy again.
    pub(super) fn rollback(&mut self, by: Actor, now: Instant) -> Result<Transition, Unfit> {
        self.advance(now);
        match self.phase {
            Phase::Draining { .. } => Ok(self.enter_announced(true, by, now)),
            _ => Err(self.unfit("roll back", PhaseName::Draining)),
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
        let failover = self.failover_due().map(|due| (due, Step::FailOver));
        [failover, self.next_of_phase()].into_iter().flatten().min_by_key(|(due, _)| *due)
    }

    /// When the active engine has been unhealthy for too long, while the other one is healthy.
    fn failover_due(&self) -> Option<Instant> {
        let (after, engines, active) = (self.rules.failover?, self.engines?, self.phase.active());
        let (since, known) = engines[active.index()].unhealthy()?;
        let healthy = engines[active.other().index()].healthy_since()?;
        Some((since.max(self.active_since) + after).max(known).max(healthy).max(self.ruled))
    }

    fn next_of_phase(&self) -> Option<(Instant, Step)> {
        match self.phase {
            Phase::Stable { .. } => None,
            Phase::Announced { .. } => self.next_of_announcement(),
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

    /// The cutover, once the pending engine has said that it is healthy after it was due; or the abort, where it
    /// does not.
    fn next_of_announcement(&self) -> Option<(Instant, Step)> {
        let (active, since, due) = self.cutover_due()?;
        let Some(engines) = self.engines else { return Some((due?, Step::CutOver)) };
        let step = match engines[active.other().index()] {
            EngineHealth::Healthy { asked, known, .. } => {
                let due = due.filter(|due| *due <= asked)?;
                (due.max(known), Step::CutOver)
            }
            engine => {
                let after = self.rules.unhealthy_abort;
                let given_up = after.map(|after| engine.not_healthy_since().max(since) + after);
                let timed_out = self.announce_timed_out(since);
                let due = [given_up, timed_out].into_iter().flatten().min()?;
                (due.max(engine.known()).max(self.ruled), Step::Abort)
            }
        };
        Some(step)
    }

    /// The active strategy, since when the other one is announced, and when the cutover is due, health aside.
    fn cutover_due(&self) -> Option<(Strategy, Instant, Option<Instant>)> {
        let Phase::Announced { active, since } = self.phase else { return None };
        let adopted = self.adopted.map(|at| at.max(since + self.rules.notice));
        let due = [adopted, self.announce_timed_out(since)].into_iter().flatten().min();
        Some((active, since, due.map(|due| due.max(self.ruled))))
    }

    fn announce_timed_out(&self, since: Instant) -> Option<Instant> {
        let timeout = self.rules.announce_timeout?;
        Some(since + timeout.max(self.rules.notice))
    }

    /// From when on the pending engine has to be asked again: a cutover to it is due then, and the last good
    /// answer is older.
    pub(super) fn question_due(&self) -> Option<Instant> {
        let (active, _, due) = self.cutover_due()?;
        match self.engines?[active.other().index()] {
            EngineHealth::Healthy { asked, .. } => due.filter(|due| *due > asked),
            EngineHealth::Unknown { .. } | EngineHealth::Unhealthy { .. } => None,
        }
    }

    /// The strategy whose engine is neither active nor announced, and when it has been unhealthy for so long that
    /// nobody is to wait for it.
    pub(super) fn leaves(&self) -> Option<(Strategy, Instant)> {
        let old = match self.phase {
            Phase::Announced { .. } => return None,
            Phase::Stable { active } | Phase::Draining { active, .. } => active.other(),
        };
        let (since, known) = self.engines?[old.index()].unhealthy()?;
        Some((old, (since + self.rules.unhealthy_abort?).max(known).max(self.ruled)))
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

    /// The other strategy becomes the active one in one step.
    fn fail_over(&mut self, now: Instant) {
        match self.phase {
            Phase::Stable { .. } => _ = self.enter_announced(false, Actor::Health, now),
            Phase::Draining { .. } => _ = self.enter_announced(true, Actor::Health, now),
            Phase::Announced { .. } => {}
        }
        self.enter_cutover(Actor::Health, now);
    }

    fn enter_announced(&mut self, is_rollback: bool, by: Actor, now: Instant) -> Transition {
        let active = self.phase.active();
        self.enter(Phase::Announced { active, since: now });
        self.is_rollback = is_rollback;
        self.record(Transition::Announced { from: active, to: active.other() }, by)
    }

    fn enter_aborted(&mut self, by: Actor, now: Instant) -> Transition {
        let active = self.phase.active();
        self.restart_timer(now);
        self.enter_drain(active, true, now);
        self.record(Transition::Aborted { withdrawn: active.other() }, by)
    }

    fn enter_cutover(&mut self, by: Actor, now: Instant) -> Transition {
        let old = self.phase.active();
        self.restart_timer(now);
        self.active_since = now;
        self.enter_drain(old.other(), self.is_rollback, now);
        self.record(Transition::CutOver { from: old, to: old.other() }, by)
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
        self.record(Transition::Drained { old: active.other() }, Actor::Teal);
    }

    fn time_drain_out(&mut self) {
        let active = self.phase.active();
        self.enter(Phase::Stable { active });
        let epoch = self.epoch;
        let old = self.load_mut(active.other());
        old.queries = 0;
        old.forgotten = epoch;
        self.record(Transition::DrainTimedOut { old: active.other() }, Actor::Teal);
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
        self.adopted = None;
        self.withheld = None;
    }

    fn record(&mut self, transition: Transition, by: Actor) -> Transition {
        self.transitions.push((transition, by));
        transition
    }

    fn restart_timer(&mut self, now: Instant) {
        self.timer = match self.timer {
            Timer::Running { .. } => Timer::Running { since: now },
            Timer::Paused { .. } => Timer::Paused { left: self.rules.switch_every.unwrap_or_default() },
        };
    }

    fn unfit(&self, verb: &'static str, expected: PhaseName) -> Unfit {
        Unfit { verb, phase: self.phase.name(), expected }
    }

    fn load(&self, strategy: Strategy) -> &Load {
        &self.loads[strategy.index()]
    }

    fn load_mut(&mut self, strategy: Strategy) -> &mut Load {
        &mut self.loads[strategy.index()]
    }
}
