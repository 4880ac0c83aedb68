//! Puts the rooms together: who stands behind the gate, or without one.

use std::io;

use tokio::{net::TcpListener, runtime::Runtime};
use tower::Layer;
use tracing::info;

use crate::{config::Config, gate::GateLayer, mock::Mock, server, switch::Switch};

/// Serves the built-in engine on a bound listener until `shutdown` resolves.
pub async fn serve(config: Config, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let engine = teal_engine::Engine::open(config.mock.engine).map_err(io::Error::other)?;
    let runtime = runtime(config.threads)?;
    let backend = Mock::new(config.mock.service, engine, runtime.handle().clone()).service();
    info!("Server started on {}", listener.local_addr()?);
    let served = match config.gate {
        None => server::serve(listener, config.threads, move |_| backend.clone(), shutdown).await,
        Some(gate) => {
            let (switch, timer) = Switch::new(gate.rules);
            let layer = GateLayer::new(switch, gate.protocol, gate.mismatch);
            let timer = tokio::spawn(timer.run());
            let make = move |_| layer.layer(backend.clone());
            let served = server::serve(listener, config.threads, make, shutdown).await;
            timer.abort();
            served
        }
    };
    runtime.shutdown_background();
    info!("Server stopped");
    served
}

/// Where SQL is run and results are encoded, away from the network's threads.
fn runtime(threads: usize) -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("engine")
        .enable_all()
        .build()
}
