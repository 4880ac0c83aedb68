//! Connects to the first of several addresses that answers (RFC 8305, "Happy Eyeballs").
//!
//! Existing crates either resolve names themselves each time, or race only TCP. Here an attempt succeeds when the
//! peer has spoken HTTP/2.

use std::{future::pending, io, net::SocketAddr, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

/// The delay before the next attempt, unless the previous one failed earlier (RFC 8305, 8: Connection Attempt Delay).
pub(super) const DELAY: Duration = Duration::from_millis(250);

/// The outcome of a race.
#[derive(Debug)]
pub(super) struct Raced<T> {
    pub(super) first: Option<(SocketAddr, T)>,
    /// The failed attempts, in order.
    pub(super) failed: Vec<(SocketAddr, io::Error)>,
    /// Addresses tried well before the winner that did not respond.
    pub(super) silent: Vec<SocketAddr>,
}

/// Returns the first attempt that succeeds. Each attempt starts when the previous one has failed, or after a delay.
pub(super) async fn race<T, F>(addresses: &[SocketAddr], attempt: impl Fn(SocketAddr) -> F) -> Raced<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.iter().copied();
    let mut begun: Vec<(SocketAddr, Instant)> = Vec::new();
    let mut failed: Vec<(SocketAddr, io::Error)> = Vec::new();
    let mut running = FuturesUnordered::new();
    let mut next = Some(Instant::now());
    loop {
        if next.is_some_and(|at| at <= Instant::now()) || running.is_empty() {
            next = match waiting.next() {
                Some(address) => {
                    begun.push((address, Instant::now()));
                    let attempt = attempt(address);
                    running.push(async move { (address, attempt.await) });
                    Some(Instant::now() + DELAY)
                }
                None if running.is_empty() => return Raced { first: None, failed, silent: Vec::new() },
                None => None,
            };
        }
        let turn = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            Some((address, ended)) = running.next() => match ended {
                Ok(connected) => {
                    let is_silent = |(other, at): &(SocketAddr, Instant)| {
                        *other != address
                            && at.elapsed() >= DELAY
                            && !failed.iter().any(|(failed, _)| failed == other)
                    };
                    let silent = begun.iter().filter(|one| is_silent(one)).map(|(other, _)| *other).collect();
                    return Raced { first: Some((address, connected)), failed, silent };
                }
                Err(error) => {
                    failed.push((address, error));
                    next = next.map(|_| Instant::now());
                }
            },
            () = turn => {}
        }
    }
}

/// The order in which addresses are tried: by `rank`, alternating between the address families if possible (RFC 8305,
/// 4).
pub(super) fn order<K: Ord>(addresses: &[SocketAddr], rank: impl Fn(&SocketAddr) -> K) -> Vec<SocketAddr> {
    let mut sorted = addresses.to_vec();
    sorted.sort_by_key(rank);
    let mut ordered: Vec<SocketAddr> = Vec::new();
    while !sorted.is_empty() {
        let last = ordered.last().map(SocketAddr::is_ipv4);
        let other = sorted.iter().position(|address| Some(address.is_ipv4()) != last);
        ordered.push(sorted.remove(other.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split(' ').map(|address| address.parse().unwrap()).collect()
    }

    /// Runs a race. The port of an address is the time of its response in ms; an odd number is a failure.
    async fn run(text: &str) -> (Option<u16>, Vec<u16>, Vec<u16>, u128) {
        let start = Instant::now();
        let list = addresses(text);
        let raced = race(&list, |address| async move {
            sleep(Duration::from_millis(address.port().into())).await;
            if address.port() % 2 == 0 { Ok(()) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
        });
        let raced = raced.await;
        let ports = |list: Vec<SocketAddr>| list.iter().map(SocketAddr::port).collect();
        let failed = ports(raced.failed.iter().map(|(address, _)| *address).collect());
        let first = raced.first.map(|(address, ())| address.port());
        (first, failed, ports(raced.silent), start.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_answers_wins_and_hides_nobody() {
        // A single address may take its time.
        assert_eq!(run("1.1.1.1:4000").await, (Some(4000), vec![], vec![], 4000));
        // An address that drops packets costs 250 ms, and is reported.
        assert_eq!(run("1.1.1.1:60000 1.1.1.2:10").await, (Some(10), vec![], vec![60000], 260));
        assert_eq!(
            run("1.1.1.1:60000 1.1.1.2:60002 1.1.1.3:10").await,
            (Some(10), vec![], vec![60000, 60002], 510)
        );
        // An address that refuses costs nothing.
        assert_eq!(run("1.1.1.1:1 1.1.1.2:3 1.1.1.3:10").await, (Some(10), vec![1, 3], vec![], 14));
        // A slow address may still win.
        assert_eq!(run("1.1.1.1:300 1.1.1.2:500").await, (Some(300), vec![], vec![], 300));
        assert_eq!(run("1.1.1.1:1 1.1.1.2:501").await, (None, vec![1, 501], vec![], 502));
    }

    #[test]
    fn families_take_turns_and_the_least_comes_first() {
        let list = addresses("[::1]:1 [::2]:2 10.0.0.3:3 10.0.0.4:4");
        let ports = |rank: fn(&SocketAddr) -> u16| -> Vec<u16> {
            order(&list, rank).iter().map(SocketAddr::port).collect()
        };
        assert_eq!(ports(|_| 0), [1, 3, 2, 4]);
        assert_eq!(ports(|address| 9 - address.port()), [4, 2, 3, 1]);
        assert_eq!(ports(|address| u16::from(address.port() == 1)), [2, 3, 1, 4]);
    }
}
