//! A client of etcd, in the order in which a request meets its parts: settings, members, tokens, what is asked (ranges,
//! transactions, watches, leases) and what may go wrong. [`simulated`] is an etcd in the process for tests: the same
//! client talks to it. Nothing here knows of switches.
//!
//! | limit | value |
//! | --- | --- |
//! | members | [`MAX_MEMBERS`] |
//! | requests in flight; waiting for one of those | [`MAX_IN_FLIGHT`]; [`MAX_WAITING`] |
//! | operations, and comparisons, of a transaction | [`MAX_OPERATIONS`] |
//! | bytes of a request; of an answer | [`MAX_REQUEST`]; [`MAX_ANSWER`] |
//! | batches of a watch that wait for their reader | [`MAX_BATCHES`] |
//! | events of one revision | [`MAX_EVENTS`] |
//!
//! There are no HTTP/2 pings: etcd answers those with GOAWAY if they come too often or without a call. A member that
//! is silent is found by deadlines, and gets a new connection.
//!
//! # Example
//!
//! ```
//! use teal_etcd::{Compare, Op, Retry, Txn, simulated::Etcd};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! // In earnest: `Client::new(Settings::new(["http://etcd-1:2379", "http://etcd-2:2379"]))`.
//! let etcd = Etcd::new(3);
//! let client = etcd.client(etcd.settings());
//!
//! let claim = Txn::new().when(Compare::absent("leader")).then(Op::put("leader", "me"));
//! assert!(client.txn(&claim, Retry::IfNotApplied).await?.succeeded);
//! assert!(!client.txn(&claim, Retry::IfNotApplied).await?.succeeded);
//! # Ok::<_, teal_etcd::Error>(())
//! # }).unwrap();
//! ```

mod call;
mod client;
mod error;
mod fault;
mod keys;
mod lease;
mod member;
mod members;
mod range;
mod settings;
pub mod simulated;
mod status;
mod tls;
mod token;
mod txn;
mod watch;

#[cfg(test)]
mod tests;

pub use self::{
    call::Retry,
    client::Client,
    error::Error,
    keys::Keys,
    lease::Lease,
    range::{KeyValue, Page, Range},
    settings::{BadSetting, Setting, Settings, User},
    status::MemberStatus,
    tls::Tls,
    txn::{Answer, Compare, Is, Op, Outcome, Txn},
    watch::{Changes, Event, Watch},
};

/// How many members may be named.
pub const MAX_MEMBERS: usize = 16;
/// How many requests of a client are in flight at once.
pub const MAX_IN_FLIGHT: usize = 64;
/// How many requests may wait for a place among those in flight; more fail at once with [`Error::Busy`].
pub const MAX_WAITING: usize = 1024;
/// How many operations a branch of a transaction may have, and how many comparisons: etcd's own limit.
pub const MAX_OPERATIONS: usize = 128;
/// The size of a request, in bytes: etcd's own limit.
pub const MAX_REQUEST: usize = 1536 << 10;
/// The size of an answer, in bytes. Who reads ranges chooses pages that stay below.
pub const MAX_ANSWER: usize = 32 << 20;
/// How many batches of events a watch reads ahead of its reader; etcd holds back the rest.
pub const MAX_BATCHES: usize = 4;
/// How many events of one revision are collected.
pub const MAX_EVENTS: usize = 100_000;

/// The messages and services of `proto/`, generated.
#[allow(missing_docs, unreachable_pub, missing_debug_implementations, dead_code)]
#[allow(clippy::all, clippy::unwrap_used)]
mod pb {
    tonic::include_proto!("etcdserverpb");
}
