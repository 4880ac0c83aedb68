//! What RFC 9113 and RFC 7541 ask of either side of a connection, and what only this crate promises.
//!
//! Most tests speak to it frame by frame ([`raw`]); [`side`] is all they know of its API, but for [`script`],
//! which polls it by hand.
#![allow(missing_docs, clippy::unwrap_used)]

mod anything;
mod client;
mod floods;
mod flow;
mod frames;
mod framing;
mod guards;
mod hpack;
mod messages;
mod pairs;
mod raw;
mod responses;
mod script;
mod settings;
mod shutdown;
mod side;
mod sockets;
mod streams;
mod wire;
