//! The addresses of an engine's name, shared by all threads.

use std::{fmt, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{net::lookup_host, time::Instant};

/// The most addresses of one name; more are ignored.
pub(super) const MAX_ADDRESSES: usize = 64;

/// Finds the addresses of `host:port`.
pub(super) type Lookup = Arc<dyn Fn(String) -> Looked + Send + Sync>;
type Looked = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// A name and its addresses.
pub(super) struct Addresses {
    /// `host:port`
    name: String,
    lookup: Lookup,
    /// Held during a look-up; others wait for its result.
    asking: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    list: Arc<[SocketAddr]>,
    /// The time of the last look-up, successful or not.
    asked: Option<Instant>,
}

impl Addresses {
    /// The addresses of `host:port`, with the system's resolver.
    pub(super) fn of(name: &str) -> Self {
        let lookup = |name: String| -> Looked { Box::pin(async { Ok(lookup_host(name).await?.collect()) }) };
        Self::by(name, Arc::new(lookup))
    }

    /// The addresses of `host:port`, with another resolver.
    pub(super) fn by(name: &str, lookup: Lookup) -> Self {
        let (asking, known) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { name: name.to_owned(), lookup, asking, known }
    }

    /// Returns whether the name is an IP address.
    pub(super) fn is_literal(&self) -> bool {
        self.name.parse::<SocketAddr>().is_ok()
    }

    /// The addresses of the last look-up; empty before the first.
    pub(super) fn current(&self) -> Arc<[SocketAddr]> {
        self.known(|known| known.list.clone())
    }

    /// The addresses, at most `max_age` old. If the look-up fails, the previous ones are kept.
    ///
    /// # Errors
    /// No address was ever found.
    pub(super) async fn fresh(&self, max_age: Duration) -> io::Result<Arc<[SocketAddr]>> {
        let is_fresh = |known: &mut Known| {
            let is_young = known.asked.is_some_and(|asked| asked.elapsed() < max_age);
            (is_young && !known.list.is_empty()).then(|| known.list.clone())
        };
        let _asking = self.asking.lock().await;
        if let Some(list) = self.known(is_fresh) {
            return Ok(list);
        }
        let found = (self.lookup)(self.name.clone()).await;
        self.known(|known| {
            known.asked = Some(Instant::now());
            match found {
                Ok(mut found) if !found.is_empty() => {
                    let mut seen = Vec::new();
                    found.retain(|address| {
                        !seen.contains(address) && {
                            seen.push(*address);
                            true
                        }
                    });
                    found.truncate(MAX_ADDRESSES);
                    known.list = found.into();
                }
                _ if !known.list.is_empty() => {}
                Ok(_) => return Err(io::Error::new(io::ErrorKind::NotFound, "its name has no address")),
                Err(error) => return Err(error),
            }
            Ok(known.list.clone())
        })
    }

    fn known<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.known.lock())
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A resolver that returns the entries of `found`, one after the other.
    fn resolver(found: Vec<Option<&'static str>>) -> (Addresses, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let lookup = move |_: String| -> Looked {
            let found = found[count.fetch_add(1, Ordering::SeqCst).min(found.len() - 1)];
            Box::pin(async move {
                let list = found.ok_or(io::ErrorKind::TimedOut)?;
                Ok(list.split_whitespace().map(|address| address.parse().unwrap()).collect())
            })
        };
        (Addresses::by("engine:80", Arc::new(lookup)), asked)
    }

    fn shown(list: &[SocketAddr]) -> String {
        list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[tokio::test(start_paused = true)]
    async fn old_addresses_are_resolved_again() {
        let (addresses, asked) =
            resolver(vec![Some("10.0.0.1:80 [::1]:80 10.0.0.1:80"), Some("10.0.0.2:80")]);
        let age = Duration::from_secs(30);
        assert!(addresses.current().is_empty() && !addresses.is_literal());
        for _ in 0..3 {
            assert_eq!(shown(&addresses.fresh(age).await.unwrap()), "10.0.0.1:80 [::1]:80");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(age).await;
        assert_eq!(shown(&addresses.current()), "10.0.0.1:80 [::1]:80");
        assert_eq!(shown(&addresses.fresh(age).await.unwrap()), "10.0.0.2:80");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn addresses_outlive_a_resolver_that_fails() {
        let (addresses, _) = resolver(vec![None, Some(""), Some("10.0.0.1:80"), None, Some("")]);
        assert_eq!(addresses.fresh(Duration::ZERO).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(addresses.fresh(Duration::ZERO).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        for _ in 0..3 {
            assert_eq!(shown(&addresses.fresh(Duration::ZERO).await.unwrap()), "10.0.0.1:80");
        }
    }

    #[tokio::test]
    async fn a_name_has_a_bounded_number_of_addresses() {
        let many: String = (0..100).map(|n| format!("10.0.0.{n}:80 ")).collect();
        let (addresses, _) = resolver(vec![Some(many.leak())]);
        assert_eq!(addresses.fresh(Duration::ZERO).await.unwrap().len(), MAX_ADDRESSES);
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_lookup() {
        let (addresses, asked) = resolver(vec![Some("10.0.0.1:80")]);
        let age = Duration::from_secs(30);
        let found = futures::future::join_all((0..10).map(|_| addresses.fresh(age))).await;
        assert!(found.iter().all(Result::is_ok));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
