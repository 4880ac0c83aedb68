//! What can go wrong, by whose fault it is, and the one place where that becomes a gRPC status.

use std::time::Duration;

use tonic::{Code, Status};

/// A message longer than this is cut: it travels in a header, percent-encoded, and clients refuse headers over 8 KiB.
const LONGEST_MESSAGE: usize = 2000;

/// What ended a call without an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The SQL engine refused the query or failed in it.
    #[error(transparent)]
    Engine(#[from] sql::Error),
    /// The client asked for what cannot be had.
    #[error(transparent)]
    Client(#[from] Refusal),
    /// A fault of this program.
    #[error("internal error: {0}")]
    Bug(&'static str),
}

/// What a client did wrong, or came too late or too early for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Login without user or password.
    #[error("Invalid credentials")]
    InvalidCredentials,
    /// Neither a known session nor a bearer token. The real engine's words: clients log in again.
    #[error("Access denied")]
    AccessDenied,
    /// A bearer token that is good no longer, or never was: clients fetch another.
    #[error("the token {0}")]
    Token(&'static str),
    /// The words that make clients wake the cluster.
    #[error("status: 503, cluster is suspended")]
    Suspended,
    /// No such query.
    #[error("query '{0}' not found")]
    UnknownQuery(String),
    /// Results were asked for before there were any.
    #[error("query '{0}' is not executing: call executeStatement first")]
    NotExecuted(String),
    /// The query was cleared, or started again, while a call about it was in progress.
    #[error("query '{0}' was cleared or started again")]
    Cleared(String),
    /// A request that says something impossible.
    #[error("{0}")]
    Invalid(String),
    /// A value that the result format has no encoding for.
    #[error("{0}")]
    Unrepresentable(String),
}

impl Refusal {
    fn code(&self) -> Code {
        match self {
            Self::InvalidCredentials | Self::Token(_) => Code::Unauthenticated,
            Self::AccessDenied => Code::Internal,
            Self::Suspended => Code::Unavailable,
            Self::UnknownQuery(_) => Code::NotFound,
            Self::NotExecuted(_) => Code::FailedPrecondition,
            Self::Cleared(_) => Code::Cancelled,
            Self::Invalid(_) => Code::InvalidArgument,
            Self::Unrepresentable(_) => Code::OutOfRange,
        }
    }
}

impl EngineError {
    /// A request that says something impossible.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Client(Refusal::Invalid(message.into()))
    }

    fn code(&self) -> Code {
        use sql::Error;
        match self {
            Self::Engine(Error::Invalid(_)) => Code::InvalidArgument,
            Self::Engine(Error::Forbidden(_)) => Code::PermissionDenied,
            Self::Engine(Error::Exhausted(_)) => Code::ResourceExhausted,
            Self::Engine(Error::Internal(_)) | Self::Bug(_) => Code::Internal,
            Self::Client(refusal) => refusal.code(),
        }
    }
}

impl From<EngineError> for Status {
    fn from(fault: EngineError) -> Self {
        let code = fault.code();
        match &fault {
            EngineError::Bug(what) => tracing::error!("internal error: {what}"),
            // Its words may hold SQL and data: they are for the client alone.
            EngineError::Engine(sql::Error::Internal(_)) => tracing::error!("the SQL engine failed"),
            _ => {}
        }
        let mut message = fault.to_string();
        cut(&mut message, LONGEST_MESSAGE);
        Status::new(code, message)
    }
}

/// Shortens a text to at most `longest` bytes, between two characters, and marks the cut.
pub(crate) fn cut(text: &mut String, longest: usize) {
    if text.len() > longest {
        let mut end = longest.saturating_sub(3);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
    }
}

/// Whole milliseconds, rounded up: what took time is never zero.
pub(crate) fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_code() {
        use sql::Error;
        let cases: [(EngineError, Code, &str); 9] = [
            (Refusal::InvalidCredentials.into(), Code::Unauthenticated, "Invalid credentials"),
            (Refusal::AccessDenied.into(), Code::Internal, "Access denied"),
            (Refusal::Suspended.into(), Code::Unavailable, "status: 503, cluster is suspended"),
            (Refusal::UnknownQuery("q".into()).into(), Code::NotFound, "query 'q' not found"),
            (EngineError::invalid("no"), Code::InvalidArgument, "no"),
            (Error::Invalid("syntax".into()).into(), Code::InvalidArgument, "syntax"),
            (Error::Forbidden("insert".into()).into(), Code::PermissionDenied, "insert"),
            (Error::Exhausted("memory".into()).into(), Code::ResourceExhausted, "memory"),
            (EngineError::Bug("oops"), Code::Internal, "internal error: oops"),
        ];
        for (fault, code, message) in cases {
            let status = Status::from(fault);
            assert_eq!((status.code(), status.message()), (code, message));
        }
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let status = Status::from(EngineError::invalid("é".repeat(3000)));
        assert!(status.message().len() <= LONGEST_MESSAGE);
        assert!(status.message().ends_with("é..."));
    }
}
