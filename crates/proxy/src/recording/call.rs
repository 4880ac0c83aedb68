//! The record of one call, which its request and its response share.

use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::SystemTime};

use binlog::{Buffer, Encoder, Head, Trailer};
use bytes::Bytes;
use grpc::{Coding, header::is_protobuf};
use http::{HeaderMap, HeaderValue, Request, header::AUTHORIZATION, response};
use parking_lot::Mutex;
use protocol::{Edit, MessageRoles, MethodRoles, Role};

use super::{
    Recording,
    frames::{Frames, MOST, Message},
    metadata,
};
use crate::redaction::redact;

/// With as many bytes the entries of a call are handed over before its end.
const HANDED_OVER: usize = 64 << 10;
/// The most bytes in an entry beside its payload.
const ENTRY: usize = 96;
/// gRPC's own services have no secrets.
const OWN: &str = "/grpc.";

/// gRPC's UNKNOWN, for a response without a status.
const UNKNOWN: u32 = 2;
/// gRPC's INTERNAL, for a response that breaks off.
const INTERNAL: u32 = 13;

/// Records a call. If the last clone is dropped before the end, the client has given up.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    call: Arc<Mutex<Call>>,
}

#[derive(Debug)]
struct Call {
    recording: Arc<Recording>,
    encoder: Encoder,
    entries: Buffer,
    /// Where a message is rewritten.
    scratch: Vec<u8>,
    roles: Option<Arc<MethodRoles>>,
    /// The fingerprint of the session that a message has named last.
    session: Option<u64>,
    /// The client's `authorization`.
    token: Option<HeaderValue>,
    /// Whether messages are protobuf, and known or gRPC's own. Of others nobody knows what is secret.
    is_readable: bool,
    /// Nothing more is recorded.
    is_over: bool,
}

/// Records what the client sends.
#[derive(Debug)]
pub(crate) struct RequestTap {
    tap: Tap,
    frames: Frames,
    coding: Option<Coding>,
    is_over: bool,
}

/// Records what the client gets.
#[derive(Debug)]
pub(super) struct ResponseTap {
    tap: Tap,
    frames: Frames,
    coding: Option<Coding>,
}

impl Tap {
    pub(super) fn new<B>(recording: Arc<Recording>, peer: SocketAddr, request: &Request<B>) -> Self {
        let path = request.uri().path();
        let roles = recording.roles.method(path).cloned();
        let is_readable = is_protobuf(request.headers()) && (roles.is_some() || path.starts_with(OWN));
        let (entries, encoder) = (recording.writer.buffer(), Encoder::new(recording.writer.call_id()));
        let token = request.headers().get(AUTHORIZATION).cloned();
        let mut call = Call {
            recording,
            encoder,
            entries,
            scratch: Vec::new(),
            roles,
            session: None,
            token,
            is_readable,
            is_over: false,
        };
        let pairs = metadata::pairs(request.headers());
        let authority = request.uri().authority().map_or("", |authority| authority.as_str());
        let head = Head {
            method: path,
            authority,
            timeout: metadata::timeout(request.headers()),
            peer: Some(peer),
            metadata: &pairs,
        };
        let size = metadata::size(&pairs) + path.len() + authority.len() + 2 * ENTRY;
        call.add(size, |encoder, to, at| encoder.client_header(to, at, head));
        Self { call: Arc::new(Mutex::new(call)) }
    }

    /// Creates the reader of the request's body.
    pub(super) fn request(&self, headers: &HeaderMap) -> Box<RequestTap> {
        let frames = Frames::new(self.call.lock().recording.writer.buffer());
        Box::new(RequestTap { tap: self.clone(), frames, coding: Coding::of(headers), is_over: false })
    }

    /// Records the head of the response, and creates the reader of its body.
    pub(super) fn answered(self, head: &response::Parts) -> Option<ResponseTap> {
        if metadata::status(&head.headers).is_some() {
            self.call.lock().end(&head.headers);
            return None;
        }
        let mut call = self.call.lock();
        if !head.status.is_success() {
            let message = format!("HTTP status {}", head.status.as_u16());
            call.end_with(UNKNOWN, &message, &head.headers);
            return None;
        }
        let pairs = metadata::pairs(&head.headers);
        call.add(metadata::size(&pairs) + ENTRY, |encoder, to, at| encoder.server_header(to, at, &pairs));
        let frames = Frames::new(call.recording.writer.buffer());
        drop(call);
        Some(ResponseTap { tap: self, frames, coding: Coding::of(&head.headers) })
    }

    /// Records that the stream was reset.
    pub(super) fn broken(&self, why: &str) {
        self.call.lock().end_with(INTERNAL, why, &HeaderMap::new());
    }
}

impl RequestTap {
    /// Takes a chunk of the body.
    pub(crate) fn data(&mut self, chunk: &Bytes) {
        let (call, coding) = (&mut *self.tap.call.lock(), self.coding);
        if self.frames.push(chunk, |message| call.message(true, message, coding)).is_err() {
            call.lose();
        }
    }

    /// The client has sent all.
    pub(crate) fn ended(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.tap.call.lock().add(ENTRY, |encoder, to, at| encoder.half_close(to, at));
        }
    }
}

impl ResponseTap {
    pub(super) fn data(&mut self, chunk: &Bytes) {
        let (call, coding) = (&mut *self.tap.call.lock(), self.coding);
        if self.frames.push(chunk, |message| call.message(false, message, coding)).is_err() {
            call.lose();
        }
    }

    pub(super) fn trailers(&mut self, trailers: &HeaderMap) {
        self.tap.call.lock().end(trailers);
    }

    /// The body ended, if there were trailers or not.
    pub(super) fn ended(&mut self) {
        self.tap.call.lock().end_with(UNKNOWN, "no trailers", &HeaderMap::new());
    }

    pub(super) fn broken(&mut self, why: &str) {
        self.tap.broken(why);
    }
}

impl Call {
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
        let roles = self.roles.clone();
        let roles = roles.as_deref().map(|roles| if is_of_client { &roles.request } else { &roles.response });
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let rewritten = match roles.filter(|_| !data.is_empty()) {
            None => Some(data),
            // The end of a message that is cut off cannot be read.
            Some(_) if message.is_truncated() => None,
            Some(roles) => self.without_secrets(roles, data, &mut scratch).then_some(&scratch[..]),
        };
        let (data, is_truncated) = match rewritten {
            // Not the same length as before, but all of it.
            Some(data) => (data, message.is_truncated() || (is_hidden && length > 0)),
            None => (&[][..], true),
        };
        self.add(data.len() + ENTRY, |encoder, to, at| {
            encoder.message(to, at, is_of_client, length, is_truncated, data);
        });
        self.scratch = scratch;
    }

    /// Appends the message without its secrets. Returns whether it could be read.
    fn without_secrets(&mut self, roles: &MessageRoles, message: &[u8], to: &mut Vec<u8>) -> bool {
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
        roles.is_known() && roles.rewrite(message, to, &mut edit).is_ok()
    }

    fn end(&mut self, trailers: &HeaderMap) {
        match metadata::status(trailers) {
            Some(status) => self.trailer(status.code, &status.message, &status.details, trailers),
            None => self.end_with(UNKNOWN, "no status", trailers),
        }
    }

    fn end_with(&mut self, code: u32, message: &str, trailers: &HeaderMap) {
        self.trailer(code, message, &[], trailers);
    }

    fn trailer(&mut self, code: u32, message: &str, details: &[u8], trailers: &HeaderMap) {
        let told = self.told(message);
        // They repeat the message, and may have more.
        let details = if told == message { details } else { &[] };
        let message = &*told;
        let pairs: Vec<(&str, Cow<'_, [u8]>)> = metadata::pairs(trailers);
        let size = metadata::size(&pairs) + message.len() + details.len() + ENTRY;
        self.add(size, |encoder, to, at| {
            encoder.trailer(to, at, Trailer { code, message, details, metadata: &pairs });
        });
        self.hand_over();
    }

    /// The message of a status, without the session and the token of the caller.
    fn told(&self, message: &str) -> String {
        let is_token = |token: &HeaderValue, word: &str| {
            token.to_str().is_ok_and(|token| token.rsplit(' ').next() == Some(word))
        };
        let is_secret = |word: &str| {
            self.session == Some(self.recording.fingerprint(word.as_bytes()))
                || self.token.as_ref().is_some_and(|token| is_token(token, word))
        };
        let mut told = String::with_capacity(message.len());
        redact(message, is_secret, |part| told.push_str(part));
        told
    }

    /// Appends an entry of at most `size` bytes.
    fn add(&mut self, size: usize, entry: impl FnOnce(&mut Encoder, &mut Vec<u8>, SystemTime)) {
        if self.is_over {
            return;
        }
        let Some(to) = self.entries.reserve(size) else { return self.lose() };
        entry(&mut self.encoder, to, SystemTime::now());
        if to.len() >= HANDED_OVER {
            let writer = &self.recording.writer;
            writer.write(std::mem::replace(&mut self.entries, writer.buffer()));
        }
    }

    /// Hands over the last entries.
    fn hand_over(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            let writer = &self.recording.writer;
            let mut entries = std::mem::replace(&mut self.entries, writer.buffer());
            entries.ends_call();
            writer.write(entries);
        }
    }

    /// Gives the record of this call up, for there is no room.
    fn lose(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            let writer = &self.recording.writer;
            writer.lose();
            self.entries = writer.buffer();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.add(ENTRY, |encoder, to, at| encoder.cancel(to, at));
        self.hand_over();
    }
}
