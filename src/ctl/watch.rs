//! Shows the state continuously.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use admin::{State, paths};
use tokio::time::sleep;

use super::{
    Failure,
    api::Api,
    print,
    text::{self, Paint},
};

/// The polling interval.
const LOOK: Duration = Duration::from_secs(1);
/// The escape sequence that clears a terminal.
const TOP: &str = "\x1b[H\x1b[2J";

/// Shows the state every second: in place on a terminal, elsewhere after each change; as JSON one line each time.
pub(super) async fn watch(api: &Api, json: bool) -> Result<(), Failure> {
    let is_terminal = io::stdout().is_terminal();
    let mut shown: Option<State> = None;
    loop {
        let reply = api.get(paths::STATE).await?;
        if json {
            print(&reply.json)?;
        } else {
            let state: State = reply.read()?;
            let told = text::state(&state, Paint::stdout());
            if is_terminal {
                print(&format!("{TOP}{told}"))?;
            } else if shown.as_ref().is_none_or(|shown| is_other(shown, &state)) {
                print(&format!("{told}\n"))?;
            }
            shown = Some(state);
        }
        sleep(LOOK).await;
    }
}

/// Returns whether anything but the time has changed.
fn is_other(before: &State, now: &State) -> bool {
    let facts = |state: &State| {
        let State { epoch, queries, requests, abandoned, timer, engines, last_refusal, started, .. } =
            state.clone();
        let shared = (state.instances.clone(), state.etcd.as_ref().map(|etcd| etcd.state.clone()));
        (epoch, queries, requests, abandoned, timer.paused, engines, last_refusal, started, shared)
    };
    facts(before) != facts(now)
}
