//! Plays a scenario.

use std::{sync::Arc, time::Duration};

use admin::{ClusterControl, Engines, Revoke, TokenControl, check};
use parking_lot::{Mutex, MutexGuard};
use protocol::Protocol;
use proxy::fault::{CallObserver, Faults, Source};
use switch::{Actor, Command, Order, Switch};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tracing::{info, warn};

use super::{
    Scenario,
    step::{Act, Event},
};

/// The polling interval of the phase, while a step waits for one.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The parts of the server that steps act on.
#[derive(Clone, Debug, Default)]
pub struct ScenarioContext {
    /// The switch, if there is one.
    pub switch: Option<Switch>,
    /// The cluster of the built-in engine.
    pub cluster: Option<Arc<dyn ClusterControl>>,
    /// The tokens of the built-in engine.
    pub tokens: Option<Arc<dyn TokenControl>>,
    /// The engines that calls are forwarded to; `None` with the built-in engine.
    pub engines: Option<Arc<dyn Engines>>,
}

/// A running scenario.
#[derive(Debug)]
pub struct Script {
    scenario: Scenario,
    faults: Faults,
    context: ScenarioContext,
    protocol: Protocol,
    state: Mutex<State>,
    moved: Notify,
}

#[derive(Debug)]
struct State {
    /// The waiting step; `None` after the last.
    at: Option<usize>,
    /// Calls that this step has counted.
    seen: u64,
    since: Instant,
    /// Its event has happened, and a health check is in progress.
    is_asking: bool,
}

impl Script {
    /// Starts a scenario: it observes calls from now on, and time while [`Script::run`] runs.
    pub fn start(scenario: Scenario, faults: &Faults, context: ScenarioContext) -> Arc<Self> {
        info!("Scenario {}: {}", scenario.name, scenario.teaches);
        let script = Arc::new(Self {
            scenario,
            faults: faults.clone(),
            context,
            protocol: Protocol::default(),
            state: Mutex::new(State { at: Some(0), seen: 0, since: Instant::now(), is_asking: false }),
            moved: Notify::new(),
        });
        faults.observe(script.clone());
        // Immediate steps run before the first call.
        script.look();
        script
    }

    /// Runs steps that wait for time and phases, until the last step is done.
    pub async fn run(&self) {
        loop {
            let moved = self.moved.notified();
            if let Some(at) = self.asking() {
                self.ask_and_act(at).await;
                self.look();
                continue;
            }
            let Some((event, since)) = self.waiting() else { break };
            match event {
                Event::Time(time) => tokio::select! { () = sleep_until(since + time) => {} () = moved => {} },
                Event::Phase(_) => tokio::select! { () = sleep(LOOK_EVERY) => {} () = moved => {} },
                Event::Calls(..) | Event::Logins(_) | Event::Queries(_) => moved.await,
            }
            self.look();
        }
        self.faults.end_observing();
    }

    /// Runs the steps whose time or phase has come.
    fn look(&self) {
        let mut state = self.lock();
        let phase = || self.context.switch.as_ref().map(|switch| switch.snapshot().phase.name());
        while let Some(at) = state.at.filter(|_| !state.is_asking) {
            let is_due = match &self.scenario.steps[at].event {
                Event::Time(time) => state.since + *time <= Instant::now(),
                Event::Phase(wanted) => phase() == Some(*wanted),
                Event::Calls(..) | Event::Logins(_) | Event::Queries(_) => false,
            };
            if !is_due {
                break;
            }
            self.begin(&mut state, at);
        }
    }

    /// Runs one step, at once or after a health check.
    fn begin(&self, state: &mut State, at: usize) {
        let has_engines = self.context.switch.as_ref().is_some_and(Switch::has_engines);
        if has_engines && self.scenario.steps[at].acts.iter().any(Act::names_engine) {
            state.is_asking = true;
            self.moved.notify_one();
            return;
        }
        for act in &self.scenario.steps[at].acts {
            self.report(at, act, self.perform(act));
        }
        self.go_on(state, at);
    }

    fn asking(&self) -> Option<usize> {
        let state = self.lock();
        state.at.filter(|_| state.is_asking)
    }

    /// Runs one step, with the health checks that it needs.
    async fn ask_and_act(&self, at: usize) {
        for act in &self.scenario.steps[at].acts {
            let done = match (act, &self.context.switch) {
                (Act::Announce, Some(switch)) => self.order(switch, Command::Announce { to: None }).await,
                (Act::Cutover, Some(switch)) => self.order(switch, Command::Cutover { force: false }).await,
                (Act::Rollback, Some(switch)) => self.order(switch, Command::Rollback).await,
                (Act::Switch, Some(switch)) => {
                    let announced = self.order(switch, Command::Announce { to: None }).await;
                    announced.and_then(|()| self.perform(&Act::Cutover))
                }
                _ => self.perform(act),
            };
            self.report(at, act, done);
        }
        self.go_on(&mut self.lock(), at);
    }

    async fn order(&self, switch: &Switch, command: Command) -> Result<(), String> {
        let ask = |strategy| check(self.context.engines.clone(), strategy);
        let ordered = switch.order(command, Actor::Scenario, None, ask).await;
        ordered.map(|_| ()).map_err(|refusal| refusal.to_string())
    }

    fn report(&self, at: usize, act: &Act, done: Result<(), String>) {
        let Scenario { name, steps, .. } = &self.scenario;
        let place = format!("Scenario {name}, step {} of {} ({})", at + 1, steps.len(), steps[at].event);
        match done {
            Ok(()) => info!("{place}: {act}"),
            Err(why) => warn!("{place}: {act}: {why}"),
        }
    }

    /// Moves on to the next step.
    fn go_on(&self, state: &mut State, at: usize) {
        let Scenario { name, steps, repeat, .. } = &self.scenario;
        let next = at + 1;
        let next = if next == steps.len() && *repeat { 0 } else { next };
        *state = State {
            at: (next < steps.len()).then_some(next),
            seen: 0,
            since: Instant::now(),
            is_asking: false,
        };
        if state.at.is_none() {
            info!("Scenario {name}: done");
        }
        self.moved.notify_one();
    }

    fn perform(&self, act: &Act) -> Result<(), String> {
        let order = |command| {
            let switch = self.context.switch.as_ref().ok_or("there is no gate")?;
            let ordered = switch.command(command, Order::by(Actor::Scenario));
            ordered.map(|_| ()).map_err(|refusal| refusal.to_string())
        };
        match act {
            Act::Announce => order(Command::Announce { to: None }),
            Act::Cutover => order(Command::Cutover { force: false }),
            Act::Switch => {
                order(Command::Announce { to: None }).and_then(|()| order(Command::Cutover { force: false }))
            }
            Act::Abort => order(Command::Abort),
            Act::Rollback => order(Command::Rollback),
            Act::Suspend | Act::Resume => {
                let cluster = self.context.cluster.as_ref().ok_or("there is no cluster here")?;
                _ = if matches!(act, Act::Suspend) { cluster.suspend() } else { cluster.resume() };
                Ok(())
            }
            Act::RevokeTokens => {
                self.context.tokens.as_ref().ok_or("no tokens are issued here")?.revoke(Revoke::All);
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
        self.state.lock()
    }
}

impl CallObserver for Script {
    /// Runs the step that waits for this call before the call continues, unless a health check comes first.
    fn call_arrived(&self, path: &str) {
        let mut state = self.lock();
        let Some(at) = state.at.filter(|_| !state.is_asking) else { return };
        let event = &self.scenario.steps[at].event;
        if !event.counts(path, &self.protocol) {
            return;
        }
        state.seen += 1;
        if event.count() == Some(state.seen) {
            self.begin(&mut state, at);
        }
    }
}
