//! The validated plan of a rehearsal.

use std::{path::PathBuf, time::Duration};

use admin::{Token, client::Address};
use tonic::transport::Endpoint;

use super::{behaviour::Behaviour, query::Queries};

/// A rehearsal.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server: its URL, and the certificates to trust.
    pub server: Endpoint,
    /// The name of the server in the report.
    pub to: String,
    /// The number of client processes.
    pub clients: u32,
    /// Threads per process, each with its own connection.
    pub threads: u32,
    /// The behaviours of clients, assigned in turn.
    pub behaviours: Vec<Behaviour>,
    /// How long to begin new queries.
    pub duration: Duration,
    /// The queries.
    pub queries: Queries,
    /// The pace of queries.
    pub pace: Pace,
    /// How long a query is kept open before its rows are fetched.
    pub hold: Option<Hold>,
    /// The credentials.
    pub login: Login,
    /// The catalog; with one, clients use the calls of the newer generation.
    pub catalog: Option<String>,
    /// The default schema of queries.
    pub schema: String,
    /// The server's admin API.
    pub admin: Option<Address>,
    /// The token for the admin API.
    pub admin_token: Option<Token>,
    /// How often to command a switch.
    pub switch_every: Option<Duration>,
    /// Also command aborts, rollbacks and cutovers, at random times.
    pub chaos: bool,
    /// The seed of everything random.
    pub seed: u64,
    /// The file for the report as JSON.
    pub json: Option<PathBuf>,
    /// The file for the report as a web page.
    pub html: Option<PathBuf>,
    /// Whether to show a progress bar; otherwise progress is logged.
    pub has_bar: bool,
}

/// The pace of queries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// A pause after each query of a client.
    Think(Duration),
    /// This many queries per second, whether or not earlier ones have ended, as far as clients are free.
    Rate(f64),
}

/// How long a query is kept open before its rows are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// This long.
    For(Duration),
    /// Every second client keeps them until two seconds after it was told of a switch.
    AcrossSwitch,
}

/// The credentials of clients.
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
