//! The data path. A [`server`] accepts connections, over [`tls`] or not; the [`gate`] asks the switch about each
//! call; a [`fault`] may delay or fail it; an [`upstream`] engine answers, or a service that is handed in.
//! A [`recording`] keeps what clients send and get, and the history the beginnings of [`messages`];
//! [`telemetry`] counts and traces calls, and [`adoption`] says who followed a switch.
//!
//! The gate is a tower layer, and needs nothing else of this crate. Here it judges a call:
//!
//! ```
//! # extern crate protocol as teal_protocol;
//! # extern crate switch as teal_switch;
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use http_body_util::Empty;
//! # type Body = Empty<bytes::Bytes>;
//! use teal_protocol::Protocol;
//! use teal_proxy::gate::{GateLayer, Mismatch, RequestBody};
//! use teal_switch::{Rules, Switch};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (switch, _timer) = Switch::new(Rules::default());
//! let gate = GateLayer::new(switch, Protocol::default(), Mismatch::default());
//!
//! let service = service_fn(async |_: Request<RequestBody<Body>>| Ok::<_, Infallible>(Response::new(Body::new())));
//! let call = Request::post("/library.Orders/Place").header("content-type", "application/grpc");
//! let call = call.header("strategy", "green").body(Body::new()).unwrap();
//! let answer = gate.layer(service).oneshot(call).await.unwrap();
//!
//! assert_eq!(answer.status().as_u16(), 456);
//! assert_eq!(answer.headers()["expected-strategy"], "blue");
//! # });
//! ```
//!
//! [`DataPath`] puts the gate, faults and the record of calls before a service, on teal's own [`server`]:
//!
//! ```no_run
//! # extern crate protocol as teal_protocol;
//! # extern crate switch as teal_switch;
//! use teal_protocol::Protocol;
//! use teal_proxy::{
//!     Answering, DataPath,
//!     gate::{GateLayer, Mismatch},
//!     server::Options,
//!     telemetry::{Collector, Metrics},
//! };
//! use teal_switch::Switch;
//! use tokio::net::TcpListener;
//! use tokio_util::sync::CancellationToken;
//!
//! async fn serve(switch: Switch, service: Answering, end: CancellationToken) -> std::io::Result<()> {
//!     let protocol = Protocol::default();
//!     let collector = Collector::new(&protocol, Some(switch.clone()), Metrics::default(), None);
//!     tokio::spawn(collector.clone().run());
//!     let gate = Some(GateLayer::new(switch, protocol, Mismatch::default()));
//!     let listener = TcpListener::bind("127.0.0.1:50051").await?;
//!     let path = DataPath { gate, collector, ..DataPath::default() };
//!     path.answer(service, listener.into(), Options::threads(2), end).await
//! }
//! ```
//!
//! `examples/embed/` in teal's repository is a whole program, and `docs/embedding.md` explains it.

pub mod adoption;
mod data_path;
pub mod fault;
pub mod gate;
pub mod messages;
pub mod recording;
mod redaction;
pub mod server;
pub mod telemetry;
pub mod tls;
pub mod upstream;

pub use self::data_path::{Answering, DataPath, Listeners, Served, answering};
