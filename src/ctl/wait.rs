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
    loop {
        let reply = api.get(paths::STATE).await?;
        let state: State = reply.read()?;
        if state.started != announced.state.started {
            return Err(Failure::Unanswered("teal was restarted in the meantime".to_owned()));
        }
        line.show(&state);
        let news: Events = api.get(&format!("{}?after={last}", paths::EVENTS)).await?.read()?;
        for event in &news.events {
            last = event.id;
            if is_complete(event)? {
                line.clear();
                return api.get(paths::STATE).await;
            }
        }
        sleep(LOOK).await;
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
