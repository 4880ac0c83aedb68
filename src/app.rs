//! Puts the rooms together: who stands behind the gate, or without one.

use std::io;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt};
use tracing::info;

use crate::{
    config::{Backend, Config, GateConfig},
    gate::{GateLayer, RequestBody},
    operator::Operator,
    server::{self, BoxError, Incoming},
    switch::Switch,
    tls::Identity,
    upstream::{Health, Upstream},
};

/// Serves on a bound listener until `shutdown` resolves.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let Config { threads, tls, gate, backend, .. } = config;
    let front = Front { listener, tls, threads, gate };
    match backend {
        Backend::Upstream(engines) => {
            let health = Health::new(&engines);
            let asked = health.clone();
            front.serve(move || Upstream::connect(&engines, &health), Some(asked), shutdown).await
        }
        #[cfg(feature = "mock")]
        Backend::Mock(mock) => {
            let engine = teal_engine::Engine::open(mock.engine).map_err(io::Error::other)?;
            // SQL is run and results are encoded here, away from the network's threads.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name("engine")
                .enable_all()
                .build()?;
            let mock = crate::mock::Mock::new(mock.service, engine, runtime.handle().clone());
            let served = front.serve(move || mock.service(), None, shutdown).await;
            runtime.shutdown_background();
            served
        }
    }
}

/// What stands before every backend.
struct Front {
    listener: TcpListener,
    tls: Option<Identity>,
    threads: usize,
    gate: Option<GateConfig>,
}

impl Front {
    /// Serves with what `backend` makes on each thread, behind the gate if there is one. The engines of
    /// which `health` knows are asked before they are announced.
    async fn serve<T, S, B>(
        self,
        backend: T,
        health: Option<Health>,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()>
    where
        T: Fn() -> S + Clone + Send + 'static,
        S: Service<Request<RequestBody<Incoming>>, Response = Response<B>, Error: Into<BoxError>>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let Self { listener, tls, threads, gate } = self;
        let speaks = match &tls {
            None => "",
            Some(tls) if tls.asks_for_certificates() => " (TLS, clients need a certificate)",
            Some(_) => " (TLS)",
        };
        info!("Server started on {}{speaks}", listener.local_addr()?);
        let served = match gate {
            None => {
                let start = move || {
                    let backend = backend();
                    move |_| {
                        backend
                            .clone()
                            .map_request(|request: Request<Incoming>| request.map(RequestBody::new))
                    }
                };
                server::serve(listener, tls, threads, start, shutdown).await
            }
            Some(gate) => {
                let (switch, timer) = Switch::new(gate.rules);
                let layer = GateLayer::new(switch.clone(), gate.protocol, gate.mismatch);
                let timer = tokio::spawn(Operator::new(switch, health).run(timer));
                let start = move || {
                    let (layer, backend) = (layer.clone(), backend());
                    move |_| layer.layer(backend.clone())
                };
                let served = server::serve(listener, tls, threads, start, shutdown).await;
                timer.abort();
                served
            }
        };
        info!("Server stopped");
        served
    }
}
