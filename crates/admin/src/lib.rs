//! The HTTP API for operators: commands to the switch, health for probes, the page, and the client of that API. The server runs on a thread of its own and knows nothing of how the switch decides.

pub mod client;
mod cluster;
mod document;
mod engines;
mod events;
mod extract;
mod faults;
mod guard;
mod health;
mod page;
pub mod paths;
mod problem;
mod queries;
mod reload;
mod router;
mod serve;
mod state;
mod token;
mod tokens;
mod verbs;
mod watch;

#[cfg(test)]
mod tests;

use std::{io, sync::Arc, thread::JoinHandle};

use proxy::{fault::Faults, telemetry::Collector};
use switch::{EventLog, Switch};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::{
    cluster::{ClusterControl, ClusterStatus},
    engines::{Engines, check},
    events::{Event, Events},
    extract::{Body, Params},
    faults::{FaultList, Removed},
    problem::{ErrorAnswer, ErrorBody, Problem},
    queries::{Queries, Query},
    reload::{Change, ReloadControl, Reloaded},
    state::{Deadlines, LastRefusal, State, TimerState},
    token::{BadToken, Token},
    tokens::{Revoke, Revoked, TokenControl},
    verbs::Answer,
};

/// Handles to the parts of a server, for whoever operates it.
#[derive(Debug, Default)]
pub struct AdminState {
    /// The switch, unless there is no gate.
    pub switch: Option<Switch>,
    /// The events of the server.
    pub event_log: EventLog,
    /// The engines that calls are forwarded to, unless the built-in one answers.
    pub engines: Option<Arc<dyn Engines>>,
    /// The cluster of the built-in engine.
    pub cluster: Option<Arc<dyn ClusterControl>>,
    /// The tokens of the built-in engine.
    pub tokens: Option<Arc<dyn TokenControl>>,
    /// The rules by which calls are delayed or fail.
    pub faults: Faults,
    /// Counts, clients and verdicts.
    pub watch: Collector,
    /// The settings.
    pub reload: Option<Arc<dyn ReloadControl>>,
    /// Cancelled once the server is told to end: it is ready no more.
    pub ending: CancellationToken,
}

/// What the handlers share.
#[derive(Debug)]
struct Shared {
    handles: AdminState,
    token: Option<Token>,
    /// The server ends: what would go on for ever ends too.
    end: CancellationToken,
}

impl Shared {
    /// The switch, or that there is none.
    fn switch(&self) -> Result<&Switch, Problem> {
        self.handles.switch.as_ref().ok_or_else(|| Problem::not_here("there is no switch: --gate is off"))
    }
}

/// A running admin server. It ends when told to, or with the process.
#[derive(Debug)]
pub struct Admin {
    end: CancellationToken,
    thread: JoinHandle<io::Result<()>>,
}

impl Admin {
    /// Serves on a thread of its own. With a token, whoever asks has to show it.
    pub fn start(listener: TcpListener, handles: AdminState, token: Option<Token>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let end = CancellationToken::new();
        let shared = Arc::new(Shared { handles, token, end: end.clone() });
        let listener = listener.into_std()?;
        let serve = move || {
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener)?;
                serve::serve(listener, router::router(shared.clone()), &shared.end).await;
                Ok(())
            })
        };
        let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(serve)?;
        Ok(Self { end, thread })
    }

    /// Answers what is in progress, and ends.
    pub async fn end(self) -> io::Result<()> {
        self.end.cancel();
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        ended.map_err(|_| io::Error::other("the admin thread panicked"))?
    }
}
