//! The HTTP API for operators: commands to the switch, health for probes, the page, and the client of that API. The server runs on a thread of its own and knows nothing of how the switch decides.

mod calls;
pub mod client;
mod cluster;
mod document;
mod engines;
mod events;
mod extract;
mod faults;
mod guard;
mod health;
mod instances;
mod page;
pub mod paths;
mod problem;
mod queries;
mod record;
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
    calls::{Calls, Seen, Verified},
    cluster::{ClusterControl, ClusterStatus},
    engines::{Engines, check},
    events::{Event, Events},
    extract::{Body, Params},
    faults::{FaultList, Removed},
    instances::{Agreed, EtcdState, Instance},
    problem::{ErrorAnswer, ErrorBody, Problem},
    queries::{Queries, Query},
    record::{RecordControl, RecordRefusal, RecordState},
    reload::{Change, ReloadControl, Reloaded},
    state::{Deadlines, LastRefusal, State, TimerState, rfc3339},
    token::{BadToken, Token},
    tokens::{Revoke, Revoked, TokenControl},
    verbs::{Answer, TimerAction},
};

/// Handles to the parts of a server that operators see and control.
#[derive(Debug, Default)]
pub struct AdminState {
    /// The switch; `None` without a gate.
    pub switch: Option<Switch>,
    /// The events of the server.
    pub event_log: EventLog,
    /// The engines that calls are forwarded to; `None` with the built-in engine.
    pub engines: Option<Arc<dyn Engines>>,
    /// The cluster of the built-in engine.
    pub cluster: Option<Arc<dyn ClusterControl>>,
    /// The tokens of the built-in engine.
    pub tokens: Option<Arc<dyn TokenControl>>,
    /// The fault rules.
    pub faults: Faults,
    /// The collector of counts, clients and verdicts.
    pub collector: Collector,
    /// Reloads the settings.
    pub reload: Option<Arc<dyn ReloadControl>>,
    /// Records calls.
    pub record: Option<Arc<dyn RecordControl>>,
    /// Cancelled when the server begins to shut down; from then on it is not ready.
    pub ending: CancellationToken,
}

/// State shared by all handlers.
#[derive(Debug)]
struct Shared {
    admin: AdminState,
    token: Option<Token>,
    /// Cancelled when the admin server shuts down; ends event streams.
    end: CancellationToken,
}

impl Shared {
    /// The switch, or a 404.
    fn switch(&self) -> Result<&Switch, Problem> {
        self.admin.switch.as_ref().ok_or_else(|| Problem::not_here("there is no switch: --gate is off"))
    }
}

/// A running admin server. It runs until [`Admin::end`], or until the process exits.
#[derive(Debug)]
pub struct Admin {
    end: CancellationToken,
    thread: JoinHandle<io::Result<()>>,
}

impl Admin {
    /// Serves on its own thread. If there is a token, every request must carry it.
    pub fn start(listener: TcpListener, admin: AdminState, token: Option<Token>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let end = CancellationToken::new();
        let shared = Arc::new(Shared { admin, token, end: end.clone() });
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

    /// Completes requests in progress, then shuts down.
    pub async fn end(self) -> io::Result<()> {
        self.end.cancel();
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        ended.map_err(|_| io::Error::other("the admin thread panicked"))?
    }
}
