//! gRPC's binary log: `grpc.binarylog.v1.GrpcLogEntry`, one after the other in a file. Reads what grpc-go, grpc-java and
//! teal write, and writes as grpc-go does, without slowing whoever hands entries in. Knows no HTTP and no service.

mod call;
mod encode;
mod files;
mod reader;
mod writer;

/// The messages of the log, generated.
#[allow(missing_docs, unreachable_pub, missing_debug_implementations)]
#[allow(clippy::all, clippy::unwrap_used)]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/grpc.binarylog.v1.rs"));
}

pub use self::{
    call::{Assembler, Call, End, MOST_OPEN, Payload},
    encode::{Encoder, Head, Metadata, Trailer},
    files::{Occupied, parts},
    reader::{Framing, LARGEST_ENTRY, Located, Problem, ReadError, Reader},
    writer::{Buffer, CreateError, Options, Stats, Storage, Writer},
};
