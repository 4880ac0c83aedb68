//! The errors of the client. Each message names the member, what was expected and what was found.

use std::time::Duration;

/// Why a request failed. `member` is the URL of the member that was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection to that address. Nothing was sent.
    #[error("{member}: expected etcd there, but cannot connect: {why}")]
    Unreachable {
        /// The member.
        member: String,
        /// The error of the system.
        why: String,
    },
    /// TLS failed: the certificate of one side is not accepted by the other.
    #[error("{member}: expected a TLS connection that both sides accept: {why}")]
    Untrusted {
        /// The member.
        member: String,
        /// The error of rustls.
        why: String,
    },
    /// Something else answers there.
    #[error("{member}: expected the client port of an etcd of version 3, found {found}")]
    NotEtcd {
        /// The member.
        member: String,
        /// The answer that was not etcd's.
        found: String,
    },
    /// No answer came in time. The request may have been applied.
    #[error("{member}: expected an answer within {within:?}; the request may have been applied")]
    Unanswered {
        /// The member.
        member: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// The connection broke before the answer was there. The request may have been applied.
    #[error("{member}: the connection broke before the answer ({why}); the request may have been applied")]
    Broken {
        /// The member.
        member: String,
        /// The failure of the connection.
        why: String,
    },
    /// That member knows no leader. Nothing was applied.
    #[error("{member}: expected an etcd with a leader; it has none at present")]
    NoLeader {
        /// The member.
        member: String,
    },
    /// The member could not finish the request. It may have been applied.
    #[error("{member}: etcd could not finish the request, which may have been applied: {said}")]
    Unfinished {
        /// The member.
        member: String,
        /// The message of etcd.
        said: String,
    },
    /// The member takes no more requests at present. Nothing was applied.
    #[error("{member}: etcd has too many requests at present")]
    Overloaded {
        /// The member.
        member: String,
    },
    /// All that were tried within the deadline failed; each with its last failure.
    #[error("no member of etcd answers: {}", joined(.0))]
    NoMember(Vec<Error>),
    /// As `then` says; but an earlier attempt of the same request was not answered, and may have been applied.
    #[error("{then}; an earlier attempt was not answered and may have been applied")]
    AfterUnanswered {
        /// How the last attempt failed.
        then: Box<Error>,
    },
    /// etcd wants to know who asks, and the settings name no user.
    #[error("{member}: etcd asks for a user and a password, and none is set")]
    NeedsUser {
        /// The member.
        member: String,
    },
    /// etcd does not know the user, or by another password.
    #[error("{member}: etcd does not accept user {user:?} with this password")]
    WrongPassword {
        /// The member.
        member: String,
        /// Of the settings.
        user: String,
    },
    /// etcd does not accept a token that it has just issued.
    #[error("{member}: etcd does not accept the token that it issued to user {user:?}: {said}")]
    BadToken {
        /// The member.
        member: String,
        /// Of the settings.
        user: String,
        /// The message of etcd.
        said: String,
    },
    /// The user lacks a permission.
    #[error("{member}: expected the right to {op} these keys for {}", who(.user))]
    NoRights {
        /// The member.
        member: String,
        /// The user of the settings, if any.
        user: Option<String>,
        /// The operation that was tried.
        op: &'static str,
    },
    /// etcd has reached its quota: it takes no put and no lease until somebody frees space.
    #[error("{member}: etcd is out of space: compact and defragment it, then disarm its alarm")]
    NoSpace {
        /// The member.
        member: String,
    },
    /// The lease has expired or was revoked.
    #[error("{member}: expected lease {lease:x}, which has expired or was revoked")]
    LeaseNotFound {
        /// The member.
        member: String,
        /// Its id; 0 where the request named several.
        lease: i64,
    },
    /// The revision that was asked for is compacted away.
    #[error("expected revision {asked}, which etcd has compacted away")]
    Compacted {
        /// The revision that was asked for: of a range, or the next one of a watch; 0 of a transaction.
        asked: i64,
        /// The oldest one that is left, where etcd says so: at the end of a watch.
        revision: Option<i64>,
    },
    /// etcd has not come to the revision that was asked for: it may have lost data.
    #[error("{member}: expected revision {asked}, to which etcd has not come: it may have lost data")]
    FutureRevision {
        /// The member.
        member: String,
        /// The revision that was asked for.
        asked: i64,
    },
    /// The transaction has more operations or comparisons than etcd takes. Nothing was sent.
    #[error(
        "expected at most {} operations or comparisons in a transaction, found {found}",
        crate::MAX_OPERATIONS
    )]
    TooManyOperations {
        /// How many it has.
        found: usize,
    },
    /// A branch of the transaction changes a key twice, which etcd refuses. Nothing was sent.
    #[error("expected each key once in a transaction, found {key:?} twice")]
    DuplicateKey {
        /// The key, readable.
        key: String,
    },
    /// The request is larger than etcd takes. Nothing was sent.
    #[error("expected a request of at most {} bytes, found {found}", crate::MAX_REQUEST)]
    RequestTooLarge {
        /// Its size, in bytes.
        found: usize,
    },
    /// The answer is larger than this client takes.
    #[error("{member}: expected a smaller answer: {said}")]
    AnswerTooLarge {
        /// The member.
        member: String,
        /// The part that is too large.
        said: String,
    },
    /// Too many requests of this client wait, or this one waited until its deadline. Nothing was sent.
    #[error(
        "too many requests wait for etcd: {} are in flight, and {} may wait",
        crate::MAX_IN_FLIGHT,
        crate::MAX_WAITING
    )]
    Busy,
    /// etcd refuses the request for another reason.
    #[error("{member}: etcd refuses the request: {said}")]
    Refused {
        /// The member.
        member: String,
        /// The message of etcd.
        said: String,
    },
}

impl Error {
    /// Whether the request may have been applied all the same.
    pub fn may_have_applied(&self) -> bool {
        match self {
            Self::Unanswered { .. }
            | Self::Broken { .. }
            | Self::Unfinished { .. }
            | Self::AnswerTooLarge { .. }
            | Self::AfterUnanswered { .. } => true,
            Self::NoMember(failures) => failures.iter().any(Self::may_have_applied),
            _ => false,
        }
    }

    /// Whether it passes when a member, the leader or the network comes back: worth another try.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Unanswered { .. }
            | Self::Broken { .. }
            | Self::NoLeader { .. }
            | Self::Unfinished { .. }
            | Self::Overloaded { .. }
            | Self::Busy => true,
            Self::NoMember(failures) => failures.iter().any(Self::is_outage),
            Self::AfterUnanswered { then } => then.is_outage(),
            _ => false,
        }
    }

    /// The same, after attempts of which one may have been applied.
    pub(crate) fn after(self, may_have_applied: bool) -> Self {
        match may_have_applied && !self.may_have_applied() {
            true => Self::AfterUnanswered { then: Box::new(self) },
            false => self,
        }
    }

    /// How the last attempt failed, whatever came of earlier ones.
    pub fn last(&self) -> &Self {
        match self {
            Self::AfterUnanswered { then } => then,
            other => other,
        }
    }
}

fn joined(failures: &[Error]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn who(user: &Option<String>) -> String {
    user.as_ref().map_or_else(|| "a client without a user".to_owned(), |user| format!("user {user:?}"))
}
