//! What has to hold in the model.

use protocol::CallKind;

use super::{
    state::{Instance, State},
    world::World,
};
use crate::{
    course::{Course, TransitionKind},
    instance::Stage,
};

impl World<'_> {
    /// What has to be so as a transition is made, whatever has been said.
    pub(super) fn check_step(
        &self,
        kind: TransitionKind,
        course: &Course,
        state: &State,
    ) -> Result<(), &'static str> {
        let old = course.active.other();
        for instance in state.serving() {
            let view = self.course(instance.view);
            let fits = match kind {
                TransitionKind::CutOver => instance.stage >= Stage::Telling && view.heading == course.heading,
                TransitionKind::Drain => !instance.is_busy && view.epoch == course.epoch,
                TransitionKind::TimeOutDrain => !view.lets_in(instance.stage, CallKind::Begin, old),
                TransitionKind::Announce | TransitionKind::Abort | TransitionKind::RollBack => true,
            };
            if !fits {
                return Err(match kind {
                    TransitionKind::CutOver => "cut over before all tell",
                    TransitionKind::Drain => "drained while the old strategy is in use",
                    _ => "timed out before all close",
                });
            }
        }
        Ok(())
    }

    /// What holds at every moment.
    pub(super) fn check(&self, state: &State) -> Result<(), &'static str> {
        for teller in state.serving().filter(|instance| instance.stage >= Stage::Telling) {
            let told = self.course(teller.view).headed_for();
            for other in state.serving() {
                let view = self.course(other.view);
                if other.stage >= Stage::Telling && view.headed_for() != told {
                    return Err("two headings are told at once");
                }
                if ![CallKind::LogIn, CallKind::Begin]
                    .iter()
                    .all(|kind| view.lets_in(other.stage, *kind, told))
                {
                    return Err("told before all let it in");
                }
            }
        }
        for refuser in state.serving() {
            let view = self.course(refuser.view);
            let refuses = !view.lets_in(refuser.stage, CallKind::Begin, view.active.other());
            if !refuses || self.clauses.refuses_by_truth && refuser.view != state.truth {
                continue;
            }
            let tells = |other: &Instance| {
                other.stage >= Stage::Telling && self.course(other.view).headed_for() == view.active
            };
            if !state.serving().all(tells) {
                return Err("refused before all tell");
            }
        }
        Ok(())
    }
}
