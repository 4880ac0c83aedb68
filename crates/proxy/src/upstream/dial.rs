//! Connects to one of the addresses of an engine.

use std::{io, net::SocketAddr, time::Duration};

use tracing::debug;

use super::{
    Target,
    connect::{Connected, connect},
    diagnosis::diagnose,
    race::{order, race},
    stats::EndpointStats,
};
use crate::tls::Trust;

/// The most failures in one message.
const NAMED: usize = 3;

/// Connects to the address of the engine with the least `load` that responds. Tries recently failed addresses last.
///
/// # Errors
/// The name has no address, or no address accepts a connection.
pub(super) async fn dial(
    target: &Target,
    trust: Option<&Trust>,
    stats: &EndpointStats,
    load: impl Fn(SocketAddr) -> usize,
) -> io::Result<(SocketAddr, Connected)> {
    let mut addresses = stats.addresses.current();
    if addresses.is_empty() {
        addresses = stats.addresses.fresh(Duration::ZERO).await?;
    }
    let ordered =
        order(&addresses, |address| (stats.is_avoided(*address), load(*address), stats.load_of(*address)));
    let attempt = |address| {
        let attempt = stats.attempt(address);
        async move {
            let _attempt = attempt;
            connect(target, trust, address).await
        }
    };
    let raced = race(&ordered, attempt).await;
    let is_one = ordered.len() == 1;
    for (address, error) in &raced.failed {
        if stats.address_failed(*address, error) && !is_one {
            debug!(engine = %target, %address, "engine {target} cannot be reached at {address}: {error}");
        }
    }
    for address in raced.silent {
        if stats.address_failed(address, &"another address has answered sooner") {
            debug!(engine = %target, %address, "engine {target} does not answer at {address}, but at another address");
        }
    }
    match raced.first {
        Some(first) => Ok(first),
        None => Err(explain(target, stats, raced.failed).await),
    }
}

/// Explains why no address accepted a connection.
async fn explain(target: &Target, stats: &EndpointStats, failed: Vec<(SocketAddr, io::Error)>) -> io::Error {
    let is_there = |(_, error): &&(SocketAddr, io::Error)| !is_absent(error);
    if let Some((address, _)) = failed.iter().find(is_there)
        && stats.may_diagnose()
    {
        stats.diagnosed(diagnose(*address, target.is_tls()).await);
    }
    let kind = failed.first().map_or(io::ErrorKind::NotFound, |(_, error)| error.kind());
    let mut why: Vec<String> = match &failed[..] {
        [(_, error)] => vec![error.to_string()],
        several => several.iter().take(NAMED).map(|(address, error)| format!("{address}: {error}")).collect(),
    };
    if failed.len() > NAMED {
        why.push(format!("and {} more", failed.len() - NAMED));
    }
    let why = why.join(", ");
    match stats.spoken() {
        Some(spoken) => io::Error::new(kind, format!("{spoken} ({why})")),
        None => io::Error::new(kind, why),
    }
}

/// Returns whether the error means that nothing listens there.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(
        error.kind(),
        AddrNotAvailable | ConnectionRefused | HostUnreachable | NetworkUnreachable | TimedOut
    )
}
