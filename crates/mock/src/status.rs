//! The errors of the engine, by origin, and their single conversion into a gRPC status.

use std::time::Duration;

use tonic::{Code, Status};

/// The most bytes in a message; longer ones are cut. It is sent percent-encoded in a header, and clients refuse
/// headers over 8 KiB.
const LONGEST_MESSAGE: usize = 2000;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The SQL engine refused the query or failed in it.
    #[error(transparent)]
    Engine(#[from] sql::Error),
    /// The request cannot be fulfilled.
    #[error(transparent)]
    Client(#[from] Refusal),
    /// A bug in this program.
    #[error("internal error: {0}")]
    Bug(&'static str),
}

/// A client's mistake, or a request that came too early or too late.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Login without user or password.
    #[error("Invalid credentials")]
    InvalidCredentials,
    /// Neither a known session nor a bearer token. Uses the real engine's words, at which clients log in again.
    #[error("Access denied")]
    AccessDenied,
    /// An expired, revoked or unknown bearer token. Clients then fetch another.
    #[error("the token {0}")]
    Token(&'static str),
    /// The cluster is suspended. Uses the words at which clients resume it.
    #[error("status: 503, cluster is suspended")]
    Suspended,
    /// No such query.
    #[error("query '{0}' not found")]
    UnknownQuery(String),
    /// A fetch before the query was executed.
    #[error("query '{0}' is not executing: call executeStatement first")]
    NotExecuted(String),
    /// The query was cleared or executed again during the call.
    #[error("query '{0}' was cleared or started again")]
    Cleared(String),
    /// An invalid request.
    #[error("{0}")]
    Invalid(String),
    /// A value that the result format cannot encode.
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
    /// Creates [`Refusal::Invalid`].
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
            // The message may contain SQL and data, so only the client gets it.
            EngineError::Engine(sql::Error::Internal(_)) => tracing::error!("the SQL engine failed"),
            _ => {}
        }
        let mut message = fault.to_string();
        cut(&mut message, LONGEST_MESSAGE);
        Status::new(code, message)
    }
}

/// Shortens a text to at most `longest` bytes, at a character boundary, and marks the cut.
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

/// Whole milliseconds, rounded up, so that no work takes zero.
pub(crate) fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_code() {
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
