//! The HTTP API for operators: commands to the switch, health for probes, the page, and the client of that API. The server runs on a thread of its own and knows nothing of how the switch decides.
//!
//! The API of a server that has a switch:
//!
//! ```
//! # extern crate protocol as teal_protocol;
//! # extern crate proxy as teal_proxy;
//! # extern crate switch as teal_switch;
//! use teal_admin::{Admin, AdminState, client::Client, paths};
//! use teal_protocol::Protocol;
//! use teal_proxy::telemetry::{Collector, Metrics};
//! use teal_switch::{Rules, Switch};
//! use tokio::net::TcpListener;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let (switch, _timer) = Switch::new(Rules { switch_every: None, ..Rules::default() });
//! let collector = Collector::new(&Protocol::default(), Some(switch.clone()), Metrics::default(), None);
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?.to_string();
//! let admin = Admin::start(listener, AdminState::new(switch.clone(), collector), None)?;
//!
//! let client = Client::new(address.parse()?, None);
//! client.post(paths::SWITCH, serde_json::json!({})).await?;
//! assert_eq!(switch.heading().strategy.as_str(), "green");
//! admin.end().await?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! `examples/embed/` in teal's repository runs it beside a gRPC server, and `docs/embedding.md` explains how.

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

use std::{
    io,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use proxy::{fault::Faults, telemetry::Collector};
use switch::{EventLog, Switch};
use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
};
use tokio_util::sync::CancellationToken;

pub use self::{
    calls::{Calls, OneCall, Seen, Verified},
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

impl AdminState {
    /// A server with this switch, its events, and this collector.
    pub fn new(switch: Switch, collector: Collector) -> Self {
        let event_log = switch.event_log().clone();
        Self { switch: Some(switch), event_log, collector, ..Self::default() }
    }
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
        let end = CancellationToken::new();
        let shared = Arc::new(Shared { admin, token, end: end.clone() });
        let listener = listener.into_std()?;
        // A runtime that a thread owns when it cannot be started would panic.
        let (hand_over, handed_over) = mpsc::channel::<Runtime>();
        let serve = move || {
            let Ok(runtime) = handed_over.recv() else { return Ok(()) };
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener)?;
                serve::serve(listener, router::router(shared.clone()), &shared.end).await;
                Ok(())
            })
        };
        let refused =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot start admin thread: {error}"));
        let thread = thread::Builder::new().name("admin".to_owned()).spawn(serve).map_err(refused)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        hand_over.send(runtime).expect("the thread waits for it");
        Ok(Self { end, thread })
    }

    /// Completes requests in progress, then shuts down.
    pub async fn end(self) -> io::Result<()> {
        self.end.cancel();
        let ended = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        ended.map_err(|_| io::Error::other("the admin thread panicked"))?
    }
}
