//! The scenarios that come with teal, by name.

/// Name and text of each.
pub const BUILT_IN: [(&str, &str); 12] = [
    ("graceful", include_str!("../scenarios/graceful.toml")),
    ("stale-client", include_str!("../scenarios/stale-client.toml")),
    ("both-refuse", include_str!("../scenarios/both-refuse.toml")),
    ("announce-but-refuse", include_str!("../scenarios/announce-but-refuse.toml")),
    ("flip-flop", include_str!("../scenarios/flip-flop.toml")),
    ("switch-mid-fetch", include_str!("../scenarios/switch-mid-fetch.toml")),
    ("suspended-cluster", include_str!("../scenarios/suspended-cluster.toml")),
    ("session-lost", include_str!("../scenarios/session-lost.toml")),
    ("slow-engine", include_str!("../scenarios/slow-engine.toml")),
    ("flaky-network", include_str!("../scenarios/flaky-network.toml")),
    ("late-green", include_str!("../scenarios/late-green.toml")),
    ("token-expired", include_str!("../scenarios/token-expired.toml")),
];
