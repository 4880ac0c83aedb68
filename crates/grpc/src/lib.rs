//! gRPC on HTTP/2, one message at a time: metadata, framing, compression, and one protobuf field to read or append.
//! Knows no service, and does no I/O.
//!
//! A field is appended to a message without decoding it:
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use teal_grpc::{Appender, PREFIX_LEN, Prefix, read_string, string_field};
//!
//! let message = string_field(1, "q-17");
//! let mut framed = BytesMut::new();
//! Prefix { flag: 0, len: message.len() as u32 }.write(&mut framed);
//! framed.extend_from_slice(&message);
//!
//! let mut appender = Appender::new(string_field(2, "green"));
//! let framed: Bytes = appender.push(framed.freeze());
//! assert_eq!(read_string(&framed[PREFIX_LEN..], 1), Ok(Some("q-17")));
//! assert_eq!(read_string(&framed[PREFIX_LEN..], 2), Ok(Some("green")));
//! ```

mod coding;
mod frame;
pub mod header;
mod status;

pub use self::{
    coding::Coding,
    frame::{Appender, Malformed, PREFIX_LEN, Prefix, read_string, string_field},
    status::{CODES, Failure, decode_message, encode_message},
};
