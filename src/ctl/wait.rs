//! Waits for a switch to complete.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use admin::{Answer, Event, Events, State, client::Reply, paths};
use indicatif::{ProgressBar, ProgressStyle};
use switch::PhaseName;
use tokio::time::sleep;

use super::{Failure, api::Api, text};

/// The polling interval.
const LOOK: Duration = Duration::from_millis(250);

/// Waits until the announced switch is complete. Returns the final state, or why it failed.
pub(super) async fn until_complete(api: &Api, announced: &Answer) -> Result<Reply, Failure> {
    let mut line = Line::new();
    let mut last = announced.event.unwrap_or_default();
    let mut started = announced.state.started.clone();
    loop {
        let reply = api.get(paths::STATE).await?;
        let state: State = reply.read()?;
        if state.started != started {
            // Another instance may know the rest of it, and has events of its own.
            if state.instances.is_none() {
                return Err(Failure::Unanswered("teal was restarted in the meantime".to_owned()));
            }
            (last, started) = (0, state.started.clone());
        }
        line.show(&state);
        let from = api.address();
        let news: Events = api.get(&format!("{}?after={last}", paths::EVENTS)).await?.read()?;
        if api.address() != from {
            continue;
        }
        for event in &news.events {
            last = event.id;
            if event.epoch > announced.state.epoch && is_complete(event)? {
                line.clear();
                return api.get(paths::STATE).await;
            }
        }
        if started != announced.state.started && is_over(&state, announced)? {
            line.clear();
            return Ok(reply);
        }
        sleep(LOOK).await;
    }
}

/// Whether the state says that the switch is complete, where the events may be lost with the instance that was asked
/// first; fails if it ended otherwise.
fn is_over(state: &State, announced: &Answer) -> Result<bool, Failure> {
    let is_over = state.phase == PhaseName::Stable && state.epoch > announced.state.epoch;
    match announced.state.pending {
        Some(to) if is_over && state.active != to => {
            Err(Failure::refused(format!("the switch to {to} was aborted or rolled back")))
        }
        _ => Ok(is_over),
    }
}

/// Returns whether an event completes the switch; fails if it ends the switch otherwise.
fn is_complete(event: &Event) -> Result<bool, Failure> {
    match event.kind.as_str() {
        "drained" => Ok(true),
        "cut_over" => Ok(event.details.get("phase").is_some_and(|phase| phase == "STABLE")),
        "aborted" => Err(Failure::refused(format!("the switch was aborted: {}", event.message))),
        "announced" => Err(Failure::refused(format!("the switch is being rolled back: {}", event.message))),
        "drain_timed_out" => Err(Failure::refused(event.message.clone())),
        _ => Ok(false),
    }
}

/// A line that is rewritten on a terminal; elsewhere one line per phase.
struct Line {
    bar: ProgressBar,
    shown: Option<PhaseName>,
}

impl Line {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is well-formed");
        Self { bar: ProgressBar::new_spinner().with_style(style), shown: None }
    }

    fn show(&mut self, state: &State) {
        let told = text::progress(state);
        if io::stderr().is_terminal() {
            self.bar.set_message(told);
            self.bar.tick();
        } else if self.shown.replace(state.phase) != Some(state.phase) {
            _ = writeln!(io::stderr(), "{told}");
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
