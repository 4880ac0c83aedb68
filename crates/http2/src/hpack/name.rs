//! Field names, and the combination of a name and a value into a field.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::Field;

/// A parsed field name, before its value is known.
#[derive(Clone, Debug)]
pub(super) enum Name {
    Authority,
    Method,
    Scheme,
    Path,
    Status,
    Header(HeaderName),
    /// A name that HTTP/2 forbids or does not know.
    Malformed,
}

/// Common names that are not standard in `http`. A clone of one of these does not allocate.
static COMMON: [HeaderName; 8] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

impl Name {
    /// Parses a literal name.
    pub(super) fn parse(name: &[u8]) -> Self {
        match name {
            b":authority" => return Self::Authority,
            b":method" => return Self::Method,
            b":scheme" => return Self::Scheme,
            b":path" => return Self::Path,
            b":status" => return Self::Status,
            _ => {}
        }
        if let Some(name) = COMMON.iter().find(|common| common.as_str().as_bytes() == name) {
            return Self::Header(name.clone());
        }
        // `HeaderName` would accept and lower-case them.
        if name.iter().any(u8::is_ascii_uppercase) {
            return Self::Malformed;
        }
        HeaderName::from_bytes(name).map_or(Self::Malformed, Self::Header)
    }

    /// Combines the name with `value`, which `keep` copies if needed. Fails with the name if the value is invalid.
    pub(super) fn field(self, value: &[u8], keep: impl FnOnce(&[u8]) -> Bytes) -> Result<Field, Self> {
        match self {
            Self::Header(name) => match HeaderValue::from_maybe_shared(keep(value)) {
                Ok(value) => Ok(Field::Header(name, value)),
                Err(_) => Err(Self::Header(name)),
            },
            Self::Method => Method::from_bytes(value).map(Field::Method).map_err(|_| self),
            Self::Status => StatusCode::from_bytes(value).map(Field::Status).map_err(|_| self),
            Self::Authority if is_text(value) => Ok(Field::Authority(keep(value))),
            Self::Scheme if is_text(value) => Ok(Field::Scheme(keep(value))),
            Self::Path if is_text(value) => Ok(Field::Path(keep(value))),
            _ => Err(self),
        }
    }

    /// The name of a field.
    pub(super) fn of(field: &Field) -> Self {
        match field {
            Field::Authority(_) => Self::Authority,
            Field::Method(_) => Self::Method,
            Field::Scheme(_) => Self::Scheme,
            Field::Path(_) => Self::Path,
            Field::Status(_) => Self::Status,
            Field::Header(name, _) => Self::Header(name.clone()),
            Field::Malformed => Self::Malformed,
        }
    }
}

fn is_text(value: &[u8]) -> bool {
    // No early return, so that the loop is vectorized.
    !value.iter().fold(false, |bad, byte| bad | byte.is_ascii_control())
}
