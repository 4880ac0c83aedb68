//! `teal` stands between blue and green: a transparent gRPC proxy that adds the semantics of a
//! blue-green switch to an engine, and an engine of its own to stand behind it.

#[cfg(feature = "mock")]
pub mod mock;

/// The messages and services of `proto/`, generated.
#[allow(missing_docs, unreachable_pub, missing_debug_implementations)]
#[allow(clippy::all, clippy::unwrap_used)]
pub mod pb {
    tonic::include_proto!("_");
}
