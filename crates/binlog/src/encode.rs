//! Encodes the entries of one call, each behind its length in four bytes. Written by hand: the entries of a call go
//! straight into one buffer, without a message in between.

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use crate::pb::{
    address,
    grpc_log_entry::{EventType, Logger},
};

/// Metadata: keys and values, in order. Values of keys with `-bin` are decoded.
pub type Metadata<'a> = [(&'a str, Cow<'a, [u8]>)];

/// The beginning of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `/service/method`
    pub method: &'a str,
    /// The name of the server that the client called.
    pub authority: &'a str,
    /// The client's timeout.
    pub timeout: Option<Duration>,
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// The metadata.
    pub metadata: &'a Metadata<'a>,
}

/// The end of a response.
#[derive(Clone, Copy, Debug)]
pub struct Trailer<'a> {
    /// gRPC's status code.
    pub code: u32,
    /// The status message, decoded.
    pub message: &'a str,
    /// `grpc-status-details-bin`, decoded.
    pub details: &'a [u8],
    /// The metadata.
    pub metadata: &'a Metadata<'a>,
}

/// Numbers the entries of a call.
#[derive(Clone, Copy, Debug)]
pub struct Encoder {
    call: u64,
    sequence: u64,
}

impl Encoder {
    /// For the call of this number, which may not be 0.
    pub fn new(call: u64) -> Self {
        Self { call, sequence: 0 }
    }

    /// Appends the headers of a request.
    pub fn client_header(&mut self, to: &mut Vec<u8>, at: SystemTime, head: Head<'_>) {
        let timeout = head.timeout.map(|timeout| (timeout.as_secs(), timeout.subsec_nanos()));
        self.entry(to, at, EventType::ClientHeader, false, |to| {
            nested(to, 6, |to| {
                nested(to, 1, |to| metadata(to, head.metadata));
                bytes(to, 2, head.method.as_bytes());
                bytes(to, 3, head.authority.as_bytes());
                if let Some((seconds, nanos)) = timeout {
                    nested(to, 4, |to| {
                        number(to, 1, seconds);
                        number(to, 2, nanos.into());
                    });
                }
            });
            if let Some(peer) = head.peer {
                let kind = match peer.ip() {
                    IpAddr::V4(_) => address::Type::Ipv4,
                    IpAddr::V6(_) => address::Type::Ipv6,
                };
                nested(to, 11, |to| {
                    number(to, 1, kind as u64);
                    bytes(to, 2, peer.ip().to_string().as_bytes());
                    number(to, 3, peer.port().into());
                });
            }
        });
    }

    /// Appends the headers of a response.
    pub fn server_header(&mut self, to: &mut Vec<u8>, at: SystemTime, pairs: &Metadata<'_>) {
        self.entry(to, at, EventType::ServerHeader, false, |to| {
            nested(to, 7, |to| nested(to, 1, |to| metadata(to, pairs)));
        });
    }

    /// Appends a message of `length` bytes, of which `data` is logged.
    pub fn message(
        &mut self,
        to: &mut Vec<u8>,
        at: SystemTime,
        is_of_client: bool,
        length: u32,
        is_truncated: bool,
        data: &[u8],
    ) {
        let kind = if is_of_client { EventType::ClientMessage } else { EventType::ServerMessage };
        self.entry(to, at, kind, is_truncated, |to| {
            let number_len = if length > 0 { 1 + encoded_len_varint(length.into()) } else { 0 };
            let data_len = data.len() + 1 + encoded_len_varint(data.len() as u64);
            let len = number_len + if data.is_empty() { 0 } else { data_len };
            // Not `nested`, which would move the data.
            encode_key(8, WireType::LengthDelimited, to);
            encode_varint(len as u64, to);
            number(to, 1, length.into());
            bytes(to, 2, data);
        });
    }

    /// Appends the end of a request.
    pub fn half_close(&mut self, to: &mut Vec<u8>, at: SystemTime) {
        self.entry(to, at, EventType::ClientHalfClose, false, |_| {});
    }

    /// Appends the end of a response.
    pub fn trailer(&mut self, to: &mut Vec<u8>, at: SystemTime, trailer: Trailer<'_>) {
        self.entry(to, at, EventType::ServerTrailer, false, |to| {
            nested(to, 9, |to| {
                nested(to, 1, |to| metadata(to, trailer.metadata));
                number(to, 2, trailer.code.into());
                bytes(to, 3, trailer.message.as_bytes());
                bytes(to, 4, trailer.details);
            });
        });
    }

    /// Appends the news that the client has given up.
    pub fn cancel(&mut self, to: &mut Vec<u8>, at: SystemTime) {
        self.entry(to, at, EventType::Cancel, false, |_| {});
    }

    fn entry(
        &mut self,
        to: &mut Vec<u8>,
        at: SystemTime,
        kind: EventType,
        is_truncated: bool,
        payload: impl FnOnce(&mut Vec<u8>),
    ) {
        self.sequence += 1;
        let start = to.len();
        to.extend_from_slice(&[0; 4]);
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        nested(to, 1, |to| {
            number(to, 1, at.as_secs());
            number(to, 2, at.subsec_nanos().into());
        });
        number(to, 2, self.call);
        number(to, 3, self.sequence);
        number(to, 4, kind as u64);
        number(to, 5, Logger::Server as u64);
        payload(to);
        number(to, 10, is_truncated.into());
        let length = u32::try_from(to.len() - start - 4).unwrap_or(u32::MAX);
        to[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends a number that is not 0.
fn number(to: &mut Vec<u8>, field: u32, value: u64) {
    if value > 0 {
        encode_key(field, WireType::Varint, to);
        encode_varint(value, to);
    }
}

/// Appends bytes that are not empty.
fn bytes(to: &mut Vec<u8>, field: u32, value: &[u8]) {
    if !value.is_empty() {
        encode_key(field, WireType::LengthDelimited, to);
        encode_varint(value.len() as u64, to);
        to.extend_from_slice(value);
    }
}

fn metadata(to: &mut Vec<u8>, pairs: &Metadata<'_>) {
    for (key, value) in pairs {
        nested(to, 1, |to| {
            bytes(to, 1, key.as_bytes());
            bytes(to, 2, value);
        });
    }
}

/// Appends a message, whose length is known once it is written: it is moved up if its length takes several bytes.
fn nested(to: &mut Vec<u8>, field: u32, message: impl FnOnce(&mut Vec<u8>)) {
    encode_key(field, WireType::LengthDelimited, to);
    to.push(0);
    let start = to.len();
    message(to);
    let length = (to.len() - start) as u64;
    let more = encoded_len_varint(length) - 1;
    if more > 0 {
        to.resize(to.len() + more, 0);
        to.copy_within(start..start + length as usize, start + more);
    }
    encode_varint(length, &mut &mut to[start - 1..start + more]);
}
