//! gRPC on HTTP/2, one message at a time: metadata, framing, compression, and one protobuf field to read or append.
//! Knows no service, and does no I/O.

mod coding;
mod frame;
pub mod header;
mod status;

pub use self::{
    coding::Coding,
    frame::{Appender, Malformed, PREFIX_LEN, Prefix, read_string, string_field},
    status::{CODES, Failure, decode_message, encode_message},
};
