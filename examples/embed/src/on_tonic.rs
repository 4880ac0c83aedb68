//! The service behind teal's gate, on tonic's server.

mod service;
mod switching;

use std::{error::Error, net::IpAddr};

use teal_proxy::fault::FaultLayer;
use tonic::{
    codegen::http::Extensions,
    transport::{
        Server,
        server::{TcpConnectInfo, TcpIncoming},
    },
};
use tower::layer::layer_fn;

use self::switching::Switching;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Switching { gate, collector, faults, listener, end, admin } = Switching::start().await?;
    let shard = collector.shard();
    // `.layer(gate)` alone judges calls too, but nothing counts them then.
    let gate = layer_fn(move |service| gate.watched(shard.peers(peer), service));
    Server::builder()
        .layer(gate)
        .layer(FaultLayer::new(faults))
        .add_routes(service::routes())
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), end.cancelled())
        .await?;
    Ok(admin.end().await?)
}

/// The address of the client, where tonic keeps it.
fn peer(extensions: &Extensions) -> Option<IpAddr> {
    Some(extensions.get::<TcpConnectInfo>()?.remote_addr()?.ip())
}
