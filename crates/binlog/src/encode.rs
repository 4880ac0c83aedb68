//! Encodes the entries of one call, each behind its length in four bytes. Written by hand: the entries of a call go
//! straight into one buffer, without a message in between.

mod few;
mod metadata;
mod peer;
mod stamp;

#[cfg(test)]
mod tests;

use std::time::Duration;

use self::few::{Few, field_len, number_len};
pub use self::{metadata::Metadata, peer::Peer, stamp::Stamp};
use crate::pb::grpc_log_entry::{EventType, Logger};

/// The bytes before an entry, with its length.
const LENGTH: usize = 4;
/// The most bytes of a number with its key are 11; so many are copied by one instruction.
const CALL: usize = 16;
/// More than an entry has beside the bytes of its texts and data: its length, time and numbers, and the beginnings of its
/// fields. A [`Head`] has as much again for its timeout and the client's address.
pub const ENTRY: usize = 96;

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
    pub peer: Option<Peer>,
    /// The metadata.
    pub metadata: &'a Metadata,
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
    pub metadata: &'a Metadata,
}

/// Numbers the entries of a call.
#[derive(Clone, Copy, Debug)]
pub struct Encoder {
    /// The field with the call's number.
    call: [u8; CALL],
    call_len: usize,
    sequence: u64,
}

impl Encoder {
    /// For the call of this number, which may not be 0.
    pub fn new(call: u64) -> Self {
        let mut field = Few::<CALL>::default();
        field.number(2, call);
        Self { call: field.bytes, call_len: field.len, sequence: 0 }
    }

    /// Appends the headers of a request.
    pub fn client_header(&mut self, to: &mut Vec<u8>, at: impl Into<Stamp>, head: Head<'_>) {
        let (method, authority) = (head.method.as_bytes(), head.authority.as_bytes());
        let (mut timeout, mut end) = (Few::<24>::default(), Few::<96>::default());
        if let Some(after) = head.timeout {
            timeout.number(1, after.as_secs());
            timeout.number(2, after.subsec_nanos().into());
            end.field(4, timeout.bytes());
        }
        let len = head.metadata.nested_len() + field_len(method) + field_len(authority) + end.len;
        if let Some(peer) = &head.peer {
            end.field(11, peer.bytes());
        }
        let mut entry = Few::default();
        self.begin(&mut entry, at.into(), EventType::ClientHeader);
        entry.nested(6, len);
        entry.nested(1, head.metadata.len());
        let begun = entry.append(to, head.metadata.bytes());
        for (field, value) in [(2, method), (3, authority)] {
            few::put(to, field, value);
        }
        to.extend_from_slice(end.bytes());
        finish(to, begun, false);
    }

    /// Appends the headers of a response.
    pub fn server_header(&mut self, to: &mut Vec<u8>, at: impl Into<Stamp>, metadata: &Metadata) {
        let mut entry = Few::default();
        self.begin(&mut entry, at.into(), EventType::ServerHeader);
        entry.nested(7, metadata.nested_len());
        entry.nested(1, metadata.len());
        let begun = entry.append(to, metadata.bytes());
        finish(to, begun, false);
    }

    /// Appends a message of `length` bytes, of which `data` is logged.
    pub fn message(
        &mut self,
        to: &mut Vec<u8>,
        at: impl Into<Stamp>,
        is_of_client: bool,
        length: u32,
        is_truncated: bool,
        data: &[u8],
    ) {
        let kind = if is_of_client { EventType::ClientMessage } else { EventType::ServerMessage };
        let mut entry = Few::default();
        self.begin(&mut entry, at.into(), kind);
        entry.nested(8, number_len(length.into()) + field_len(data));
        entry.number(1, length.into());
        if !data.is_empty() {
            entry.nested(2, data.len());
        }
        let begun = entry.append(to, data);
        finish(to, begun, is_truncated);
    }

    /// Appends the end of a request.
    pub fn half_close(&mut self, to: &mut Vec<u8>, at: impl Into<Stamp>) {
        self.bare(to, at.into(), EventType::ClientHalfClose);
    }

    /// Appends the end of a response.
    pub fn trailer(&mut self, to: &mut Vec<u8>, at: impl Into<Stamp>, trailer: Trailer<'_>) {
        let (message, details) = (trailer.message.as_bytes(), trailer.details);
        let metadata = trailer.metadata;
        let len =
            metadata.nested_len() + number_len(trailer.code.into()) + field_len(message) + field_len(details);
        let mut entry = Few::default();
        self.begin(&mut entry, at.into(), EventType::ServerTrailer);
        entry.nested(9, len);
        entry.nested(1, metadata.len());
        let begun = entry.append(to, metadata.bytes());
        let mut code = Few::<CALL>::default();
        code.number(2, trailer.code.into());
        to.extend_from_slice(code.bytes());
        for (field, value) in [(3, message), (4, details)] {
            few::put(to, field, value);
        }
        finish(to, begun, false);
    }

    /// Appends the news that the client has given up.
    pub fn cancel(&mut self, to: &mut Vec<u8>, at: impl Into<Stamp>) {
        self.bare(to, at.into(), EventType::Cancel);
    }

    /// Appends an entry without a payload.
    fn bare(&mut self, to: &mut Vec<u8>, at: Stamp, kind: EventType) {
        let mut entry = Few::default();
        self.begin(&mut entry, at, kind);
        let begun = entry.append(to, &[]);
        finish(to, begun, false);
    }

    /// Begins the next entry, up to its payload.
    fn begin(&mut self, entry: &mut Few<ENTRY>, at: Stamp, kind: EventType) {
        self.sequence += 1;
        entry.len = LENGTH;
        entry.copy(&at.field, at.len);
        entry.copy(&self.call, self.call_len);
        entry.number(3, self.sequence);
        entry.number(4, kind as u64);
        entry.number(5, Logger::Server as u64);
    }
}

impl Few<ENTRY> {
    /// Appends the entry as far as it is known, and `data`. Returns where it begins.
    fn append(&self, to: &mut Vec<u8>, data: &[u8]) -> usize {
        let start = to.len();
        // A copy of a constant size is inlined.
        to.extend_from_slice(&self.bytes);
        to.truncate(start + self.len);
        to.extend_from_slice(data);
        start
    }
}

/// Ends the entry that began at `start`.
fn finish(to: &mut Vec<u8>, start: usize, is_truncated: bool) {
    if is_truncated {
        to.extend_from_slice(&[10 << 3, 1]);
    }
    let length = u32::try_from(to.len() - start - LENGTH).unwrap_or(u32::MAX);
    to[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
}
