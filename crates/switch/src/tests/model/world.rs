//! What happens in the model, one step at a time.

use std::collections::HashMap;

use protocol::Strategy;

use super::{
    explore::{Clauses, Limits},
    state::{CourseId, INSTANCES, Instance, Life, NOBODY, State, Status},
};
use crate::{Cutover, PhaseName, course::Course, instance::Stage};

pub(super) struct World<'a> {
    pub(super) clauses: &'a Clauses,
    pub(super) limits: Limits,
    courses: Vec<Course>,
    ids: HashMap<Course, CourseId>,
    /// The states that one step leads to.
    pub(super) next: Vec<State>,
}

impl<'a> World<'a> {
    pub(super) fn new(clauses: &'a Clauses, limits: Limits) -> Self {
        Self { clauses, limits, courses: Vec::new(), ids: HashMap::new(), next: Vec::new() }
    }

    pub(super) fn start(&mut self) -> State {
        let truth = self.id(Course::stable(Strategy::Blue, Cutover::Drain, 1));
        let status = |is_live| Status { is_live, epoch: 1, stage: Stage::Closing, quiet: false };
        let seen = std::array::from_fn(|number| status(number < self.limits.instances));
        let instance = |number| Instance {
            life: if number < self.limits.instances { Life::Serving } else { Life::Gone },
            view: truth,
            stage: Stage::Closing,
            quiet: false,
            is_busy: false,
            known: Some(truth),
            seen,
            published: seen[number],
        };
        let Limits { vanish, join, .. } = self.limits;
        State { truth, instances: std::array::from_fn(instance), vanish, join }
    }

    pub(super) fn id(&mut self, course: Course) -> CourseId {
        *self.ids.entry(course).or_insert_with(|| {
            self.courses.push(course);
            u8::try_from(self.courses.len() - 1).expect("few courses")
        })
    }

    pub(super) fn course(&self, id: CourseId) -> &Course {
        &self.courses[usize::from(id)]
    }

    /// What an instance can say of itself.
    pub(super) fn status(&self, own: &Instance) -> Status {
        let epoch = u8::try_from(self.course(own.view).epoch).expect("few epochs");
        Status { is_live: true, epoch, stage: own.stage, quiet: own.quiet }
    }

    pub(super) fn tell(&self, what: &str, state: &State) -> String {
        let views = state.instances.map(|instance| *self.course(instance.view));
        format!("{what}\ntruth {:?}\nviews {views:#?}\n{:#?}", self.course(state.truth), state.instances)
    }

    pub(super) fn steps(&mut self, state: &State) -> Result<(), String> {
        for number in 0..self.limits.instances {
            match state.instances[number].life {
                Life::Gone => self.join(state, number),
                Life::Joining => {
                    self.learn(state, number);
                    self.enter(state, number);
                    self.vanish(state, number);
                }
                Life::Serving => {
                    self.learn(state, number);
                    self.act(state, number);
                    self.publish(state, number);
                    self.requests(state, number);
                    self.vanish(state, number);
                    self.propose(state, number)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn with(&mut self, state: &State, number: usize, change: impl FnOnce(&mut Instance)) {
        let mut next = *state;
        change(&mut next.instances[number]);
        self.push(next);
    }

    /// States that differ in nothing that matters are one: what an instance has learned is of no use where it is out of
    /// date and takes it no further.
    pub(super) fn push(&mut self, mut next: State) {
        let published = next.instances.map(|instance| instance.published);
        for own in next.instances.iter_mut().filter(|instance| instance.life == Life::Serving) {
            let view = &self.courses[usize::from(own.view)];
            let is_old = own.known != Some(next.truth) || own.seen != published;
            let knows_more = own.known.is_some_and(|known| known != own.view);
            let is_through = match view.phase {
                PhaseName::Announced => own.stage >= Stage::Telling,
                PhaseName::Stable | PhaseName::Draining => own.stage == Stage::Closing,
            };
            if is_old && !knows_more && is_through {
                (own.known, own.seen) = (None, [NOBODY; INSTANCES]);
            }
        }
        self.next.push(next);
    }
}
