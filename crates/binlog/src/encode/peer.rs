//! The other side's address.

use std::net::{IpAddr, SocketAddr};

use super::few::Few;
use crate::pb::address;

/// The other side's address, encoded once for all calls of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// At most 47 bytes: the longest address has 39 characters.
    encoded: Few<48>,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        let kind = match address.ip() {
            IpAddr::V4(_) => address::Type::Ipv4,
            IpAddr::V6(_) => address::Type::Ipv6,
        };
        let mut encoded = Few::default();
        encoded.number(1, kind as u64);
        encoded.field(2, address.ip().to_string().as_bytes());
        encoded.number(3, address.port().into());
        Self { encoded }
    }
}

impl Peer {
    pub(super) fn bytes(&self) -> &[u8] {
        self.encoded.bytes()
    }
}
