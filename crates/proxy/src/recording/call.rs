//! The record of one call.

use std::{borrow::Cow, sync::Arc};

use binlog::{Buffer, ENTRY, Encoder, Head, Metadata, Peer, Stamp, Trailer};
use bytes::Bytes;
use grpc::{
    Coding,
    header::{is_grpc_type, is_protobuf_type},
};
use http::{HeaderMap, HeaderValue, Request, response};
use protocol::{Edit, MessageRoles, MethodRoles, Role};

use super::{
    Recording,
    frames::{Frames, MOST, Message, NoRoom},
    metadata::{Read, read},
};
use crate::redaction::redact;

/// With as many bytes the entries of a call are handed over before its end.
const HANDED_OVER: usize = 64 << 10;
/// gRPC's own services have no secrets.
const OWN: &str = "/grpc.";

/// gRPC's UNKNOWN, for a response without a status.
const UNKNOWN: u32 = 2;
/// gRPC's INTERNAL, for a response that breaks off.
const INTERNAL: u32 = 13;

/// The record of a call. Dropped before the end of the call, it says that the client has given up.
#[derive(Debug)]
pub(super) struct Call {
    request: Half,
    response: Half,
    log: Log,
}

/// The entries of a call, and what they need.
#[derive(Debug)]
struct Log {
    recording: Arc<Recording>,
    encoder: Encoder,
    /// `None` once nothing more is recorded.
    entries: Option<Buffer>,
    roles: Option<Arc<MethodRoles>>,
    /// The fingerprint of the session that a message has named last.
    session: Option<u64>,
    /// The client's `authorization`.
    token: Option<HeaderValue>,
    /// Whether messages are protobuf, and known or gRPC's own. Of others nobody knows what is secret.
    is_readable: bool,
    /// The time of what is recorded under one lock.
    now: Option<Stamp>,
}

/// The messages of one side.
#[derive(Debug, Default)]
struct Half {
    is_of_client: bool,
    frames: Frames,
    coding: Option<Coding>,
}

impl Call {
    /// Begins the record of a call. `None` if it is not gRPC: then it may be a request for a token.
    pub(super) fn new<B>(recording: Arc<Recording>, peer: Peer, request: &Request<B>) -> Option<Self> {
        let path = request.uri().path();
        read(request.headers(), |headers| {
            let content_type = headers.content_type.filter(|content_type| is_grpc_type(content_type))?;
            let roles = recording.roles.method(path).cloned();
            let mut log = Log {
                encoder: Encoder::new(recording.writer.call_id()),
                entries: Some(recording.writer.buffer()),
                recording,
                is_readable: is_protobuf_type(content_type) && (roles.is_some() || path.starts_with(OWN)),
                roles,
                session: None,
                token: headers.authorization.cloned(),
                now: None,
            };
            let head = Head {
                method: path,
                authority: request.uri().authority().map_or("", |authority| authority.as_str()),
                timeout: headers.timeout(),
                peer: Some(peer),
                metadata: headers.metadata,
            };
            let size = path.len() + head.authority.len() + headers.metadata.len() + 2 * ENTRY;
            log.add(size, |encoder, to, at| encoder.client_header(to, at, head));
            Some(Self { request: Half::new(true, headers), response: Half::default(), log })
        })
    }

    /// The time goes on.
    pub(super) fn touch(&mut self) {
        self.log.now = None;
    }

    /// Records a chunk of the request's body, and whether the client has sent all.
    pub(super) fn sent(&mut self, chunk: Option<&Bytes>, is_end: bool) {
        if let Some(chunk) = chunk {
            self.request.data(chunk, &mut self.log);
        }
        if is_end {
            self.log.add(ENTRY, |encoder, to, at| encoder.half_close(to, at));
        }
    }

    /// Records the head of the response. Returns whether a body follows.
    pub(super) fn answered(&mut self, head: &response::Parts) -> bool {
        read(&head.headers, |headers| {
            let metadata = headers.metadata;
            if headers.has_status() {
                self.log.end(headers);
            } else if !head.status.is_success() {
                self.log.end_with(UNKNOWN, &format!("HTTP status {}", head.status.as_u16()), metadata);
            } else {
                self.log.add(metadata.len() + ENTRY, |encoder, to, at| {
                    encoder.server_header(to, at, metadata);
                });
                self.response = Half::new(false, headers);
                return true;
            }
            false
        })
    }

    /// Records a chunk of the response's body.
    pub(super) fn received(&mut self, chunk: &Bytes) {
        self.response.data(chunk, &mut self.log);
    }

    pub(super) fn trailers(&mut self, trailers: &HeaderMap) {
        read(trailers, |trailers| self.log.end(trailers));
    }

    /// The response's body ended, if there were trailers or not.
    pub(super) fn ended(&mut self) {
        self.log.end_with(UNKNOWN, "no trailers", Metadata::NONE);
    }

    /// Records that the stream was reset.
    pub(super) fn broken(&mut self, why: &str) {
        self.log.end_with(INTERNAL, why, Metadata::NONE);
    }
}

impl Half {
    fn new(is_of_client: bool, headers: &Read<'_>) -> Self {
        Self { is_of_client, frames: Frames::default(), coding: headers.encoding.and_then(Coding::named) }
    }

    /// Records the messages that are whole by this chunk.
    fn data(&mut self, mut chunk: &[u8], log: &mut Log) {
        if log.entries.is_none() {
            return;
        }
        loop {
            match self.frames.next(&mut chunk, &log.recording.writer) {
                Ok(Some(message)) => log.message(self.is_of_client, message, self.coding),
                Ok(None) => break,
                Err(NoRoom) => return log.lose(),
            }
        }
    }
}

impl Log {
    fn message(&mut self, is_of_client: bool, message: Message<'_>, coding: Option<Coding>) {
        let length = message.prefix.len;
        let inflated = match message.prefix.flag {
            0 => None,
            // Without its plain text nobody can tell what is secret.
            _ => coding
                .filter(|_| !message.is_truncated())
                .and_then(|coding| coding.inflate(message.data, MOST)),
        };
        let is_hidden = !self.is_readable || (message.prefix.flag != 0 && inflated.is_none());
        let (data, length) = match &inflated {
            _ if is_hidden => (&[][..], length),
            Some(inflated) => (&inflated[..], u32::try_from(inflated.len()).unwrap_or(u32::MAX)),
            None => (message.data, length),
        };
        let known = self.roles.take();
        let roles = known.as_deref().map(|roles| if is_of_client { &roles.request } else { &roles.response });
        let rewritten = match roles.filter(|_| !data.is_empty()) {
            None => Some(data.into()),
            // The end of a message that is cut off cannot be read.
            Some(_) if message.is_truncated() => None,
            Some(roles) => self.without_secrets(roles, data),
        };
        let (data, is_truncated) = match &rewritten {
            // Not the same length as before, but all of it.
            Some(data) => (&**data, message.is_truncated() || (is_hidden && length > 0)),
            None => (&[][..], true),
        };
        self.add(data.len() + ENTRY, |encoder, to, at| {
            encoder.message(to, at, is_of_client, length, is_truncated, data);
        });
        self.roles = known;
    }

    /// The message without its secrets, if it can be read.
    fn without_secrets<'a>(&mut self, roles: &MessageRoles, message: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let (recording, session) = (&self.recording, &mut self.session);
        let mut edit = |role, value: &[u8]| match role {
            Role::Session if value.is_empty() => Edit::Keep,
            Role::Session => {
                let fingerprint = recording.fingerprint(value);
                *session = Some(fingerprint);
                Edit::Replace(format!("session-{fingerprint:016x}").into())
            }
            Role::Secret => Edit::Drop,
            Role::Query | Role::Engine | Role::Notice | Role::Statement | Role::User | Role::Elapsed => {
                Edit::Keep
            }
        };
        roles.is_known().then(|| roles.rewrite(message, &mut edit).ok()).flatten()
    }

    fn end(&mut self, trailers: &Read<'_>) {
        match trailers.status() {
            Some(status) => self.trailer(status.code, &status.message, &status.details, trailers.metadata),
            None => self.end_with(UNKNOWN, "no status", trailers.metadata),
        }
    }

    fn end_with(&mut self, code: u32, message: &str, metadata: &Metadata) {
        self.trailer(code, message, &[], metadata);
    }

    fn trailer(&mut self, code: u32, message: &str, details: &[u8], metadata: &Metadata) {
        if self.entries.is_none() {
            return;
        }
        let told = self.told(message);
        // They repeat the message, and may have more.
        let details = if told == message { details } else { &[] };
        let message = &*told;
        let size = metadata.len() + message.len() + details.len() + ENTRY;
        self.add(size, |encoder, to, at| {
            encoder.trailer(to, at, Trailer { code, message, details, metadata });
        });
        self.hand_over();
    }

    /// The message of a status, without the session and the token of the caller.
    fn told<'a>(&self, message: &'a str) -> Cow<'a, str> {
        if message.is_empty() {
            return Cow::Borrowed(message);
        }
        let is_token = |token: &HeaderValue, word: &str| {
            token.to_str().is_ok_and(|token| token.rsplit(' ').next() == Some(word))
        };
        let is_secret = |word: &str| {
            self.session == Some(self.recording.fingerprint(word.as_bytes()))
                || self.token.as_ref().is_some_and(|token| is_token(token, word))
        };
        let mut told = String::with_capacity(message.len());
        redact(message, is_secret, |part| told.push_str(part));
        Cow::Owned(told)
    }

    /// Appends an entry of at most `size` bytes.
    fn add(&mut self, size: usize, entry: impl FnOnce(&mut Encoder, &mut Vec<u8>, Stamp)) {
        let Some(entries) = &mut self.entries else { return };
        let Some(to) = entries.reserve(size) else { return self.lose() };
        entry(&mut self.encoder, to, *self.now.get_or_insert_with(Stamp::now));
        if to.len() >= HANDED_OVER {
            let writer = &self.recording.writer;
            writer.write(std::mem::replace(entries, writer.buffer()));
        }
    }

    /// Hands over the last entries.
    fn hand_over(&mut self) {
        if let Some(mut entries) = self.entries.take() {
            entries.ends_call();
            self.recording.writer.write(entries);
        }
    }

    /// Gives the record of this call up, for there is no room.
    fn lose(&mut self) {
        if self.entries.take().is_some() {
            self.recording.writer.lose();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.add(ENTRY, |encoder, to, at| encoder.cancel(to, at));
        self.hand_over();
    }
}
