//! The engine's interface: the messages and services of `proto/`, what each method means to a switch, and the two
//! strategies. Knows no switch, and does no I/O.
//!
//! A service that is not in `proto/` is known by its descriptors, and by `new_strategy` in its responses:
//!
//! ```
//! use prost::Message as _;
//! use prost_types::FileDescriptorSet;
//! use teal_protocol::{CallKind, Protocol};
//!
//! let mut protocol = Protocol::default();
//! assert_eq!(protocol.method("/QueryEngineService/clear").kind, CallKind::End);
//!
//! // What `protoc --include_imports --descriptor_set_out` writes, or protox.
//! let descriptors = FileDescriptorSet::default().encode_to_vec();
//! protocol.extend(&descriptors)?;
//! assert_eq!(protocol.method("/library.Orders/Place").kind, CallKind::Begin);
//! # Ok::<_, teal_protocol::BadDescriptors>(())
//! ```
//!
//! `docs/embedding.md` in teal's repository explains how to put teal before such a service.

mod call_kind;
pub mod metadata;
mod reflection;
pub mod results;
mod roles;
mod strategy;
mod table;

pub use self::{
    call_kind::CallKind,
    reflection::{Decoded, Reflection},
    roles::{Edit, MessageRoles, MethodRoles, Role, Roles},
    strategy::{Strategy, UnknownStrategy},
    table::{BadDescriptors, DESCRIPTORS, Method, Protocol},
};

/// The messages and services of `proto/`, generated.
#[allow(missing_docs, unreachable_pub, missing_debug_implementations)]
#[allow(clippy::all, clippy::unwrap_used)]
pub mod pb {
    tonic::include_proto!("_");
}
