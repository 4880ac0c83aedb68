//! A scenario that is being played.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tracing::{info, warn};

use super::{
    Scenario,
    step::{Act, Event},
};
use crate::{
    admin::{ClusterControl, Revoke, TokenControl},
    fault::{Faults, Source},
    protocol::Protocol,
    switch::Switch,
};

/// How often the phase is looked at while a step waits for one.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the steps act on.
#[derive(Clone, Debug, Default)]
pub struct Hands {
    /// The switch, if there is one.
    pub switch: Option<Switch>,
    /// The cluster of the built-in engine.
    pub cluster: Option<Arc<dyn ClusterControl>>,
    /// The tokens of the built-in engine.
    pub tokens: Option<Arc<dyn TokenControl>>,
}

/// A scenario on its way through its steps.
#[derive(Debug)]
pub struct Script {
    scenario: Scenario,
    faults: Faults,
    hands: Hands,
    protocol: Protocol,
    state: Mutex<State>,
    moved: Notify,
}

#[derive(Debug)]
struct State {
    /// The step that waits; none once all are done.
    at: Option<usize>,
    /// Calls that it has counted.
    seen: u64,
    since: Instant,
}

impl Script {
    /// Plays a scenario: from now on it sees calls, and it keeps time for as long as [`Script::run`] runs.
    pub fn start(scenario: Scenario, faults: &Faults, hands: Hands) -> Arc<Self> {
        info!("Scenario {}: {}", scenario.name, scenario.teaches);
        let script = Arc::new(Self {
            scenario,
            faults: faults.clone(),
            hands,
            protocol: Protocol::default(),
            state: Mutex::new(State { at: Some(0), seen: 0, since: Instant::now() }),
            moved: Notify::new(),
        });
        faults.follow(script.clone());
        // What is to happen at once happens before the first call.
        script.look();
        script
    }

    /// Does what time and phases ask for, until the last step is done.
    pub async fn run(&self) {
        loop {
            let moved = self.moved.notified();
            let Some((event, since)) = self.waiting() else { break };
            match event {
                Event::Time(time) => tokio::select! { () = sleep_until(since + time) => {} () = moved => {} },
                Event::Phase(_) => tokio::select! { () = sleep(LOOK_EVERY) => {} () = moved => {} },
                Event::Calls(..) | Event::Logins(_) | Event::Queries(_) => moved.await,
            }
            self.look();
        }
        self.faults.unfollow();
    }

    /// A call has arrived: what it is the cue for is done before it goes on.
    pub(in crate::fault) fn saw(&self, path: &str) {
        let mut state = self.lock();
        let Some(at) = state.at else { return };
        let event = &self.scenario.steps[at].event;
        if !event.counts(path, &self.protocol) {
            return;
        }
        state.seen += 1;
        if event.count() == Some(state.seen) {
            self.act(&mut state, at);
        }
    }

    /// Does the steps whose time or phase has come.
    fn look(&self) {
        let mut state = self.lock();
        let phase = || self.hands.switch.as_ref().map(|switch| switch.snapshot().phase.name());
        while let Some(at) = state.at {
            let is_due = match &self.scenario.steps[at].event {
                Event::Time(time) => state.since + *time <= Instant::now(),
                Event::Phase(wanted) => phase() == Some(wanted),
                Event::Calls(..) | Event::Logins(_) | Event::Queries(_) => false,
            };
            if !is_due {
                break;
            }
            self.act(&mut state, at);
        }
    }

    /// Does one step and goes on to the next.
    fn act(&self, state: &mut State, at: usize) {
        let Scenario { name, steps, repeat, .. } = &self.scenario;
        let step = &steps[at];
        for act in &step.acts {
            let place = format!("Scenario {name}, step {} of {} ({})", at + 1, steps.len(), step.event);
            match self.perform(act) {
                Ok(()) => info!("{place}: {act}"),
                Err(why) => warn!("{place}: {act}: {why}"),
            }
        }
        let next = at + 1;
        let next = if next == steps.len() && *repeat { 0 } else { next };
        *state = State { at: (next < steps.len()).then_some(next), seen: 0, since: Instant::now() };
        if state.at.is_none() {
            info!("Scenario {name}: done");
        }
        self.moved.notify_one();
    }

    fn perform(&self, act: &Act) -> Result<(), String> {
        let switch = || self.hands.switch.as_ref().ok_or("there is no gate");
        let told =
            |result: Result<_, crate::switch::Unfit>| result.map(|_| ()).map_err(|unfit| unfit.to_string());
        match act {
            Act::Announce => told(switch()?.announce()),
            Act::Cutover => told(switch()?.cutover()),
            Act::Switch => told(switch()?.announce()).and_then(|()| told(switch()?.cutover())),
            Act::Abort => told(switch()?.abort()),
            Act::Rollback => told(switch()?.rollback()),
            Act::Suspend | Act::Resume => {
                let cluster = self.hands.cluster.as_ref().ok_or("there is no cluster here")?;
                _ = if matches!(act, Act::Suspend) { cluster.suspend() } else { cluster.resume() };
                Ok(())
            }
            Act::RevokeTokens => {
                self.hands.tokens.as_ref().ok_or("no tokens are issued here")?.revoke(Revoke::All);
                Ok(())
            }
            Act::Fault(rule) => {
                let added = self.faults.add((**rule).clone(), Source::Scenario);
                added.map(|_| ()).map_err(|refused| refused.to_string())
            }
            Act::Remove(id) => self.faults.remove(id).then_some(()).ok_or_else(|| "there is none".to_owned()),
            Act::Clear => {
                self.faults.clear();
                Ok(())
            }
            Act::Note(_) => Ok(()),
        }
    }

    fn waiting(&self) -> Option<(Event, Instant)> {
        let state = self.lock();
        state.at.map(|at| (self.scenario.steps[at].event.clone(), state.since))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
