//! The messages of calls as the history keeps them: their beginnings, without secrets. A tap sees the chunks of both bodies
//! as they pass, and copies no more than is kept. Nothing is decoded here.

mod secrets;
mod side;

#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use grpc::{Coding, header::is_protobuf};
use http::{HeaderMap, header::AUTHORIZATION};
use parking_lot::Mutex;
use protocol::{Edit, MethodRoles, Role, Roles};

use self::{secrets::Secrets, side::Side};
use crate::adoption::{abbreviated, fingerprint};

pub(crate) use self::side::{KeptMessage, KeptSide, Unkept};

/// Decides which messages are kept.
#[derive(Clone, Debug)]
pub(crate) struct Keeping {
    roles: Roles,
    /// The most bytes of a call's messages, in each direction.
    most: usize,
    in_progress: Arc<InProgress>,
}

/// The memory for messages of calls that have not ended.
#[derive(Debug)]
struct InProgress {
    bytes: AtomicUsize,
    most: usize,
}

/// Takes note of the messages of one call. Its request may be read on another thread than its response.
#[derive(Clone, Debug)]
pub struct MessageTap {
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug)]
struct Notes {
    roles: Arc<MethodRoles>,
    secrets: Secrets,
    request: Side,
    response: Side,
    in_progress: Arc<InProgress>,
    /// Its part of that.
    charged: usize,
}

/// The messages of a call.
#[derive(Debug)]
pub(crate) struct Kept {
    roles: Arc<MethodRoles>,
    /// The messages of the client.
    pub(crate) request: KeptSide,
    /// The messages that the client got.
    pub(crate) response: KeptSide,
}

impl Keeping {
    /// Keeps the first `most` bytes of a call's messages in each direction, and `in_progress` bytes of all calls that have
    /// not ended.
    pub(crate) fn new(roles: Roles, most: usize, in_progress: usize) -> Self {
        let in_progress = Arc::new(InProgress { bytes: AtomicUsize::new(0), most: in_progress });
        Self { roles, most, in_progress }
    }

    /// Begins with a call. `None` for one of which nobody knows what is secret.
    pub(crate) fn tap(&self, path: &str, head: &HeaderMap) -> Option<MessageTap> {
        let roles = self.roles.method(path).filter(|_| is_protobuf(head))?.clone();
        let mut secrets = Secrets::default();
        if let Some(token) = head.get(AUTHORIZATION) {
            secrets.add(token.as_bytes().rsplit(|byte| *byte == b' ').next().unwrap_or_default());
        }
        let (request, response) = (Side::new(self.most, Coding::of(head)), Side::new(self.most, None));
        let in_progress = self.in_progress.clone();
        let notes = Notes { roles, secrets, request, response, in_progress, charged: 0 };
        Some(MessageTap { notes: Arc::new(Mutex::new(notes)) })
    }
}

impl MessageTap {
    /// Takes a chunk of the request.
    pub(crate) fn sent(&self, chunk: &[u8]) {
        let mut notes = self.notes.lock();
        let Notes { roles, secrets, request, .. } = &mut *notes;
        request.push(chunk, &roles.request, &mut |role, value: &[u8]| edit(secrets, role, value));
        notes.charge();
    }

    /// Reads the coding of the response.
    pub(crate) fn answered(&self, head: &HeaderMap) {
        self.notes.lock().response.coding = Coding::of(head);
    }

    /// Takes a chunk of the response.
    pub(crate) fn received(&self, chunk: &[u8]) {
        let mut notes = self.notes.lock();
        let Notes { roles, secrets, response, .. } = &mut *notes;
        response.push(chunk, &roles.response, &mut |role, value: &[u8]| edit(secrets, role, value));
        notes.charge();
    }

    /// Ends with the call; `None` if there was no message.
    pub(crate) fn finish(&self) -> Option<Kept> {
        let mut notes = self.notes.lock();
        let Notes { roles, secrets, request, response, .. } = &mut *notes;
        let mut edit = |role, value: &[u8]| edit(secrets, role, value);
        let mut request = request.end(&roles.request, &mut edit);
        let mut response = response.end(&roles.response, &mut edit);
        // A secret may also stand where no descriptor tells of it, and before the field that does.
        for message in request.messages.iter_mut().chain(&mut response.messages) {
            secrets.blank(message);
        }
        let is_empty = request.is_empty() && response.is_empty();
        let kept = (!is_empty).then(|| Kept { roles: roles.clone(), request, response });
        notes.secrets = Secrets::default();
        notes.charge();
        kept
    }
}

impl Notes {
    /// Counts what is held, and gives it up if all calls hold too much.
    fn charge(&mut self) {
        let bytes = self.request.bytes() + self.response.bytes();
        if bytes == self.charged {
            return;
        }
        let others = self.in_progress.bytes.fetch_sub(self.charged, Relaxed) - self.charged;
        if others + bytes > self.in_progress.most {
            self.request.give_up();
            self.response.give_up();
            self.charged = 0;
        } else {
            self.charged = bytes;
            self.in_progress.bytes.fetch_add(bytes, Relaxed);
        }
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        self.in_progress.bytes.fetch_sub(self.charged, Relaxed);
    }
}

/// Passwords and tokens go, and a session becomes what the history calls it.
fn edit(secrets: &mut Secrets, role: Role, value: &[u8]) -> Edit {
    match role {
        Role::Session if value.is_empty() => Edit::Keep,
        Role::Session => {
            secrets.add(value);
            Edit::Replace(Bytes::from(abbreviated(fingerprint(value))))
        }
        Role::Secret => {
            secrets.add(value);
            Edit::Drop
        }
        Role::Query | Role::Engine | Role::Notice | Role::Statement | Role::User | Role::Elapsed => {
            Edit::Keep
        }
    }
}

impl Kept {
    /// The path of the method.
    pub(crate) fn path(&self) -> &str {
        &self.roles.path
    }

    /// The memory that it takes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.request.size() + self.response.size()
    }
}
