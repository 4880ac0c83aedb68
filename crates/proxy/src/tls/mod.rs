//! TLS on both sides, with rustls: certificate files, handshakes, and streams that may be encrypted. Of the protocols
//! on them it knows only the ALPN names.

mod engines;
mod files;
mod identity;
mod stream;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use self::{
    engines::{Trust, TrustFiles, system_authorities},
    files::{BadFile, Credentials, Part},
    identity::{Identity, IdentityFiles},
    stream::Stream,
};

/// The name of HTTP/2 in ALPN.
const H2: &[u8] = b"h2";
/// The name of HTTP/1.1 in ALPN.
pub(crate) const HTTP_1_1: &[u8] = b"http/1.1";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
