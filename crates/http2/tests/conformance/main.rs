//! The requirements of RFC 9113 and RFC 7541 on both sides of a connection, and further promises of this crate.
//!
//! Most tests speak to it frame by frame ([`raw`]), and know its API only through [`side`]. [`script`] polls it by
//! hand.
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
