//! Forwards calls to engines unchanged, over a few warm HTTP/2 connections per engine and network thread. Checks the
//! health of engines. Of strategies it knows only which engine serves which.

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

use clap::ValueEnum;
use http::{Uri, uri};
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
    /// The engine for blue.
    pub blue: Target,
    /// The engine for green; may be the same.
    pub green: Target,
    /// The connect timeout.
    pub connect_timeout: Duration,
    /// The interval between two look-ups of the engines' names.
    pub resolve_every: Duration,
    /// The authority of forwarded calls.
    pub authority: Authority,
    /// The TLS configuration for engines with an `https` URL.
    pub trust: Option<Trust>,
}

/// The authority of forwarded calls: the host that a client or an engine's URL names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Authority {
    /// The client's, unchanged.
    #[default]
    Client,
    /// The one in the engine's URL, for proxies before engines that route by host.
    Engine,
}

/// The address of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `http://host:port` or `https://host:port`
    url: String,
    /// `host:port`
    address: String,
    /// The host name that the engine must prove. `None` without TLS.
    name: Option<ServerName<'static>>,
}

impl Target {
    /// Returns whether the engine is reached by TLS.
    pub fn is_tls(&self) -> bool {
        self.name.is_some()
    }

    /// The authority in the URL.
    fn authority(&self) -> uri::Authority {
        let uri = self.url.parse::<Uri>().map(Uri::into_parts);
        uri.ok().and_then(|uri| uri.authority).expect("the URL was parsed before")
    }

    /// Returns whether the target is one of these listeners, under any name of this host. It resolves the name, and
    /// so blocks, only if the ports are equal.
    pub fn is_served_at(&self, listens: &[SocketAddr]) -> bool {
        let port = self.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        // Port 0 is chosen later.
        let listens = listens.iter().filter(|listen| listen.port() != 0 && Some(listen.port()) == port);
        let listens: Vec<_> = listens.map(|listen| listen.ip().to_canonical()).collect();
        if listens.is_empty() {
            return false;
        }
        let Ok(found) = self.address.to_socket_addrs() else { return false };
        found.map(|address| address.ip().to_canonical()).any(|address| {
            // Connecting to the unspecified address reaches this host.
            let is_own = || address.is_unspecified() || is_own(address);
            listens.iter().any(|listen| {
                *listen == address
                    || (listen.is_unspecified() && is_own())
                    || (listen.is_loopback() && address.is_unspecified())
            })
        })
    }
}

/// Returns whether an address belongs to this host, by trying to bind to it.
fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// The text is not the address of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected host:port, or a URL such as http://127.0.0.1:50071 or https://engine.example")]
pub struct BadTarget;

impl FromStr for Target {
    type Err = BadTarget;

    /// Accepts a URL, or `host:port`, which means `http`.
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
            // The authority may have an invalid port such as 99999.
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
