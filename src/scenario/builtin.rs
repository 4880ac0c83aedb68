//! The built-in scenarios.

/// The name and text of each scenario.
pub const BUILT_IN: [(&str, &str); 12] = [
    ("graceful", include_str!("library/graceful.toml")),
    ("stale-client", include_str!("library/stale-client.toml")),
    ("both-refuse", include_str!("library/both-refuse.toml")),
    ("announce-but-refuse", include_str!("library/announce-but-refuse.toml")),
    ("flip-flop", include_str!("library/flip-flop.toml")),
    ("switch-mid-fetch", include_str!("library/switch-mid-fetch.toml")),
    ("suspended-cluster", include_str!("library/suspended-cluster.toml")),
    ("session-lost", include_str!("library/session-lost.toml")),
    ("slow-engine", include_str!("library/slow-engine.toml")),
    ("flaky-network", include_str!("library/flaky-network.toml")),
    ("late-green", include_str!("library/late-green.toml")),
    ("token-expired", include_str!("library/token-expired.toml")),
];
