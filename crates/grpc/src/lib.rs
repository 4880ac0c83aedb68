//! gRPC on HTTP/2, a message at a time: what its metadata says, where a message begins, how it is coded, and a
//! protobuf field that is read from it or appended to it. Knows no service, and does no I/O.

mod coding;
mod frame;
pub mod header;
mod status;

pub use self::{
    coding::Coding,
    frame::{Appender, Malformed, PREFIX_LEN, Prefix, read_string, string_field},
    status::{CODES, Failure},
};
