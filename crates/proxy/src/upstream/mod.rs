//! Forwards calls to engines as they are: a few warm HTTP/2 connections to each, per network thread.
//! Asks an engine whether it is well. Knows of strategies only which engine belongs to which.

mod body;
mod connect;
mod diagnosis;
mod dial;
mod endpoint;
mod forward;
mod health;
mod metadata;
mod pacing;
mod permit;
mod pool;
mod race;
mod refusal;
mod replay;
mod resolve;
mod retry;
mod stats;
mod upload;

use std::{
    fmt,
    net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket},
    str::FromStr,
    time::Duration,
};

use http::Uri;
use rustls::pki_types::ServerName;

pub use self::{
    body::ForwardBody,
    forward::Upstream,
    health::{AddressStatus, EngineStatus, Health, Unhealthy},
};
use crate::tls::Trust;

/// The engines to forward to.
#[derive(Clone, Debug)]
pub struct Targets {
    /// The one of blue's calls.
    pub blue: Target,
    /// The one of green's calls: may be the same.
    pub green: Target,
    /// How long a connection may take to be established.
    pub connect_timeout: Duration,
    /// From one look at the addresses of their names to the next.
    pub resolve_every: Duration,
    /// By what those are judged that are reached by TLS.
    pub trust: Option<Trust>,
}

/// Where an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `http://host:port` or `https://host:port`
    url: String,
    /// `host:port`
    address: String,
    /// The host, which the engine has to prove to be. `None` without TLS.
    name: Option<ServerName<'static>>,
}

impl Target {
    /// Whether the engine is reached by TLS.
    pub fn is_tls(&self) -> bool {
        self.name.is_some()
    }

    /// Whether who listens at one of these addresses is what answers there: under any name of this host. Blocks
    /// while the name is resolved, which it is only where the ports are the same.
    pub fn is_served_at(&self, listens: &[SocketAddr]) -> bool {
        let port = self.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        // A port of 0 is chosen later.
        let listens = listens.iter().filter(|listen| listen.port() != 0 && Some(listen.port()) == port);
        let listens: Vec<_> = listens.map(|listen| listen.ip().to_canonical()).collect();
        if listens.is_empty() {
            return false;
        }
        let Ok(found) = self.address.to_socket_addrs() else { return false };
        found.map(|address| address.ip().to_canonical()).any(|address| {
            // Who connects to no address in particular reaches this host.
            let is_own = || address.is_unspecified() || is_own(address);
            listens.iter().any(|listen| {
                *listen == address
                    || (listen.is_unspecified() && is_own())
                    || (listen.is_loopback() && address.is_unspecified())
            })
        })
    }
}

/// Whether an address is one of this host: others can't be bound to.
fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// A text that is no address of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected host:port, or a URL such as http://127.0.0.1:50071 or https://engine.example")]
pub struct BadTarget;

impl FromStr for Target {
    type Err = BadTarget;

    /// A URL, or `host:port` for one with `http`.
    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let text = text.trim();
        let is_url = text.contains("://");
        let url = if is_url { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = url.parse().map_err(|_| BadTarget)?;
        let is_bare = uri.path_and_query().is_none_or(|path| path == "/");
        let authority = uri.authority().filter(|authority| is_bare && !authority.host().is_empty());
        let authority = authority.filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or(BadTarget)?;
        let host = authority.host();
        let (name, port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => {
                let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                (Some(ServerName::try_from(bare).map_err(|_| BadTarget)?), 443)
            }
            _ => return Err(BadTarget),
        };
        let port = match authority.as_str().strip_prefix(host) {
            Some("") if is_url => port,
            // What stands there may be no port: 99999, for one.
            _ => authority.port_u16().ok_or(BadTarget)?,
        };
        let address = format!("{host}:{port}");
        Ok(Self { url, address, name })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}
