//! Puts the entries of each call together.

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use bytes::Bytes;
use hashlink::LinkedHashMap;
use prost_types::Timestamp;

use crate::pb::{
    self, GrpcLogEntry,
    grpc_log_entry::{EventType, Logger, Payload as Body},
};

/// The most calls that wait for their end. Of more, the oldest is given out without one.
pub const MOST_OPEN: usize = 65_536;

/// A call, as far as it is in the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// Its number in the log.
    pub id: u64,
    /// The side that logged it.
    pub logger: Logger,
    /// `/service/method`; empty if the log begins within the call.
    pub method: String,
    /// The name of the server that the client called.
    pub authority: String,
    /// The other side's address, with its port.
    pub peer: Option<String>,
    /// Metadata of the request.
    pub request: Vec<pb::MetadataEntry>,
    /// The messages of the client.
    pub sent: Vec<Payload>,
    /// Metadata of the response's headers; `None` if there were none, as with an error at once.
    pub response: Option<Vec<pb::MetadataEntry>>,
    /// The messages of the server.
    pub received: Vec<Payload>,
    /// When it began.
    pub began: Option<SystemTime>,
    /// When the first headers, message or trailers of the response came.
    pub answered: Option<SystemTime>,
    /// When it ended.
    pub ended: Option<SystemTime>,
    /// How it ended.
    pub end: End,
}

/// How a call ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum End {
    /// Its end is not in the log.
    #[default]
    Open,
    /// The server ended it with a status.
    Status(pb::Trailer),
    /// The client gave it up.
    Cancelled,
}

/// A message of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payload {
    /// Its bytes, as far as they were logged.
    pub data: Bytes,
    /// Its length when it was sent.
    pub length: u32,
    /// Whether bytes are missing.
    pub is_truncated: bool,
}

/// Puts calls together from entries in the order of the file.
#[derive(Debug)]
pub struct Assembler {
    open: LinkedHashMap<(u64, Logger), Call>,
    has_data: bool,
    orphans: u64,
}

impl Assembler {
    /// With the bytes of messages, or with their lengths alone.
    pub fn new(has_data: bool) -> Self {
        Self { open: LinkedHashMap::new(), has_data, orphans: 0 }
    }

    /// Takes the next entry. Returns a call that is over by it.
    pub fn push(&mut self, entry: GrpcLogEntry) -> Option<Call> {
        let (key, kind) = ((entry.call_id, entry.logger()), entry.r#type());
        if kind == EventType::ClientHeader {
            // A number that comes again is another call: the program was started again.
            let before = self.open.remove(&key);
            self.open.insert(key, Call { id: key.0, logger: key.1, ..Call::default() });
            self.open.get_mut(&key)?.add(entry, self.has_data);
            return before.or_else(|| {
                (self.open.len() > MOST_OPEN).then(|| self.open.pop_front()).flatten().map(|(_, call)| call)
            });
        }
        let Some(call) = self.open.get_mut(&key) else {
            // The server may see a cancellation, or the end of the request, after it has answered.
            self.orphans += u64::from(!matches!(kind, EventType::Cancel | EventType::ClientHalfClose));
            return None;
        };
        call.add(entry, self.has_data);
        if call.end == End::Open { None } else { self.open.remove(&key) }
    }

    /// Entries whose call began before the log, or had ended.
    pub fn orphans(&self) -> u64 {
        self.orphans
    }

    /// The calls that did not end, the oldest first.
    pub fn finish(self) -> impl Iterator<Item = Call> {
        self.open.into_iter().map(|(_, call)| call)
    }
}

impl Call {
    fn add(&mut self, entry: GrpcLogEntry, has_data: bool) {
        let (kind, at, is_truncated) =
            (entry.r#type(), entry.timestamp.and_then(time), entry.payload_truncated);
        let answers = [EventType::ServerHeader, EventType::ServerMessage, EventType::ServerTrailer];
        if answers.contains(&kind) && self.answered.is_none() {
            self.answered = at;
        }
        if self.peer.is_none() {
            self.peer = entry.peer.map(|peer| match peer.address.contains(':') {
                true => format!("[{}]:{}", peer.address, peer.ip_port),
                false => format!("{}:{}", peer.address, peer.ip_port),
            });
        }
        match entry.payload {
            Some(Body::ClientHeader(head)) => {
                self.began = at;
                (self.method, self.authority) = (head.method_name, head.authority);
                self.request = head.metadata.unwrap_or_default().entry;
            }
            Some(Body::ServerHeader(head)) => self.response = Some(head.metadata.unwrap_or_default().entry),
            Some(Body::Message(message)) => {
                let data = if has_data { message.data } else { Bytes::new() };
                let payload = Payload { data, length: message.length, is_truncated };
                match kind {
                    EventType::ClientMessage => self.sent.push(payload),
                    _ => self.received.push(payload),
                }
            }
            Some(Body::Trailer(trailer)) => (self.end, self.ended) = (End::Status(trailer), at),
            None if kind == EventType::Cancel => (self.end, self.ended) = (End::Cancelled, at),
            None => {}
        }
    }
}

fn time(timestamp: Timestamp) -> Option<SystemTime> {
    SystemTime::try_from(timestamp).ok()
}
