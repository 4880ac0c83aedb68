//! Controls of the built-in engine for operators.

use admin::{ClusterControl, Revoke, TokenControl};

/// Controls the cluster.
#[derive(Debug)]
pub(super) struct Cluster(pub(super) mock::Cluster);

/// Controls the tokens.
#[derive(Debug)]
pub(super) struct Tokens(pub(super) mock::Tokens);

impl ClusterControl for Cluster {
    fn status(&self) -> &'static str {
        self.0.status()
    }

    fn suspend(&self) -> &'static str {
        self.0.suspend()
    }

    fn resume(&self) -> &'static str {
        self.0.resume()
    }
}

impl TokenControl for Tokens {
    fn revoke(&self, which: Revoke<'_>) -> usize {
        self.0.revoke(match which {
            Revoke::Token(token) => mock::Revoke::Token(token),
            Revoke::Client(client) => mock::Revoke::Client(client),
            Revoke::All => mock::Revoke::All,
        })
    }
}
