//! What a rehearsal is to do, wholly checked.

use std::{path::PathBuf, time::Duration};

use admin::{Token, client::Address};
use tonic::transport::Endpoint;

use super::{behaviour::Behaviour, query::Queries};

/// A rehearsal.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server: its URL, and whom to trust for its certificate.
    pub server: Endpoint,
    /// How the server is called in the report.
    pub to: String,
    /// Client processes.
    pub clients: u32,
    /// Threads of each process, each with a connection of its own.
    pub threads: u32,
    /// How they behave: the first client as the first, and so on, over and over.
    pub behaviours: Vec<Behaviour>,
    /// How long new queries are begun.
    pub duration: Duration,
    /// The queries.
    pub queries: Queries,
    /// When they come.
    pub pace: Pace,
    /// How long a query is kept open before its rows are fetched.
    pub hold: Option<Hold>,
    /// Who logs in, and with what.
    pub login: Login,
    /// With one, the calls of the newer generation are used.
    pub catalog: Option<String>,
    /// The default schema of queries.
    pub schema: String,
    /// The server's admin API.
    pub admin: Option<Address>,
    /// What that asks for.
    pub admin_token: Option<Token>,
    /// How often a switch is ordered there.
    pub switch_every: Option<Duration>,
    /// Aborts, rollbacks and cutovers are ordered too.
    pub chaos: bool,
    /// Of all that is random.
    pub seed: u64,
    /// Where the report goes as JSON.
    pub json: Option<PathBuf>,
    /// Where it goes as a page.
    pub html: Option<PathBuf>,
    /// A bar shows how it goes; else the log says it.
    pub has_bar: bool,
}

/// When queries come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So long after a client's previous one was over.
    Think(Duration),
    /// So many a second, whether or not earlier ones are over, as far as clients are free.
    Rate(f64),
}

/// How long a query is kept open before its rows are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// So long.
    For(Duration),
    /// By each second client, until two seconds after it was told of a switch.
    AcrossSwitch,
}

/// Who logs in.
#[derive(Clone)]
pub enum Login {
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A bearer token in each call, and no login.
    Token(String),
}

impl Login {
    pub(super) fn is_token(&self) -> bool {
        matches!(self, Self::Token(_))
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
            Self::Token(_) => f.debug_struct("Token").finish_non_exhaustive(),
        }
    }
}
