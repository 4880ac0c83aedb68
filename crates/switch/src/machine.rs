//! The state machine of `docs/design/switching.md`: a pure function of state, event and time. It counts requests and
//! queries and holds the deadlines; the [course](super::course) has the rules.

mod countdown;
mod follow;
mod health;
mod load;
mod requests;
mod shared;
mod wish;

use std::{mem, time::Instant};

use protocol::Strategy;

pub use self::countdown::TimerView;
use self::{
    countdown::Countdown,
    load::{Load, Withheld},
    shared::Shared,
};
use super::{
    course::Course,
    engines::{EngineHealth, Report},
    instance::{Stage, Unwell},
    phase::{Actor, Phase, Transition},
    phase_name::PhaseName,
    rules::{Cutover, Rules},
    saved_state::SavedState,
};

/// The machine. Time only moves forward: every event first [advances](Machine::advance) to its moment.
#[derive(Debug)]
pub(super) struct Machine {
    rules: Rules,
    /// Since when. What they end ends no earlier: until then others held.
    ruled: Instant,
    course: Course,
    /// The stage of this instance with the heading.
    stage: Stage,
    /// When this instance entered the present phase.
    followed: Instant,
    /// When this instance first saw that all live ones tell the heading.
    all_tell: Option<Instant>,
    /// From when on the grace counts at the earliest: this instance has reached the last stage, and no other one has
    /// vanished since.
    closing: Option<Instant>,
    countdown: Countdown,
    loads: [Load; 2],
    /// When a client was first seen to act on the present announcement.
    adopted: Option<Instant>,
    withheld: Option<Withheld>,
    /// The health of the engines, if each strategy has its own.
    engines: Option<[EngineHealth; 2]>,
    /// What the other live instances say of the engines.
    others: Vec<Unwell>,
    /// Since when the active strategy is that.
    active_since: Instant,
    /// What it knows of the others' requests, where there are other instances. Then it only wishes for transitions.
    shared: Option<Shared>,
    /// Steps not yet [taken](Machine::take_transitions), and who made them.
    transitions: Vec<(Transition, Actor)>,
}

impl Machine {
    /// `STABLE` with the initial strategy.
    pub(super) fn new(rules: Rules, now: Instant) -> Self {
        Self {
            course: Course::stable(rules.initial, rules.cutover, 0),
            rules,
            ruled: now,
            stage: Stage::Closing,
            followed: now,
            all_tell: Some(now),
            closing: Some(now),
            countdown: Countdown::Running { since: now },
            loads: [Load::none(now); 2],
            adopted: None,
            withheld: None,
            engines: None,
            others: Vec::new(),
            active_since: now,
            shared: None,
            transitions: Vec::new(),
        }
    }

    /// Each strategy has an engine of its own, of which nothing is known yet.
    pub(super) fn with_engines(mut self, now: Instant) -> Self {
        self.engines = Some([EngineHealth::unknown(now); 2]);
        self
    }

    /// Where an earlier run left off. The announcement, or the grace of the drain, begins anew.
    pub(super) fn resume(mut self, kept: SavedState, now: Instant) -> Self {
        let phase = match (kept.phase, self.rules.cutover) {
            (PhaseName::Draining, Cutover::Strict) => PhaseName::Stable,
            (phase, _) => phase,
        };
        let withheld = if kept.rollback && phase == PhaseName::Announced { kept.epoch } else { 0 };
        self.course =
            Course { phase, withheld, ..Course::stable(kept.active, self.rules.cutover, kept.epoch) };
        self.stage = Stage::join(&self.course);
        self.pass_stages(now);
        if let Some(countdown) = Countdown::resumed(kept.timer, self.rules.switch_every, now) {
            self.countdown = countdown;
        }
        self
    }

    /// The state that a later run continues from.
    pub(super) fn keep(&self, now: Instant) -> SavedState {
        SavedState {
            phase: self.course.phase,
            active: self.course.active,
            epoch: self.course.epoch,
            rollback: self.course.is_rollback(),
            timer: self.countdown.keep(self.rules.switch_every, now),
        }
    }

    /// Applies the health report of an engine, which came at `now`. Ignored if one engine serves both strategies.
    pub(super) fn hear(&mut self, strategy: Strategy, report: Report, now: Instant) {
        self.advance(now);
        if let Some(engines) = &mut self.engines {
            engines[strategy.index()].hear(report, now);
        }
        self.advance(now);
    }

    /// Whether each strategy has an engine of its own.
    pub(super) fn has_engines(&self) -> bool {
        self.engines.is_some()
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
        self.countdown.change(self.rules.switch_every, rules.switch_every);
        if self.rules.failover.is_none() && rules.failover.is_some() {
            // They have not been asked all the time.
            self.engines = self.engines.map(|_| [EngineHealth::unknown(now); 2]);
        }
        let initial = self.rules.initial;
        self.rules = Rules { initial, ..rules };
        self.ruled = now;
        self.amend();
        self.advance(now);
    }

    /// The present course.
    pub(super) fn course(&self) -> &Course {
        &self.course
    }

    /// Whether clients are told nothing yet: not all instances let in what the heading names.
    pub(super) fn is_silent(&self) -> bool {
        self.stage == Stage::Open
    }

    /// The stage with the present heading.
    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// The present phase.
    pub(super) fn phase(&self) -> Phase {
        let (active, since) = (self.course.active, self.followed);
        match self.course.phase {
            PhaseName::Stable => Phase::Stable { active },
            PhaseName::Announced => Phase::Announced { active, since },
            PhaseName::Draining => Phase::Draining { active, since },
        }
    }

    /// How many transitions there have been.
    pub(super) fn epoch(&self) -> u64 {
        self.course.epoch
    }

    /// Queries of a strategy: on record, or counted for a request in progress.
    pub(super) fn queries(&self, strategy: Strategy) -> u64 {
        self.load(strategy).queries + self.shared.map_or(0, |shared| shared.queries[strategy.index()])
    }

    /// Requests of a strategy in progress.
    pub(super) fn requests(&self, strategy: Strategy) -> u64 {
        self.load(strategy).requests
    }

    /// The steps since the last call, in order.
    pub(super) fn take_transitions(&mut self) -> Vec<(Transition, Actor)> {
        mem::take(&mut self.transitions)
    }

    fn load(&self, strategy: Strategy) -> &Load {
        &self.loads[strategy.index()]
    }

    fn load_mut(&mut self, strategy: Strategy) -> &mut Load {
        &mut self.loads[strategy.index()]
    }
}
