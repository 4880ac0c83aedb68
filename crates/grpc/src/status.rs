//! The status of a call, and its encoding as trailers.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use crate::header::{GRPC_MESSAGE, GRPC_STATUS};

/// The names of the gRPC status codes; the index is the code.
pub const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// All but printable ASCII without `%`: what gRPC has encoded in `grpc-message`.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Encodes the text of a status for `grpc-message`.
pub fn encode_message(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, ENCODED).into()
}

/// Decodes `grpc-message`. What is not encoded well stays as it is, and what is no text is replaced.
pub fn decode_message(message: &[u8]) -> Cow<'_, str> {
    percent_decode(message).decode_utf8_lossy()
}

/// The status codes that the proxy itself ends a call with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A message or header list is larger than the peer accepts.
    ResourceExhausted,
    /// The call violates the gRPC protocol.
    Internal,
    /// No endpoint can serve the call.
    Unavailable,
}

impl Failure {
    /// The code as a metadata value.
    pub fn code(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::ResourceExhausted => "8",
            Self::Internal => "13",
            Self::Unavailable => "14",
        })
    }

    /// The trailers for this status. Sends only the printable ASCII of the reason, with `%` percent-encoded.
    pub fn trailers(self, why: &str) -> HeaderMap {
        let mut trailers = HeaderMap::from_iter([(GRPC_STATUS, self.code())]);
        let message: String = why.replace('%', "%25").chars().filter(|c| matches!(c, ' '..='~')).collect();
        if let Ok(message) = HeaderValue::try_from(message) {
            trailers.insert(GRPC_MESSAGE, message);
        }
        trailers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_sent_in_printable_ascii() {
        let trailers = Failure::Unavailable.trailers("100 %\nof é");
        assert_eq!(
            (&trailers[GRPC_STATUS], &trailers[GRPC_MESSAGE]),
            (&"14".parse().unwrap(), &"100 %25of ".parse().unwrap())
        );
    }

    #[test]
    fn messages_are_encoded_as_grpc_has_it() {
        for (text, encoded) in [("", ""), ("100 % ~", "100 %25 ~"), ("é\n\x7f", "%C3%A9%0A%7F")] {
            assert_eq!(encode_message(text), encoded);
            assert_eq!(decode_message(encoded.as_bytes()), text);
        }
        assert_eq!(decode_message(b"%zz%4 %ff"), "%zz%4 \u{fffd}");
    }

    #[test]
    fn names_are_indexed_by_code() {
        for failure in [Failure::ResourceExhausted, Failure::Internal, Failure::Unavailable] {
            let number: usize = failure.code().to_str().unwrap().parse().unwrap();
            assert_eq!(CODES[number].replace('_', ""), format!("{failure:?}").to_uppercase());
        }
    }
}
