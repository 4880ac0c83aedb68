//! What a rehearsal is to do, wholly checked.

use std::{
    fs,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    time::Duration,
};

use http::Uri;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::{admin::Address, behaviour::Behaviour, query::Queries};
use crate::cli::Rehearse;

/// As the connectors ping, also without a call in progress.
const PING: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);

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
    pub admin_token: Option<String>,
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

/// A setting that nothing can be rehearsed by.
#[derive(Debug, thiserror::Error)]
#[error("--{flag}: '{value}': {expected}")]
pub struct BadPlan {
    flag: &'static str,
    value: String,
    expected: String,
}

impl TryFrom<Rehearse> for Plan {
    type Error = BadPlan;

    fn try_from(flags: Rehearse) -> Result<Self, BadPlan> {
        let small = |flag, number: usize| {
            let count = u32::try_from(number).ok().filter(|count| *count <= 100_000);
            count.ok_or_else(|| bad(flag, &number, "expected at most 100000"))
        };
        let queries = match &flags.queries {
            None => Queries::MadeUp,
            Some(file) => {
                Queries::read(file).map_err(|why| bad("queries", &file.display(), &why.to_string()))?
            }
        };
        let login = match (&flags.token_file, &flags.password_file) {
            (Some(file), _) => Login::Token(token("token-file", file)?),
            (None, Some(file)) => {
                Login::Password { user: flags.user.clone(), password: secret("password-file", file)? }
            }
            (None, None) => Login::Password { user: flags.user.clone(), password: "rehearse".to_owned() },
        };
        for (flag, file) in [("json", &flags.json), ("html", &flags.html)] {
            let Some(file) = file else { continue };
            let opened = fs::File::options().create(true).append(true).open(file);
            opened.map_err(|error| {
                bad(flag, &file.display(), &format!("expected a file that can be written ({error})"))
            })?;
        }
        Ok(Self {
            server: server(&flags)?,
            clients: small("clients", flags.clients)?,
            threads: small("threads", flags.threads)?,
            behaviours: flags.behaviour,
            duration: flags.duration,
            queries,
            pace: flags.rate.map_or(Pace::Think(flags.think), Pace::Rate),
            hold: flags.hold.map(|time| if time.is_zero() { Hold::AcrossSwitch } else { Hold::For(time) }),
            login,
            catalog: flags.catalog,
            schema: flags.schema,
            admin: flags.admin,
            admin_token: match &flags.admin_token_file {
                Some(file) => Some(token("admin-token-file", file)?),
                None => None,
            },
            switch_every: flags.switch_every,
            chaos: flags.chaos,
            seed: flags.seed,
            json: flags.json,
            html: flags.html,
            has_bar: flags.log_level.is_none() && io::stderr().is_terminal(),
            to: flags.to,
        })
    }
}

fn bad(flag: &'static str, value: &dyn std::fmt::Display, expected: &str) -> BadPlan {
    BadPlan { flag, value: value.to_string(), expected: expected.to_owned() }
}

/// The first line of a file.
fn secret(flag: &'static str, file: &Path) -> Result<String, BadPlan> {
    let text = fs::read_to_string(file)
        .map_err(|error| bad(flag, &file.display(), &format!("expected a readable file ({error})")))?;
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    if line.is_empty() {
        Err(bad(flag, &file.display(), "expected something in its first line"))
    } else {
        Ok(line)
    }
}

/// A secret that goes into a header.
fn token(flag: &'static str, file: &Path) -> Result<String, BadPlan> {
    let token = secret(flag, file)?;
    match token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(token),
        false => Err(bad(
            flag,
            &file.display(),
            "expected printable ASCII characters without blanks in its first line",
        )),
    }
}

fn server(flags: &Rehearse) -> Result<Endpoint, BadPlan> {
    let url = flags.to.trim();
    let expected = "expected a URL such as http://127.0.0.1:50051 or https://engine.example.com";
    let uri: Uri = url.parse().map_err(|_| bad("to", &url, expected))?;
    let is_bare = uri.path_and_query().is_none_or(|path| path == "/") && uri.authority().is_some();
    let is_tls = uri.scheme_str() == Some("https");
    if !is_bare || !is_tls && uri.scheme_str() != Some("http") {
        return Err(bad("to", &url, expected));
    }
    let endpoint = Endpoint::from(uri)
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .keep_alive_while_idle(true);
    if !is_tls {
        return match &flags.tls_ca {
            Some(file) => Err(bad("tls-ca", &file.display(), "expected --to with https beside it")),
            None => Ok(endpoint),
        };
    }
    let tls = match &flags.tls_ca {
        Some(file) => {
            let pem = fs::read(file).map_err(|error| {
                bad("tls-ca", &file.display(), &format!("expected a readable file ({error})"))
            })?;
            if CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).next().is_none() {
                return Err(bad("tls-ca", &file.display(), "expected certificates as PEM"));
            }
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
        }
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            ClientTlsConfig::new().trust_anchors(roots.roots)
        }
    };
    endpoint.tls_config(tls).map_err(|error| bad("to", &url, &format!("expected a TLS server ({error})")))
}
