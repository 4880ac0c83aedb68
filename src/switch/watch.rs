//! Asks the engines how they are, for as long as the switch has to know.

use std::{future::pending, time::Duration};

use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until},
};

use super::{Phase, Switch, engines::Report};
use crate::strategy::Strategy;

/// From one question to the next.
const EVERY: Duration = Duration::from_secs(1);
/// The same, when a connection has failed meanwhile: those of a dead engine fail again and again.
const SOONEST: Duration = Duration::from_millis(100);

/// Runs for as long as it is polled. `alarm` changes when a connection to an engine has failed.
pub(super) async fn run<F, A>(switch: &Switch, check: &F, alarm: Option<&Receiver<()>>)
where
    F: Fn(Strategy) -> A,
    A: Future<Output = Result<(), String>>,
{
    if !switch.has_engines() {
        return pending().await;
    }
    let [blue, green] = Strategy::ALL.map(|strategy| watch(switch, check, alarm.cloned(), strategy));
    tokio::join!(blue, green);
}

async fn watch<F, A>(switch: &Switch, check: &F, mut alarm: Option<Receiver<()>>, strategy: Strategy)
where
    F: Fn(Strategy) -> A,
    A: Future<Output = Result<(), String>>,
{
    let mut moved = switch.shared.moved.subscribe();
    loop {
        moved.mark_unchanged();
        if !switch.has_to_know(strategy) {
            // The sender lives as long as the switch.
            _ = moved.changed().await;
            continue;
        }
        if let Some(alarm) = &mut alarm {
            alarm.mark_unchanged();
        }
        let asked = Instant::now();
        let answer = check(strategy).await;
        switch.hear(strategy, answer, asked);
        tokio::select! {
            () = sleep_until(asked + EVERY) => {}
            () = alarmed(&mut alarm) => sleep_until(asked + SOONEST).await,
        }
    }
}

async fn alarmed(alarm: &mut Option<Receiver<()>>) {
    let Some(alarm) = alarm else { return pending().await };
    if alarm.changed().await.is_err() {
        // Nobody is left who could raise it.
        pending().await
    }
}

impl Switch {
    /// Whether each strategy has an engine of its own.
    pub fn has_engines(&self) -> bool {
        self.shared.has_engines
    }

    fn has_to_know(&self, strategy: Strategy) -> bool {
        self.change(|state, _| {
            let is_pending = match state.machine.phase() {
                Phase::Announced { active, .. } => strategy != active,
                // Logins are still let in to an engine that was left.
                Phase::Draining { .. } => state.left[strategy.index()].is_left(),
                Phase::Stable { .. } => false,
            };
            is_pending || state.machine.rules().failover.is_some()
        })
    }

    pub(super) fn hear(&self, strategy: Strategy, answer: Result<(), String>, asked: Instant) {
        let report = Report { is_healthy: answer.is_ok(), asked: asked.into_std() };
        self.change(|state, now| state.hear(strategy, report, answer.err(), now));
    }
}
