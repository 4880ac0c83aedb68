//! Each edge and each clause of `docs/design/switching.md`, on paused time.

mod agreeing;
mod announcing;
mod clauses;
mod course;
mod drains;
mod edges;
mod following;
mod health;
mod instances;
mod lock_free;
mod machine;
mod model;
mod properties;
mod questions;
mod restart;
mod rules;

use std::time::Duration;

use super::{
    PhaseName::{Announced, Draining, Stable},
    course::{Course, Proposer, Stamp, TimerState, TransitionKind, Truth, lets_in_cut_off},
    instance::{InstanceStatus, Obstacle, Stage, abort_due, failover_due, obstacle},
    *,
};

const BLUE: Header = Header::Names(Strategy::Blue);
const GREEN: Header = Header::Names(Strategy::Green);

/// What a call does, and the query that it names.
type Kind<'a> = (CallKind, Option<&'a str>);

const LOG_IN: Kind<'static> = (CallKind::LogIn, None);
const BEGIN: Kind<'static> = (CallKind::Begin, None);
const NEUTRAL: Kind<'static> = (CallKind::Neutral, None);

const fn continues(id: &str) -> Kind<'_> {
    (CallKind::Continue, Some(id))
}

const fn ends(id: &str) -> Kind<'_> {
    (CallKind::End, Some(id))
}

/// A switch whose timer runs in the background of the test.
fn switch(set: impl FnOnce(&mut Rules)) -> Switch {
    let mut rules = Rules { switch_every: None, ..Rules::default() };
    set(&mut rules);
    let (switch, timer) = Switch::new(rules);
    tokio::spawn(timer.run(|_| std::future::ready(Ok(()))));
    switch
}

impl Switch {
    /// What an operator orders.
    fn operate(&self, command: Command) -> Result<Done, Refusal> {
        self.command(command, Order::by(Actor::Operator))
    }

    /// What is found of an engine that was asked just now.
    fn hears(&self, strategy: Strategy, found: Result<(), &str>) {
        self.hear(strategy, found.map_err(str::to_owned), Instant::now());
    }

    /// Whether that changes anything.
    fn operates(&self, command: Command) -> bool {
        self.operate(command).is_ok_and(|done| done.event.is_some())
    }

    fn try_call(&self, (kind, query): Kind<'_>, header: Header) -> Result<RequestGuard, StrategyMismatch> {
        self.arrive(Arrival { kind, query, header })
    }

    fn call(&self, action: Kind<'_>, header: Header) -> RequestGuard {
        self.try_call(action, header).unwrap()
    }

    fn is_let_in(&self, action: Kind<'_>, header: Header) -> bool {
        self.try_call(action, header).is_ok()
    }

    /// A query that is begun and answered.
    fn begin(&self, id: &str, header: Header) {
        let mut pass = self.call(BEGIN, header);
        pass.begun(id);
        pass.answered(true);
    }

    fn end(&self, id: &str) {
        self.call(ends(id), Header::Absent).answered(true);
    }

    fn phase(&self) -> (PhaseName, Strategy) {
        let phase = self.snapshot().phase;
        (phase.name(), phase.active())
    }

    fn queries(&self, strategy: Strategy) -> u64 {
        self.snapshot().queries[strategy.index()]
    }
}

/// Lets so much time pass, with everything that is due in it.
async fn pass(time: Duration) {
    // The timer registers what it waits for before the clock moves.
    tokio::task::yield_now().await;
    tokio::time::advance(time).await;
    tokio::task::yield_now().await;
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
