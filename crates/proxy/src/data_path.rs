//! The data path, put together: the gate, behind it the faults, behind them the engine.

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
    server::{self, BoxError, Incoming, Options},
    telemetry::Collector,
    upstream::{Health, Targets, Upstream},
};

/// Network threads of the preview listener: smoke tests are no load.
const PREVIEW_THREADS: usize = 1;

/// A service that answers calls in this process.
pub type Answering =
    BoxCloneSyncService<Request<RequestBody<Incoming>>, Response<tonic::body::Body>, BoxError>;

/// Where clients connect.
#[derive(Debug)]
pub struct Listeners {
    /// To the strategy that they name.
    pub clients: TcpListener,
    /// To the strategy that is not active. Only a gate knows which that is.
    pub preview: Option<TcpListener>,
}

/// The layers before the engine.
#[derive(Debug)]
pub struct DataPath {
    /// Judges calls, if there is one.
    pub gate: Option<GateLayer>,
    /// Delays or fails chosen calls.
    pub faults: Faults,
    /// Is told of each call that the gate judges.
    pub watch: Collector,
}

/// Served to the end. Boxed, so that the whole path is compiled here, once and for speed.
pub type Served = BoxFuture<'static, io::Result<()>>;

impl DataPath {
    /// Forwards calls to engines until `end`, and what is in progress then to its own end.
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

    /// Has calls answered by a service until `end`, and what is in progress then to its own end.
    pub fn answer(
        self,
        service: Answering,
        listeners: Listeners,
        options: Options,
        end: CancellationToken,
    ) -> Served {
        self.serve(move || service.clone(), listeners, options, end).boxed()
    }

    /// Serves with the service that `backend` makes on each thread.
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
        let Self { gate, faults, watch } = self;
        let faults = FaultLayer::new(faults);
        let Some(gate) = gate else {
            let start = move || {
                let backend = faults.layer(backend());
                move |_| {
                    backend.clone().map_request(|request: Request<Incoming>| request.map(RequestBody::new))
                }
            };
            return server::serve(clients, options, start, end.cancelled()).await;
        };
        let preview = preview.map(|listener| {
            let (gate, backend) = (gate.clone(), backend.clone());
            let start = move || {
                let (gate, backend) = (gate.clone(), backend());
                move |_| gate.preview(backend.clone())
            };
            let options = Options { threads: PREVIEW_THREADS, ..options.clone() };
            server::serve(listener, options, start, end.cancelled())
        });
        let start = move || {
            let (gate, backend, shard) = (gate.clone(), faults.layer(backend()), watch.shard());
            move |peer: SocketAddr| gate.watched(shard.line(peer.ip()), backend.clone())
        };
        let clients = server::serve(clients, options, start, end.cancelled());
        let (served, previewed) = tokio::join!(clients, OptionFuture::from(preview));
        served.and(previewed.unwrap_or(Ok(())))
    }
}
