//! Checks the health of the engines, while the switch has to know it.

use std::{future::pending, time::Duration};

use protocol::Strategy;
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until},
};

use super::{Phase, Switch, engines::Report};

/// The interval between two checks.
const EVERY: Duration = Duration::from_secs(1);
/// The same after a failed connection; those of a dead engine fail repeatedly.
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
    let mut asked = None;
    loop {
        moved.mark_unchanged();
        let next = switch.next_question(strategy, asked);
        tokio::select! {
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            () = alarmed(&mut alarm, asked), if next.is_some() => {}
            // The sender lives as long as the switch.
            _ = moved.changed() => continue,
        }
        if let Some(alarm) = &mut alarm {
            alarm.mark_unchanged();
        }
        let now = Instant::now();
        asked = Some(now);
        let answer = check(strategy).await;
        switch.hear(strategy, answer, now);
    }
}

/// Resolves when a connection has failed since the engine was `asked`, but not before it may be
/// asked again.
async fn alarmed(alarm: &mut Option<Receiver<()>>, asked: Option<Instant>) {
    let Some(alarm) = alarm else { return pending().await };
    if let Some(asked) = asked {
        sleep_until(asked + SOONEST).await;
    }
    if alarm.changed().await.is_err() {
        // Nobody is left who could raise it.
        pending().await
    }
}

impl Switch {
    /// Returns whether each strategy has an engine of its own.
    pub fn has_engines(&self) -> bool {
        self.shared.has_engines
    }

    /// Returns whether the engine of a strategy is abandoned: logins and begins do not wait for it.
    pub fn has_left(&self, strategy: Strategy) -> bool {
        self.lock().left[strategy.index()].is_left()
    }

    /// An engine that this instance, alone of several, sees unhealthy: calls had better go to the others.
    pub fn unwell_here_alone(&self) -> Option<Strategy> {
        self.lock().machine.unwell_here_alone()
    }

    /// Where there are other instances, something may have to be told to them.
    pub(super) fn tell_driver(&self) {
        if let Some(store) = self.store() {
            store.changed();
        }
    }

    /// When to ask the engine of a strategy again, if its health matters.
    fn next_question(&self, strategy: Strategy, asked: Option<Instant>) -> Option<Instant> {
        self.change(|state, now| {
            let phase = state.machine.phase();
            let is_other = strategy != phase.active();
            let matters = match phase {
                Phase::Announced { .. } | Phase::Draining { .. } => is_other,
                // No new calls come, but some may still wait.
                Phase::Stable { .. } => is_other && state.machine.requests(strategy) > 0,
            };
            if !matters && state.machine.rules().failover.is_none() {
                return None;
            }
            let regular = asked.map_or(Instant::from_std(now), |asked| asked + EVERY);
            let needed = state.machine.question_due().filter(|_| is_other).map(Instant::from_std);
            Some(needed.map_or(regular, |needed| regular.min(needed)))
        })
    }

    pub(super) fn hear(&self, strategy: Strategy, answer: Result<(), String>, asked: Instant) {
        let report = Report { is_healthy: answer.is_ok(), asked: asked.into_std() };
        self.change(|state, now| state.hear(strategy, report, answer.err(), now));
        self.tell_driver();
    }
}
