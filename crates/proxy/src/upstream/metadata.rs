//! Checks a request's metadata before it is forwarded.

use http::{HeaderMap, HeaderName};

/// The overhead of a field in a header list (RFC 9113, 6.5.2).
const OVERHEAD: usize = 32;
/// The suffix of the names of binary metadata.
const BINARY: &[u8] = b"-bin";

/// Returns the size of the header list, in bytes.
///
/// # Errors
/// The name of binary metadata whose value is not base64. Some engines end the whole connection for that.
pub(super) fn check(headers: &HeaderMap) -> Result<usize, &HeaderName> {
    let mut size = 0;
    for (name, value) in headers {
        size += name.as_str().len() + value.len() + OVERHEAD;
        if name.as_str().as_bytes().ends_with(BINARY) && !is_binary(value.as_bytes()) {
            return Err(name);
        }
    }
    Ok(size)
}

/// Returns whether the value is a list of base64 texts, which may be empty.
fn is_binary(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').all(is_base64)
}

/// Returns whether the text is base64 in the standard alphabet, fully padded or not at all.
fn is_base64(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = &text[..text.len() - padding];
    let has_length = match padding {
        0 => digits.len() % 4 != 1,
        1 | 2 => text.len().is_multiple_of(4),
        _ => false,
    };
    has_length && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn checked(name: &'static str, value: &str) -> Result<usize, String> {
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("te"), HeaderValue::from_static("trailers")),
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()),
        ]);
        check(&headers).map_err(ToString::to_string)
    }

    #[test]
    fn binary_metadata_are_base64() {
        for value in ["", "AA", "AAE", "AAEC", "AA==", "AAE=", "AAH/+g==", "AQ,Ag,,Aw==", ",", "+/+/"] {
            assert!(checked("x-bin", value).is_ok(), "{value}");
        }
        let bad =
            ["%%%", "A", "AAAAA", "AA=", "AA===", "A===", "=", "AAE=AA", "AA,%", "AA, AA", "-_-_", "A=A="];
        for value in bad {
            assert_eq!(checked("x-bin", value), Err("x-bin".to_owned()), "{value}");
            assert!(checked("x-bind", value).is_ok() && checked("xbin", value).is_ok(), "{value}");
        }
    }

    #[test]
    fn a_header_list_is_measured_as_http2_does() {
        assert_eq!(checked("key", "value"), Ok("tetrailerskeyvalue".len() + 64));
    }
}
