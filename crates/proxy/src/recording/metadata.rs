//! Metadata as it is recorded: without what gRPC and HTTP/2 add, and without secrets.

use std::{borrow::Cow, cell::Cell, time::Duration};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use binlog::Metadata;
use grpc::decode_message;
use http::{HeaderMap, HeaderValue};

/// Senders pad base64, or do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

thread_local! {
    static SCRATCH: Cell<Metadata> = const { Cell::new(Metadata::new()) };
}

/// Larger scratch memory is not used again.
const KEPT: usize = 16 << 10;

/// Headers or trailers, read in one pass.
#[derive(Debug)]
pub(super) struct Read<'a> {
    /// Names and values, in order, as they are recorded.
    pub(super) metadata: &'a Metadata,
    pub(super) content_type: Option<&'a HeaderValue>,
    pub(super) authorization: Option<&'a HeaderValue>,
    pub(super) encoding: Option<&'a HeaderValue>,
    timeout: Option<&'a HeaderValue>,
    status: Option<&'a HeaderValue>,
    message: Option<&'a HeaderValue>,
    details: Option<&'a HeaderValue>,
}

/// How a call ended, in its trailers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status<'a> {
    pub(super) code: u32,
    pub(super) message: Cow<'a, str>,
    pub(super) details: Cow<'a, [u8]>,
}

/// Reads headers or trailers.
pub(super) fn read<T>(headers: &HeaderMap, then: impl FnOnce(&Read<'_>) -> T) -> T {
    let mut metadata = SCRATCH.take();
    metadata.clear();
    let result = then(&Read::new(headers, &mut metadata));
    if metadata.len() <= KEPT {
        SCRATCH.set(metadata);
    }
    result
}

impl<'a> Read<'a> {
    fn new(headers: &'a HeaderMap, metadata: &'a mut Metadata) -> Self {
        let [mut content_type, mut authorization, mut encoding, mut timeout] = [None; 4];
        let [mut status, mut message, mut details] = [None; 3];
        for (name, value) in headers {
            let name = name.as_str();
            // Of several values the first one counts.
            let slot = match name {
                "content-type" => &mut content_type,
                "authorization" => &mut authorization,
                "grpc-encoding" => &mut encoding,
                "grpc-timeout" => &mut timeout,
                "grpc-status" => &mut status,
                "grpc-message" => &mut message,
                "grpc-status-details-bin" => &mut details,
                _ if is_omitted(name) || is_secret(name) => continue,
                _ if name.ends_with("-bin") => {
                    metadata.push(name, &decoded(value));
                    continue;
                }
                _ => {
                    metadata.push(name, value.as_bytes());
                    continue;
                }
            };
            slot.get_or_insert(value);
        }
        Self { metadata, content_type, authorization, encoding, timeout, status, message, details }
    }

    /// Whether a call ends with these.
    pub(super) fn has_status(&self) -> bool {
        self.status.is_some()
    }

    /// Reads the status; `None` if there is none.
    pub(super) fn status(&self) -> Option<Status<'a>> {
        // As gRPC's libraries do: 2 is UNKNOWN.
        let code = self.status?.to_str().ok().and_then(|code| code.parse().ok()).unwrap_or(2);
        let message = self.message.map(|message| decode_message(message.as_bytes())).unwrap_or_default();
        let details = self.details.map(decoded).unwrap_or_default();
        Some(Status { code, message, details })
    }

    /// Reads `grpc-timeout`.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let text = self.timeout?.to_str().ok()?;
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
}

/// Whether it belongs to gRPC or to HTTP/2, and not to the application: no implementation of binary logging records it.
fn is_omitted(name: &str) -> bool {
    match name {
        "lb-token" | "content-encoding" | "content-length" | "user-agent" | "te" | "host" | "connection" => {
            true
        }
        _ => name.starts_with("grpc-") && name != "grpc-trace-bin",
    }
}

/// Whether a part of the name is that of a header that holds a secret. In one pass: a search for each of them takes longer than the rest of the
/// record of a call.
fn is_secret(name: &str) -> bool {
    let name = name.as_bytes();
    (0..name.len()).any(|at| match name[at] {
        b'a' => begins(&name[at..], &["auth", "api-key", "apikey"]),
        b'c' => begins(&name[at..], &["cookie", "credential"]),
        b'j' => begins(&name[at..], &["jwt"]),
        b'p' => begins(&name[at..], &["passw"]),
        b's' => begins(&name[at..], &["secret", "session", "signature"]),
        b't' => begins(&name[at..], &["token"]),
        _ => false,
    })
}

fn begins(rest: &[u8], secrets: &[&str]) -> bool {
    secrets.iter().any(|secret| rest.starts_with(secret.as_bytes()))
}

fn decoded(value: &HeaderValue) -> Cow<'_, [u8]> {
    BASE64.decode(value.as_bytes()).map_or_else(|_| value.as_bytes().into(), Cow::Owned)
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
        let expected: Metadata =
            [("strategy", &b"blue"[..]), ("grpc-trace-bin", b"\0\x01"), ("a-bin", b"\0\x01")]
                .into_iter()
                .collect();
        read(&headers, |read| assert_eq!(*read.metadata, expected));
    }

    #[test]
    fn a_status_is_decoded() {
        let trailers = headers(&[
            ("grpc-status", "5"),
            ("grpc-message", "100%25 caf%C3%A9 %zz%"),
            ("grpc-status-details-bin", "AAE"),
        ]);
        read(&trailers, |read| {
            let status = read.status().unwrap();
            assert_eq!(
                (status.code, &*status.message, &*status.details),
                (5, "100% café %zz%", &b"\0\x01"[..])
            );
        });
        let many = headers(&[("grpc-status", "many"), ("grpc-status", "0")]);
        assert_eq!(read(&many, |read| read.status().unwrap().code), 2);
        assert!(read(&headers(&[]), |read| read.status().is_none()));
    }

    #[test]
    fn timeouts_have_units() {
        let timeout = |text| read(&headers(&[("grpc-timeout", text)]), |headers| headers.timeout());
        assert_eq!(timeout("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!([timeout(""), timeout("S"), timeout("1x"), timeout("123456789S")], [None; 4]);
    }
}
