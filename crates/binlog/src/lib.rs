//! gRPC's binary log: `grpc.binarylog.v1.GrpcLogEntry`, one after the other in a file. Reads what grpc-go, grpc-java and
//! teal write, and writes as grpc-go does, without slowing whoever hands entries in. Knows no HTTP and no service.
//!
//! Calls are put together from the entries of a file:
//!
//! ```
//! use teal_binlog::{Assembler, Encoder, Head, Metadata, Reader, Stamp, Trailer};
//!
//! // What a writer hands to the file.
//! let (mut entries, mut encoder) = (Vec::new(), Encoder::new(1));
//! let method = "/library.Orders/Place";
//! let head = Head { method, authority: "books", timeout: None, peer: None, metadata: Metadata::NONE };
//! encoder.client_header(&mut entries, Stamp::now(), head);
//! let trailer = Trailer { code: 0, message: "", details: &[], metadata: Metadata::NONE };
//! encoder.trailer(&mut entries, Stamp::now(), trailer);
//!
//! let mut calls = Assembler::new(false);
//! let mut ended = Vec::new();
//! for located in Reader::new(&*entries)? {
//!     ended.extend(calls.push(located?.entry));
//! }
//! assert_eq!(ended[0].method, method);
//! # Ok::<_, teal_binlog::ReadError>(())
//! ```

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
    encode::{ENTRY, Encoder, Head, Metadata, Peer, Stamp, Trailer},
    files::{FileError, FileProblem, Occupied, entries, parts},
    reader::{Framing, LARGEST_ENTRY, Located, Problem, ReadError, Reader},
    writer::{Buffer, CreateError, Options, Stats, Storage, Writer},
};
