//! Assembles the data path: the gate, then the faults, then the engine.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, OptionFuture};
use http::{Request, Response};
use http_body::Body;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};

use crate::{
    fault::{FaultLayer, Faults},
    gate::{GateLayer, RequestBody},
    recording::Recorder,
    server::{self, BoxError, Incoming, NETWORK, Options, Threads},
    telemetry::Collector,
    upstream::{Health, Targets, Upstream},
};

/// Network threads of the preview listener, which only serves smoke tests.
const PREVIEW_THREADS: usize = 1;

/// A service that answers calls in this process, such as the built-in engine.
pub type Answering =
    BoxCloneSyncService<Request<RequestBody<Incoming>>, Response<tonic::body::Body>, BoxError>;

/// Makes one of a service that tonic generated, or of the `Routes` to several.
pub fn answering<S>(service: S) -> Answering
where
    S: Service<Request<RequestBody<Incoming>>, Response = Response<tonic::body::Body>, Error: Into<BoxError>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(ServiceExt::<Request<RequestBody<Incoming>>>::map_err(service, Into::into))
}

/// The listeners that clients connect to.
#[derive(Debug)]
pub struct Listeners {
    /// For calls under the strategy that they name.
    pub clients: TcpListener,
    /// For calls to the inactive strategy. Only a gate knows which one that is.
    pub preview: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    /// A listener for clients, and no preview.
    fn from(clients: TcpListener) -> Self {
        Self { clients, preview: None }
    }
}

/// The layers in front of the engine. By default there are none.
#[derive(Debug, Default)]
pub struct DataPath {
    /// Admits or rejects calls; `None` without a gate.
    pub gate: Option<GateLayer>,
    /// The fault rules.
    pub faults: Faults,
    /// Records each call that the gate handles.
    pub collector: Collector,
    /// Records what clients send and get.
    pub recorder: Recorder,
}

/// Resolves when serving has ended. Boxed, so that the whole path is compiled here, once and optimised.
pub type Served = BoxFuture<'static, io::Result<()>>;

impl DataPath {
    /// Forwards calls to engines until `end`, then completes calls in progress.
    pub fn forward(
        self,
        (targets, health): (Targets, Health),
        listeners: Listeners,
        options: Options,
        end: CancellationToken,
    ) -> Served {
        let backend = move || Upstream::connect(&targets, &health);
        self.serve(backend, listeners, options, end).boxed()
    }

    /// Answers calls with a service until `end`, then completes calls in progress.
    pub fn answer(
        self,
        service: Answering,
        listeners: Listeners,
        options: Options,
        end: CancellationToken,
    ) -> Served {
        self.serve(move || service.clone(), listeners, options, end).boxed()
    }

    /// Serves calls with the service that `backend` creates on each thread.
    async fn serve<T, S, B>(
        self,
        backend: T,
        Listeners { clients, preview }: Listeners,
        options: Options,
        end: CancellationToken,
    ) -> io::Result<()>
    where
        T: Fn() -> S + Clone + Send + 'static,
        S: Service<Request<RequestBody<Incoming>>, Response = Response<B>, Error: Into<BoxError> + Send>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + Unpin + 'static,
    {
        let Self { gate, faults, collector, recorder } = self;
        let faults = FaultLayer::new(faults);
        let Some(gate) = gate else {
            let start = move || {
                let (backend, recorder) = (faults.layer(backend()), recorder.clone());
                move |peer| {
                    let request = |request: Request<Incoming>| request.map(RequestBody::new);
                    recorder.layer(peer, backend.clone().map_request(request))
                }
            };
            return server::serve(clients, options, start, end.cancelled()).await;
        };
        // All threads are started before one serves: without one of them nothing is served.
        let previewing = preview.map(|listener| {
            let (gate, backend, recorder) = (gate.clone(), backend.clone(), recorder.clone());
            let start = move || {
                let (gate, backend, recorder) = (gate.clone(), backend(), recorder.clone());
                move |peer| recorder.layer(peer, gate.preview(backend.clone()))
            };
            let options = Options { threads: PREVIEW_THREADS, ..options.clone() };
            Threads::start("preview", &options, start).map(|threads| threads.serve(listener, end.cancelled()))
        });
        let previewing = previewing.transpose()?;
        let start = move || {
            let (gate, backend, shard) = (gate.clone(), faults.layer(backend()), collector.shard());
            let recorder = recorder.clone();
            move |peer: SocketAddr| {
                recorder.layer(peer, gate.watched(shard.connection(peer.ip()), backend.clone()))
            }
        };
        let serving = Threads::start(NETWORK, &options, start)?.serve(clients, end.cancelled());
        let (served, previewed) = tokio::join!(serving, OptionFuture::from(previewing));
        served.and(previewed.unwrap_or(Ok(())))
    }
}
