//! The metadata that the gate reads and writes.

use http::{HeaderMap, HeaderName, HeaderValue, header::GetAll};
use protocol::{Strategy, metadata};
use switch::Header;

/// Request: the strategy that the client wants.
pub(crate) const STRATEGY: HeaderName = HeaderName::from_static(metadata::STRATEGY);
/// Response: the strategy that the switch is headed for.
pub(crate) const NEW_STRATEGY: HeaderName = HeaderName::from_static(metadata::NEW_STRATEGY);
/// Rejection: the strategy to retry with.
pub(crate) const EXPECTED_STRATEGY: HeaderName = HeaderName::from_static(metadata::EXPECTED_STRATEGY);
/// Rejection: the strategy that the request named.
pub(crate) const RECEIVED_STRATEGY: HeaderName = HeaderName::from_static(metadata::RECEIVED_STRATEGY);
/// The most bytes of a request's header value that a rejection repeats.
const RECEIVED_LEN: usize = 64;

/// Reads the `strategy` header: the first of several values, or of a comma-separated list.
pub(super) fn strategy(headers: &HeaderMap) -> Header {
    match first(&headers.get_all(STRATEGY)) {
        None | Some(b"") => Header::Absent,
        Some(value) => std::str::from_utf8(value)
            .ok()
            .and_then(|value| value.parse::<Strategy>().ok())
            .map_or(Header::Unknown, Header::Names),
    }
}

/// The value of the `strategy` header for a rejection: at most 64 printable ASCII characters.
pub(super) fn received(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = first(&headers.get_all(STRATEGY))?;
    let printable = value.iter().copied().filter(|byte| matches!(byte, b' '..=b'~'));
    let told: Vec<u8> = printable.take(RECEIVED_LEN).collect();
    HeaderValue::from_bytes(told.trim_ascii()).ok().filter(|told| !told.is_empty())
}

fn first<'a>(values: &GetAll<'a, HeaderValue>) -> Option<&'a [u8]> {
    let value = values.iter().next()?.as_bytes();
    value.split(|byte| *byte == b',').next().map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_22_the_first_value_counts() {
        for (values, expected) in [
            (vec![], Header::Absent),
            (vec![""], Header::Absent),
            (vec![" , green"], Header::Absent),
            (vec!["blue"], Header::Names(Strategy::Blue)),
            (vec!["GREEN"], Header::Names(Strategy::Green)),
            (vec![" green\t"], Header::Names(Strategy::Green)),
            (vec!["blue", "green"], Header::Names(Strategy::Blue)),
            (vec!["green , blue"], Header::Names(Strategy::Green)),
            (vec!["purple"], Header::Unknown),
            (vec!["blue green"], Header::Unknown),
            (vec!["bl\u{fc}"], Header::Unknown),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(STRATEGY, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            assert_eq!(strategy(&headers), expected, "{values:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(STRATEGY, HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        assert_eq!(strategy(&headers), Header::Unknown);
    }

    #[test]
    fn what_is_told_back_is_short_and_printable() {
        let mut headers = HeaderMap::new();
        headers.insert(STRATEGY, HeaderValue::from_bytes(b"p\xc3\xbcrple").unwrap());
        assert_eq!(received(&headers).unwrap(), "prple");
        headers.insert(STRATEGY, HeaderValue::from_str(&"x".repeat(8000)).unwrap());
        assert_eq!(received(&headers).unwrap(), &"x".repeat(64));
    }
}
