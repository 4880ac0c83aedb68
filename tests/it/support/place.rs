//! An address reserved for a test, whether or not a server listens there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// Reserves a free port of this host. Servers that a test starts there may come and go, since they set
/// SO_REUSEADDR; nobody else is given the port meanwhile, and a connection to it is refused while no server listens.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    _socket: Socket,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::on(Ipv4Addr::LOCALHOST)
    }

    /// Reserves a port of another loopback address.
    pub(crate) fn on(host: Ipv4Addr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be had");
        socket.set_reuse_address(true).expect("it is a plain option");
        socket.bind(&SocketAddr::new(IpAddr::V4(host), 0).into()).expect("a port is free");
        let address = socket.local_addr().expect("it is bound").as_socket().expect("it is an IP socket");
        Self { address, _socket: socket }
    }

    /// The address as a flag takes it.
    pub(crate) fn text(&self) -> String {
        self.address.to_string()
    }
}
