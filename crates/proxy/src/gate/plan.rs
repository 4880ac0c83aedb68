//! Plans what the gate does to an engine's answer: from the answer's head, before anything is changed.

use bytes::Bytes;
use grpc::{
    Coding,
    header::{GRPC_STATUS, is_protobuf, is_success},
};
use http::{StatusCode, response::Parts};
use protocol::{CallKind, Method};
use switch::Notice;

use super::response_override::ResponseOverride;

/// The plan for an answer.
#[derive(Debug)]
pub(super) enum Plan {
    /// A 456 takes its place: a fault wants that.
    Reject,
    /// It is passed on.
    Pass {
        /// The notice in its head.
        notice: Option<PlannedNotice>,
        /// The handling of the body.
        rest: Rest,
    },
}

/// A notice in the head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlannedNotice {
    pub(super) notice: Notice,
    /// The switch wants it said, not only a fault.
    pub(super) is_due: bool,
    /// It is said twice.
    pub(super) is_doubled: bool,
}

/// The handling of the body of an answer.
#[derive(Debug)]
pub(super) enum Rest {
    /// Nothing: the head carries the status.
    End {
        /// It is OK.
        is_success: bool,
    },
    /// A body whose bytes pass as they are.
    Passing,
    /// A body whose first message is held until it is whole.
    Held(HeldMessage),
}

/// The fields to read from the first message of an answer, and the one to append.
#[derive(Debug)]
pub(super) struct HeldMessage {
    /// The field that names the query which the call began.
    pub(super) query_id: Option<u32>,
    /// The field that names the session which the login opened.
    pub(super) session: Option<u32>,
    /// The field to append, encoded.
    pub(super) notice: Option<Bytes>,
    /// How the message is compressed, if it is.
    pub(super) coding: Option<Coding>,
}

/// The facts that a plan depends on, beside the answer's head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    /// The method that is answered.
    pub(super) method: &'a Method,
    /// The notice that is due as the head passes.
    pub(super) due: Option<Notice>,
    /// The order of a fault.
    pub(super) response_override: Option<ResponseOverride>,
    /// No body follows the head.
    pub(super) is_trailers_only: bool,
    /// The observer needs the session that a login opens.
    pub(super) reads_session: bool,
}

impl Plan {
    /// The plan for an answer with this head.
    pub(super) fn new(head: &Parts, circumstances: Circumstances<'_>) -> Self {
        let Circumstances { method, due, response_override, is_trailers_only, reads_session } = circumstances;
        if response_override == Some(ResponseOverride::Mismatch) {
            return Self::Reject;
        }
        let is_success = is_success(&head.headers);
        let notice = match response_override {
            Some(ResponseOverride::Notice(strategy)) => Some(Notice { strategy, announcement: 0 }),
            _ => due,
        };
        // A refusal tells nothing: clients do not read its metadata.
        let notice = notice.filter(|_| is_success || !is_trailers_only).map(|notice| PlannedNotice {
            notice,
            is_due: due == Some(notice),
            is_doubled: response_override == Some(ResponseOverride::DuplicateNotice),
        });
        if is_trailers_only {
            return Self::Pass { notice, rest: Rest::End { is_success } };
        }
        // An engine that tells the outcome before a message is out of order: its client is to see that.
        let is_message = head.status == StatusCode::OK
            && is_protobuf(&head.headers)
            && !head.headers.contains_key(GRPC_STATUS);
        let query_id = method.query_id.filter(|_| is_message && method.kind == CallKind::Begin);
        let session = method.session.filter(|_| is_message && reads_session);
        let field = notice.filter(|_| is_message).and_then(|notice| notice.field(method));
        let rest = if query_id.is_none() && session.is_none() && field.is_none() {
            Rest::Passing
        } else {
            Rest::Held(HeldMessage { query_id, session, notice: field, coding: Coding::of(&head.headers) })
        };
        Self::Pass { notice, rest }
    }
}

impl PlannedNotice {
    /// Its field in the message, if messages of this method have one.
    fn field(self, method: &Method) -> Option<Bytes> {
        let field = method.notice(self.notice.strategy)?;
        Some(if self.is_doubled { [field.as_ref(), field.as_ref()].concat().into() } else { field.clone() })
    }
}
