//! Forwards calls to engines as they are: a few warm HTTP/2 connections to each, per network thread.
//! Knows of strategies only which engine belongs to which.

mod engine;
mod forward;
mod replay;

use std::{fmt, str::FromStr, time::Duration};

use http::Uri;

pub use self::forward::{ForwardBody, Upstream};

/// The engines to forward to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// The one of blue's calls.
    pub blue: Target,
    /// The one of green's calls: may be the same.
    pub green: Target,
    /// How long a connection may take to be established.
    pub connect_timeout: Duration,
}

/// Where an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As the user wrote it: `http://host:port`
    url: String,
    /// `host:port`
    address: String,
}

/// A text that is no URL of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as http://127.0.0.1:50051")]
pub struct BadTarget;

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(url: &str) -> Result<Self, BadTarget> {
        let uri: Uri = url.trim().parse().map_err(|_| BadTarget)?;
        let is_bare = uri.path_and_query().is_none_or(|path| path == "/");
        match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) if is_bare && !authority.as_str().contains('@') => {
                let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
                Ok(Self { url: url.trim().to_owned(), address })
            }
            _ => Err(BadTarget),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
