//! Commands where other instances share the switch: they go to etcd, and are done once this instance has followed.

use super::{Command, Done, Order, Refusal, RefusalCode, obey::told};
use crate::{
    Actor, Phase, Switch,
    etcd::{Handle, OrderError, TimerOrder, TransitionOrder},
};

impl Switch {
    /// The same command, for all instances: it is done once etcd has it and this instance has followed.
    pub(super) async fn try_shared(
        &self,
        store: &Handle,
        command: Command,
        order: &Order,
    ) -> Result<String, Refusal> {
        self.change(|state, now| {
            let phase = state.machine.phase();
            let to = match command {
                Command::Announce { to } => to,
                _ => None,
            };
            if let Some(to) = to.filter(|to| phase == (Phase::Stable { active: *to })) {
                let why = format!("cannot switch to {to} in phase STABLE: it is active already");
                return Err(state.refusal(RefusalCode::InvalidTransition, why));
            }
            match command.names(phase) {
                Some(named) => state.ask(command, named, order, now),
                None => Ok(()),
            }
        })?;
        // It may have to publish what it has heard of the engine.
        store.changed();
        let (by, epoch) = (order.by, order.seen);
        let Some((kind, is_forced)) = command.transition() else {
            return self.time_shared(store, command, by, epoch).await;
        };
        let ordered = store.order(TransitionOrder { kind, by, epoch, is_forced }).await;
        ordered
            .map(|truth| told(kind.transition_to(&truth.course), truth.course.cutover))
            .map_err(|error| self.lock().refusal(code(&error), error.to_string()))
    }

    pub(super) fn answer_shared(
        &self,
        command: Command,
        by: Actor,
        ordered: Result<String, Refusal>,
    ) -> Result<Done, Refusal> {
        self.change(|state, now| match ordered {
            Ok(what) => Ok(Done { what, event: state.noted, view: state.view(now) }),
            Err(refusal) => {
                state.refused(command, &refusal, by);
                Err(refusal)
            }
        })
    }

    /// Pauses or resumes the timer of all instances.
    async fn time_shared(
        &self,
        store: &Handle,
        command: Command,
        by: Actor,
        epoch: Option<u64>,
    ) -> Result<String, Refusal> {
        let pauses = command == Command::PauseTimer;
        self.lock().needs_timer(if pauses { "pause" } else { "resume" })?;
        let set = store.set_timer(TimerOrder { pauses, by, epoch }).await;
        let has_changed = set.map_err(|error| self.lock().refusal(code(&error), error.to_string()))?;
        Ok(self.change(|state, now| {
            let left = state.machine.timer_view(now).left.unwrap_or_default().as_secs();
            let (kind, message, what) = match (pauses, has_changed) {
                (true, false) => return "the timer was paused already".to_owned(),
                (false, false) => return "the timer was running already".to_owned(),
                (true, true) => {
                    ("timer_paused", "The timer is paused", format!("the timer is paused with {left} s left"))
                }
                (false, true) => ("timer_resumed", "The timer goes on", "the timer goes on".to_owned()),
            };
            state.note_timer(kind, message);
            what
        }))
    }
}

fn code(error: &OrderError) -> RefusalCode {
    match error {
        OrderError::Invalid(_) => RefusalCode::InvalidTransition,
        OrderError::Stale { .. } => RefusalCode::Stale,
        OrderError::Unhealthy(_) => RefusalCode::Engine,
        OrderError::Waiting(_) | OrderError::Busy => RefusalCode::Waiting,
        OrderError::CutOff | OrderError::Failed(_) => RefusalCode::LostEtcd,
    }
}
