//! The service of somebody else: it takes orders of books, and knows nothing of switches.

use std::{
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::sync::broadcast;
use tokio_stream::{Stream, StreamExt, wrappers::BroadcastStream};
use tonic::{Request, Response, Status, service::Routes};

use self::pb::{
    CountRequest, CountResponse, Order, PlaceRequest, WatchRequest,
    orders_server::{self, OrdersServer},
};

/// The messages and the service of `proto/`, generated.
#[allow(missing_docs, unreachable_pub, missing_debug_implementations)]
#[allow(clippy::all, clippy::unwrap_used)]
mod pb {
    tonic::include_proto!("library");
}

/// The encoded `FileDescriptorSet` of `proto/`.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The most bytes of a title.
const LONGEST_TITLE: usize = 1_000;
/// The most orders that wait for a slow reader of `Watch`. It misses those before them.
const MAX_WAITING: usize = 100;

/// The service, health and reflection: the routes of a server that did not know teal yet.
pub(crate) fn routes() -> Routes {
    let (_, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .expect("the build encoded the descriptors");
    Routes::new(OrdersServer::new(Orders::default())).add_service(health).add_service(reflection)
}

/// Orders are numbered, shown to those who watch, and not kept.
#[derive(Debug)]
struct Orders {
    placed: AtomicU64,
    news: broadcast::Sender<Order>,
}

impl Default for Orders {
    fn default() -> Self {
        Self { placed: AtomicU64::default(), news: broadcast::channel(MAX_WAITING).0 }
    }
}

#[tonic::async_trait]
impl orders_server::Orders for Orders {
    async fn place(&self, request: Request<PlaceRequest>) -> Result<Response<Order>, Status> {
        let title = request.into_inner().title;
        if !(1..=LONGEST_TITLE).contains(&title.len()) {
            let found = title.len();
            return Err(Status::invalid_argument(format!(
                "title: expected 1 to {LONGEST_TITLE} bytes, found {found}"
            )));
        }
        let number = self.placed.fetch_add(1, Ordering::Relaxed) + 1;
        let order = Order { number, title, ..Order::default() };
        // It fails if nobody watches.
        _ = self.news.send(order.clone());
        Ok(Response::new(order))
    }

    async fn count(&self, _: Request<CountRequest>) -> Result<Response<CountResponse>, Status> {
        Ok(Response::new(CountResponse { orders: self.placed.load(Ordering::Relaxed) }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<Order, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let news = BroadcastStream::new(self.news.subscribe());
        Ok(Response::new(Box::pin(news.filter_map(Result::ok).map(Ok))))
    }
}
