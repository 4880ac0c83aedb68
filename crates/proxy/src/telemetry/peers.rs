//! The observer of calls on a server that hides its connections from layers, as tonic's does.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Instant,
};

use http::{Extensions, HeaderMap, header::AUTHORIZATION};
use protocol::CallKind;

use super::{call::Call, shard::Shard};
use crate::gate::{Arriving, ObserveConnection};

/// Observes the calls of all clients. Each call is one of the address that the server attached to it.
#[derive(Clone, Debug)]
pub struct Peers {
    shard: Arc<Shard>,
    peer: fn(&Extensions) -> Option<IpAddr>,
}

impl Peers {
    pub(super) fn new(shard: Arc<Shard>, peer: fn(&Extensions) -> Option<IpAddr>) -> Self {
        Self { shard, peer }
    }
}

impl ObserveConnection for Peers {
    type Call = Call;

    /// There is no last caller to attribute a neutral call to.
    fn reads_caller(&self, kind: CallKind, head: &HeaderMap) -> bool {
        kind != CallKind::Neutral && !head.contains_key(AUTHORIZATION)
    }

    fn call(&self, arriving: Arriving<'_>) -> Call {
        let peer = (self.peer)(arriving.extensions).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.shard.connection(peer).call(arriving)
    }

    fn foreign(&self, arrived: Instant) {
        self.shard.foreign(arrived);
    }
}
