//! What operators connect to: the HTTP API over the switch, health for probes, and the page. It runs on
//! a thread of its own and knows nothing of how the switch decides.

mod cluster;
mod document;
mod engines;
mod events;
mod extract;
mod guard;
mod health;
mod page;
mod problem;
mod queries;
mod router;
mod serve;
mod state;
mod token;
mod tokens;
mod verbs;

#[cfg(test)]
mod tests;

use std::{fmt, io, sync::Arc, thread::JoinHandle};

use switch::{Journal, Switch};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::engines::check;
pub use self::{
    cluster::{ClusterControl, ClusterStatus},
    engines::Engines,
    events::{Event, Events},
    extract::{Body, Params},
    problem::{ErrorAnswer, ErrorBody, Problem},
    queries::{Queries, Query},
    state::{Deadlines, Each, LastRefusal, PhaseName, State, TimerState},
    token::{BadToken, Token},
    tokens::{Revoke, Revoked, TokenControl},
    verbs::Answer,
};

/// What there is to operate.
#[derive(Default)]
pub struct Rooms {
    /// The switch, unless there is no gate.
    pub switch: Option<Switch>,
    /// What has happened: the switch's journal, where there is one.
    pub journal: Journal,
    /// The engines that calls are forwarded to, unless the built-in one answers.
    pub engines: Option<Arc<dyn Engines>>,
    /// The cluster of the built-in engine.
    pub cluster: Option<Arc<dyn ClusterControl>>,
    /// The tokens of the built-in engine.
    pub tokens: Option<Arc<dyn TokenControl>>,
    /// What other rooms serve, by full paths. The same guards stand before it.
    pub more: Vec<OpenApiRouter>,
    /// Cancelled once the server is told to end: it is ready no more.
    pub ending: CancellationToken,
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { switch, engines, cluster, tokens, more, .. } = self;
        f.debug_struct("Rooms")
            .field("switch", switch)
            .field("engines", engines)
            .field("cluster", cluster)
            .field("tokens", tokens)
            .field("more", &more.len())
            .finish_non_exhaustive()
    }
}

/// What the handlers share.
#[derive(Debug)]
struct Shared {
    rooms: Rooms,
    token: Option<Token>,
    /// The server ends: what would go on for ever ends too.
    end: CancellationToken,
}

impl Shared {
    /// The switch, or that there is none.
    fn switch(&self) -> Result<&Switch, Problem> {
        self.rooms.switch.as_ref().ok_or_else(|| Problem::not_here("there is no switch: --gate is off"))
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
    pub fn start(listener: TcpListener, mut rooms: Rooms, token: Option<Token>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let end = CancellationToken::new();
        let more = std::mem::take(&mut rooms.more);
        let shared = Arc::new(Shared { rooms, token, end: end.clone() });
        let listener = listener.into_std()?;
        let serve = move || {
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener)?;
                serve::serve(listener, router::router(shared.clone(), more), &shared.end).await;
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
