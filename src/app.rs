//! Puts the rooms together: who stands behind the gate, or without one.

use std::io;

use tokio::net::TcpListener;

use crate::config::Config;

/// Serves the built-in engine on a bound listener until `shutdown` resolves.
#[cfg(feature = "mock")]
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    use tower::Layer;
    use tracing::info;

    use crate::{gate::GateLayer, mock::Mock, server, switch::Switch};

    let engine = teal_engine::Engine::open(config.mock.engine).map_err(io::Error::other)?;
    // SQL is run and results are encoded here, away from the network's threads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads)
        .thread_name("engine")
        .enable_all()
        .build()?;
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

/// There is nothing to serve: a build without the built-in engine needs one to forward to.
#[cfg(not(feature = "mock"))]
pub async fn serve(_: Config, _: TcpListener, _: impl Future<Output = ()>) -> io::Result<()> {
    Err(io::Error::other("this build has no engine of its own, and forwarding to one is not built yet"))
}
