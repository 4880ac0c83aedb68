//! Metadata as it is recorded: without what gRPC and HTTP/2 add, and without secrets.

use std::{borrow::Cow, time::Duration};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use grpc::{
    decode_message,
    header::{GRPC_MESSAGE, GRPC_STATUS},
};
use http::{HeaderMap, HeaderValue};

/// Headers that no implementation of binary logging records.
const OMITTED: [&str; 8] = [
    "lb-token",
    "content-type",
    "content-encoding",
    "content-length",
    "user-agent",
    "te",
    "host",
    "connection",
];
/// Of those that begin with `grpc-`, this one belongs to the application.
const TRACE: &str = "grpc-trace-bin";

/// Parts of the names of headers that hold secrets.
const SECRETS: [&str; 11] = [
    "auth",
    "cookie",
    "token",
    "secret",
    "passw",
    "api-key",
    "apikey",
    "credential",
    "session",
    "signature",
    "jwt",
];

/// `grpc-status-details-bin`
const DETAILS: &str = "grpc-status-details-bin";

/// Senders pad base64, or do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Headers and their values, in order.
pub(super) fn pairs(headers: &HeaderMap) -> Vec<(&str, Cow<'_, [u8]>)> {
    let mut pairs = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let name = name.as_str();
        let is_of_grpc = name.starts_with("grpc-") && name != TRACE;
        if is_of_grpc || OMITTED.contains(&name) || is_secret(name) {
            continue;
        }
        pairs.push((name, if name.ends_with("-bin") { decoded(value) } else { value.as_bytes().into() }));
    }
    pairs
}

/// Whether a part of the name is that of a secret. In one pass: a search for each of them takes longer than the rest of the
/// record of a call.
fn is_secret(name: &str) -> bool {
    let name = name.as_bytes();
    (0..name.len()).any(|at| {
        let rest = &name[at..];
        SECRETS.iter().any(|secret| secret.as_bytes()[0] == rest[0] && rest.starts_with(secret.as_bytes()))
    })
}

/// The number of bytes that these take in an entry, at most.
pub(super) fn size(pairs: &[(&str, Cow<'_, [u8]>)]) -> usize {
    pairs.iter().map(|(name, value)| name.len() + value.len() + 16).sum()
}

fn decoded(value: &HeaderValue) -> Cow<'_, [u8]> {
    BASE64.decode(value.as_bytes()).map_or_else(|_| value.as_bytes().into(), Cow::Owned)
}

/// How a call ended, in its trailers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status<'a> {
    pub(super) code: u32,
    pub(super) message: Cow<'a, str>,
    pub(super) details: Cow<'a, [u8]>,
}

/// Reads the status; `None` if there is none.
pub(super) fn status(trailers: &HeaderMap) -> Option<Status<'_>> {
    let code = trailers.get(GRPC_STATUS)?;
    // As gRPC's libraries do: 2 is UNKNOWN.
    let code = code.to_str().ok().and_then(|code| code.parse().ok()).unwrap_or(2);
    let message = trailers.get(GRPC_MESSAGE).map(|message| decode_message(message.as_bytes()));
    let details = trailers.get(DETAILS).map(decoded).unwrap_or_default();
    Some(Status { code, message: message.unwrap_or_default(), details })
}

/// Reads `grpc-timeout`.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok().filter(|_| number.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn secrets_and_transport_are_left_out() {
        let headers = headers(&[
            ("strategy", "blue"),
            ("authorization", "Bearer x"),
            ("x-auth-token", "x"),
            ("cookie", "x"),
            ("sessionid", "x"),
            ("x-api-key", "x"),
            ("x-jwt", "x"),
            ("my-passwd-2", "x"),
            ("grpc-timeout", "1S"),
            ("user-agent", "grpc-go"),
            ("grpc-trace-bin", "AAE"),
            ("a-bin", "AAE="),
        ]);
        let pairs = pairs(&headers);
        let expected: [(&str, &[u8]); 3] =
            [("strategy", b"blue"), ("grpc-trace-bin", b"\0\x01"), ("a-bin", b"\0\x01")];
        assert_eq!(pairs.iter().map(|(name, value)| (*name, &value[..])).collect::<Vec<_>>(), expected);
        assert!(size(&pairs) > 40);
    }

    #[test]
    fn a_status_is_decoded() {
        let trailers =
            headers(&[("grpc-status", "5"), ("grpc-message", "100%25 caf%C3%A9 %zz%"), (DETAILS, "AAE")]);
        let status = status(&trailers).unwrap();
        assert_eq!((status.code, &*status.message, &*status.details), (5, "100% café %zz%", &b"\0\x01"[..]));
        assert_eq!(super::status(&headers(&[("grpc-status", "many")])).unwrap().code, 2);
        assert_eq!(super::status(&headers(&[])), None);
    }

    #[test]
    fn timeouts_have_units() {
        let read = |text| timeout(&headers(&[("grpc-timeout", text)]));
        assert_eq!(read("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!([read(""), read("S"), read("1x"), read("123456789S")], [None; 4]);
    }
}
