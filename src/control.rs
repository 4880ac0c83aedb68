//! What operators can do to the built-in engine.

use mock::{Cluster, Tokens};

use crate::admin::{ClusterControl, Revoke, TokenControl};

impl ClusterControl for Cluster {
    fn status(&self) -> &'static str {
        self.status()
    }

    fn suspend(&self) -> &'static str {
        self.suspend()
    }

    fn resume(&self) -> &'static str {
        self.resume()
    }
}

impl TokenControl for Tokens {
    fn revoke(&self, which: Revoke<'_>) -> usize {
        self.revoke(match which {
            Revoke::Token(token) => mock::Revoke::Token(token),
            Revoke::Client(client) => mock::Revoke::Client(client),
            Revoke::All => mock::Revoke::All,
        })
    }
}
