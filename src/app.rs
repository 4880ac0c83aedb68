//! Puts the rooms together: who stands behind the gate, or without one.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tower::{Service, ServiceExt};
use tracing::info;

use crate::{
    config::{Backend, Config, GateConfig},
    gate::{GateLayer, RequestBody},
    server::{self, BoxError, Incoming},
    switch::Switch,
    telemetry::{Metrics, Watch, traces::Traces},
    upstream::Upstream,
};

/// Serves on a bound listener until `shutdown` resolves.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let Config { threads, gate, backend, otlp_endpoint, .. } = config;
    let metrics = Metrics::default();
    let front = Front { listener, threads, gate, otlp_endpoint, metrics: metrics.clone() };
    match backend {
        Backend::Upstream(engines) => {
            front.serve(move || Upstream::connect(&engines, &metrics), shutdown).await
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
            let served = front.serve(move || mock.service(), shutdown).await;
            runtime.shutdown_background();
            served
        }
    }
}

/// What stands before every backend.
struct Front {
    listener: TcpListener,
    threads: usize,
    gate: Option<GateConfig>,
    otlp_endpoint: Option<String>,
    metrics: Metrics,
}

impl Front {
    /// Serves with what `backend` makes on each thread, behind the gate if there is one.
    async fn serve<T, S, B>(self, backend: T, shutdown: impl Future<Output = ()>) -> io::Result<()>
    where
        T: Fn() -> S + Clone + Send + 'static,
        S: Service<Request<RequestBody<Incoming>>, Response = Response<B>, Error: Into<BoxError>>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let Self { listener, threads, gate, otlp_endpoint, metrics } = self;
        let traces = otlp_endpoint.as_deref().map(Traces::to).transpose()?;
        info!("Server started on {}", listener.local_addr()?);
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
                server::serve(listener, threads, start, shutdown).await
            }
            Some(gate) => {
                let (switch, timer) = Switch::new(gate.rules);
                let tracer = traces.as_ref().map(Traces::tracer);
                let watch = Watch::new(&gate.protocol, Some(switch.clone()), metrics, tracer);
                let layer = GateLayer::new(switch, gate.protocol, gate.mismatch);
                let timer = timer.tell({
                    let watch = watch.clone();
                    move |step| watch.step(step)
                });
                let _timer = AbortOnDropHandle::new(tokio::spawn(timer.run()));
                let _watch = AbortOnDropHandle::new(tokio::spawn(watch.clone().run()));
                let start = move || {
                    let (layer, backend, shard) = (layer.clone(), backend(), watch.shard());
                    move |peer: SocketAddr| layer.watched(shard.line(peer.ip()), backend.clone())
                };
                server::serve(listener, threads, start, shutdown).await
            }
        };
        if let Some(traces) = traces {
            traces.end().await;
        }
        info!("Server stopped");
        served
    }
}
