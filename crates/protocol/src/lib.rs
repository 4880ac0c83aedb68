//! The engine's interface: the messages and services of `proto/`, what each method means to a switch, and the two
//! strategies. Knows no switch, and does no I/O.

mod call_kind;
pub mod metadata;
mod roles;
mod strategy;
mod table;

pub use self::{
    call_kind::CallKind,
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
