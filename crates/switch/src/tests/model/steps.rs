//! What an instance can do in the model.

use protocol::CallKind;

use super::{
    state::{INSTANCES, Instance, Life, NOBODY, State, Status},
    world::World,
};
use crate::{
    Cutover, PhaseName,
    course::{Proposer, TransitionKind},
    instance::Stage,
};

impl World<'_> {
    pub(super) fn learn(&mut self, state: &State, number: usize) {
        let seen = state.instances.map(|instance| instance.published);
        self.with(state, number, |own| (own.known, own.seen) = (Some(state.truth), seen));
    }

    /// Follows what it has learned, or else comes further with the heading.
    pub(super) fn act(&mut self, state: &State, number: usize) {
        let own = &state.instances[number];
        let Some(known) = own.known else { return };
        let (view, course) = (*self.course(own.view), *self.course(known));
        if course.epoch > view.epoch {
            let stage = (self.clauses.follow)(own.stage, &view, &course);
            return self.with(state, number, |own| (own.view, own.stage, own.quiet) = (known, stage, false));
        }
        let stage = (self.clauses.advance)(own.stage, &view, &own.live());
        if stage != own.stage {
            self.with(state, number, |own| own.stage = stage);
        }
    }

    /// Says what it has done.
    pub(super) fn publish(&mut self, state: &State, number: usize) {
        let published = self.status(&state.instances[number]);
        self.with(state, number, |own| own.published = published);
    }

    /// Of the old strategy: one comes, one goes, or there was none for the whole grace.
    pub(super) fn requests(&mut self, state: &State, number: usize) {
        let own = &state.instances[number];
        let course = *self.course(own.view);
        if course.phase != PhaseName::Draining {
            if own.is_busy {
                self.with(state, number, |own| own.is_busy = false);
            }
            return;
        }
        let old = course.active.other();
        if own.is_busy {
            return self.with(state, number, |own| own.is_busy = false);
        }
        let status = self.status(own);
        if own.stage == Stage::Closing && !own.quiet {
            let published = Status { quiet: true, ..status };
            self.with(state, number, |own| (own.quiet, own.published) = (true, published));
        }
        if !course.lets_in(own.stage, CallKind::Neutral, old) {
            return;
        }
        let reported = status.read().expect("it is live");
        if !(self.clauses.retracts_quiet)(&reported, &course, old) {
            self.with(state, number, |own| own.is_busy = true);
        } else if own.view == state.truth {
            let published = Status { quiet: false, ..status };
            self.with(state, number, |own| {
                (own.quiet, own.is_busy, own.published) = (false, true, published);
            });
        }
    }

    pub(super) fn vanish(&mut self, state: &State, number: usize) {
        if state.vanish > 0 {
            let mut next = *state;
            next.vanish -= 1;
            let own = &mut next.instances[number];
            *own = Instance {
                life: Life::Gone,
                view: 0,
                stage: Stage::Open,
                quiet: false,
                is_busy: false,
                known: None,
                seen: [NOBODY; INSTANCES],
                published: NOBODY,
            };
            self.push(next);
        }
    }

    pub(super) fn join(&mut self, state: &State, number: usize) {
        if state.join > 0 {
            let mut next = *state;
            next.join -= 1;
            let own = &mut next.instances[number];
            own.life = Life::Joining;
            own.published = Status { is_live: true, epoch: 0, stage: Stage::Open, quiet: false };
            self.push(next);
        }
    }

    /// Lets calls in, once it has followed.
    pub(super) fn enter(&mut self, state: &State, number: usize) {
        let own = &state.instances[number];
        if !self.clauses.joiners_follow {
            return self.with(state, number, |own| own.life = Life::Serving);
        }
        let Some(known) = own.known else { return };
        let course = *self.course(known);
        let stage = (self.clauses.advance)((self.clauses.join)(&course), &course, &own.live());
        self.with(state, number, |own| (own.life, own.view, own.stage) = (Life::Serving, known, stage));
    }

    /// Tries each transition that fits. The store takes it where the proposer knows all that is there.
    pub(super) fn propose(&mut self, state: &State, number: usize) -> Result<(), String> {
        let own = &state.instances[number];
        let published = state.instances.map(|instance| instance.published);
        if own.known != Some(state.truth) || own.view != state.truth || own.seen != published {
            return Ok(());
        }
        let course = *self.course(state.truth);
        if course.epoch > self.limits.transitions {
            return Ok(());
        }
        let live: Vec<_> = published.iter().filter_map(|status| status.read()).collect();
        for kind in TransitionKind::ALL {
            let proposer = Proposer { cutover: Cutover::Drain, is_alone: false };
            let Ok(next) = course.next(kind, proposer) else { continue };
            let is_silent = own.quiet && !own.is_busy;
            if kind == TransitionKind::Drain && !is_silent || !(self.clauses.is_free)(kind, &course, &live) {
                continue;
            }
            self.check_step(kind, &course, state).map_err(|what| self.tell(what, state))?;
            let truth = self.id(next);
            self.push(State { truth, ..*state });
        }
        Ok(())
    }
}
