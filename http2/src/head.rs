//! Heads of messages and trailers: from their fields, judged by what HTTP/2 forbids (RFC 9113, 8), and into
//! fields.

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{
    error::Error,
    hpack::{Encoder, Field},
};

/// Fields that most of them have: with room for those the map isn't moved.
const REQUEST: usize = 12;
const RESPONSE: usize = 6;
const TRAILERS: usize = 3;

/// Fields of one block at most: short ones cost more memory than they count.
const MOST_FIELDS: usize = 1000;

/// The `:authority` of a request whose URI cannot hold it, among the request's extensions: percent-encoded
/// names are no authority to the `http` crate. Such a URI has neither scheme nor authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAuthority(pub Bytes);

/// What is wrong with a message.
pub(crate) struct Malformed;

/// The fields of one block.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    method: Option<Method>,
    scheme: Option<Bytes>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
    status: Option<StatusCode>,
    map: HeaderMap,
    /// `content-length`, in bytes.
    pub(crate) length: Option<u64>,
    /// Bytes by the measure of SETTINGS_MAX_HEADER_LIST_SIZE, and how many fields that is.
    size: usize,
    count: usize,
    /// Whether they are more than this side takes.
    pub(crate) is_too_long: bool,
    is_malformed: bool,
}

impl Fields {
    /// Takes the next field, unless they have become more than `most` bytes.
    pub(crate) fn take(&mut self, field: &Field, size: usize, most: usize) {
        self.size = self.size.saturating_add(size);
        self.count += 1;
        self.is_too_long = self.size > most || self.count > MOST_FIELDS;
        if self.is_too_long || self.is_malformed {
            return;
        }
        if let Field::Header(name, value) = field {
            self.header(name, value);
            return;
        }
        // Pseudo-header fields come first, and once.
        let is_first = self.map.is_empty()
            && match field {
                Field::Method(method) => self.method.replace(method.clone()).is_none(),
                Field::Scheme(scheme) => self.scheme.replace(scheme.clone()).is_none(),
                Field::Authority(authority) => self.authority.replace(authority.clone()).is_none(),
                Field::Path(path) => self.path.replace(path.clone()).is_none(),
                Field::Status(status) => self.status.replace(*status).is_none(),
                Field::Header(..) | Field::Malformed => false,
            };
        self.is_malformed |= !is_first;
    }

    fn header(&mut self, name: &HeaderName, value: &HeaderValue) {
        if is_forbidden(name, value) {
            self.is_malformed = true;
            return;
        }
        if self.map.is_empty() {
            self.map.reserve(match (&self.method, self.status) {
                (Some(_), _) => REQUEST,
                (None, Some(_)) => RESPONSE,
                (None, None) => TRAILERS,
            });
        }
        if *name == header::CONTENT_LENGTH {
            let length = value.to_str().ok().filter(|text| text.bytes().all(|c| c.is_ascii_digit()));
            let length = length.and_then(|text| text.parse().ok());
            self.is_malformed |= length.is_none() || self.length.is_some_and(|other| length != Some(other));
            self.length = length;
        }
        self.is_malformed |= self.map.try_append(name.clone(), value.clone()).is_err();
    }

    pub(crate) fn request(self, uris: &mut Uris) -> Result<Request<()>, Malformed> {
        let method = self.method.ok_or(Malformed)?;
        let is_connect = method == Method::CONNECT;
        let has_parts = if is_connect {
            self.authority.is_some() && self.scheme.is_none() && self.path.is_none()
        } else {
            self.scheme.is_some() && self.path.as_ref().is_some_and(|path| !path.is_empty())
        };
        if self.is_malformed || self.status.is_some() || !has_parts {
            return Err(Malformed);
        }
        let mut request = Request::new(());
        let raw = self.authority.as_ref().filter(|raw| is_encoded(raw)).cloned();
        let scheme = self.scheme.filter(|_| raw.is_none());
        *request.uri_mut() = uris.get(scheme, self.authority.filter(|_| raw.is_none()), self.path)?;
        if let Some(raw) = raw {
            request.extensions_mut().insert(RawAuthority(raw));
        }
        *request.method_mut() = method;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.map;
        Ok(request)
    }

    pub(crate) fn response(self) -> Result<Response<()>, Malformed> {
        let is_request = self.method.is_some() || self.scheme.is_some() || self.authority.is_some();
        let status = self.status.ok_or(Malformed)?;
        if self.is_malformed || is_request || self.path.is_some() {
            return Err(Malformed);
        }
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.version_mut() = Version::HTTP_2;
        *response.headers_mut() = self.map;
        Ok(response)
    }

    pub(crate) fn trailers(self) -> Result<HeaderMap, Malformed> {
        let is_head = self.method.is_some()
            || self.scheme.is_some()
            || self.authority.is_some()
            || self.path.is_some()
            || self.status.is_some();
        if self.is_malformed || is_head { Err(Malformed) } else { Ok(self.map) }
    }
}

/// Whether it is about a connection of HTTP/1, which HTTP/2 does not have (RFC 9113, 8.2.2).
fn is_forbidden(name: &HeaderName, value: &HeaderValue) -> bool {
    let name = name.as_str();
    // Most names are told apart by their length.
    match name.len() {
        2 => name == "te" && !value.as_bytes().eq_ignore_ascii_case(b"trailers"),
        7 => name == "upgrade",
        10 => name == "connection" || name == "keep-alive",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        _ => false,
    }
}

/// Whether it is a name that the `http` crate does not take.
fn is_encoded(authority: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:".contains(byte);
    authority.contains(&b'%') && authority.iter().all(is_name)
}

/// Where the last request went: most go there again.
#[derive(Debug, Default)]
pub(crate) struct Uris {
    parts: [Option<Bytes>; 3],
    uri: Uri,
}

impl Uris {
    fn get(
        &mut self,
        scheme: Option<Bytes>,
        authority: Option<Bytes>,
        path: Option<Bytes>,
    ) -> Result<Uri, Malformed> {
        let parts = [scheme, authority, path];
        if parts != self.parts {
            self.uri = uri(&parts)?;
            self.parts = parts;
        }
        Ok(self.uri.clone())
    }
}

fn uri([scheme, authority, path]: &[Option<Bytes>; 3]) -> Result<Uri, Malformed> {
    let mut parts = http::uri::Parts::default();
    let scheme = scheme.as_deref().map(Scheme::try_from).transpose().map_err(|_| Malformed)?;
    if let Some(authority) = authority {
        parts.authority = Some(Authority::from_maybe_shared(authority.clone()).map_err(|_| Malformed)?);
        // A URI with a scheme has to have an authority.
        parts.scheme = scheme;
    }
    if let Some(path) = path {
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(path.clone()).map_err(|_| Malformed)?);
    }
    Uri::from_parts(parts).map_err(|_| Malformed)
}

/// Writes the block of a request.
pub(crate) fn put_request(
    request: &Request<()>,
    encoder: &mut Encoder,
    out: &mut BytesMut,
) -> Result<(), Error> {
    let uri = request.uri();
    let is_connect = request.method() == Method::CONNECT;
    let raw = request.extensions().get::<RawAuthority>().and_then(|raw| std::str::from_utf8(&raw.0).ok());
    if raw.is_none() && (uri.authority().is_none() || (uri.scheme().is_none() && !is_connect)) {
        return Err(Error::misused("a request needs a scheme and an authority"));
    }
    check(request.headers())?;
    encoder.begin(out);
    encoder.method(request.method(), out);
    if !is_connect {
        encoder.scheme(uri.scheme_str().unwrap_or("http"), out);
    }
    let authority = uri.authority().map(|authority| authority.as_str());
    encoder.authority(authority.or(raw).unwrap_or_default(), out);
    if !is_connect {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        encoder.path(if path.is_empty() { "/" } else { path }, out);
    }
    put(request.headers(), encoder, out);
    Ok(())
}

/// Writes the block of a response.
pub(crate) fn put_response(
    response: &Response<()>,
    encoder: &mut Encoder,
    out: &mut BytesMut,
) -> Result<(), Error> {
    check(response.headers())?;
    encoder.begin(out);
    encoder.status(response.status(), out);
    put(response.headers(), encoder, out);
    Ok(())
}

/// Writes the block of trailers, which were checked.
pub(crate) fn put_trailers(trailers: &HeaderMap, encoder: &mut Encoder, out: &mut BytesMut) {
    encoder.begin(out);
    put(trailers, encoder, out);
}

/// Refuses what HTTP/2 does not have.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Error> {
    if headers.iter().any(|(name, value)| is_forbidden(name, value)) {
        return Err(Error::misused("a header is about a connection of HTTP/1"));
    }
    Ok(())
}

fn put(headers: &HeaderMap, encoder: &mut Encoder, out: &mut BytesMut) {
    for (name, value) in headers {
        encoder.header(name, value, out);
    }
}
