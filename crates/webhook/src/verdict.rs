//! The meaning of a receiver's status for an event.

use http::StatusCode;

/// The fate of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The receiver has it.
    Sent,
    /// It is tried again.
    Again,
    /// The receiver will not take it, however often it is tried.
    Refused,
    /// The receiver wants no more events.
    Gone,
}

impl Verdict {
    /// Standard Webhooks has every status but 2xx tried again, and 410 end the webhook. A status about the event itself
    /// stays what it is, and would only hold up the events behind it.
    pub(crate) fn of(status: StatusCode) -> Self {
        match status {
            status if status.is_success() => Self::Sent,
            StatusCode::GONE => Self::Gone,
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY => Self::Refused,
            _ => Self::Again,
        }
    }
}

/// A status, for people.
pub(crate) fn told(status: StatusCode) -> String {
    match status.is_redirection() {
        true => format!("it answers {status}, and redirects are not followed"),
        false => format!("it answers {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_a_verdict() {
        for (verdict, statuses) in [
            (Verdict::Sent, &[200, 201, 202, 204, 299][..]),
            (
                Verdict::Again,
                &[301, 302, 307, 308, 401, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 504, 599],
            ),
            (Verdict::Refused, &[400, 413, 415, 422]),
            (Verdict::Gone, &[410]),
        ] {
            for status in statuses {
                assert_eq!(Verdict::of(StatusCode::from_u16(*status).unwrap()), verdict, "{status}");
            }
        }
        assert_eq!(told(StatusCode::FOUND), "it answers 302 Found, and redirects are not followed");
    }
}
