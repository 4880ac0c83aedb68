//! Message heads and trailers: built from decoded fields, checked against RFC 9113, 8, and encoded into fields.

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{
    error::Error,
    hpack::{Decoded, Encoder, Field},
};

/// The capacity of a header map, so that most heads fit without reallocation.
const REQUEST: usize = 12;
const RESPONSE: usize = 6;
const TRAILERS: usize = 3;

/// The least size that a field counts as, in bytes: in memory a short field takes four times as much.
const LEAST: usize = 64;
/// Decoding stops once a header list exceeds this many times the limit.
const ABORTED: usize = 4;

/// The message violates RFC 9113, 8.
pub(crate) struct Malformed;

/// An `:authority` that [`http::uri::Authority`] cannot hold, such as a percent-encoded name (RFC 3986, 3.2.2). It is
/// stored in the extensions of a request whose URI has neither scheme nor authority, and is sent from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAuthority(Bytes);

impl RawAuthority {
    /// The bytes, all printable ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn parse(authority: &Bytes) -> Option<Self> {
        let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]".contains(byte);
        let mut rest = &authority[..];
        while let Some((first, more)) = rest.split_first() {
            rest = match first {
                b'%' if more.len() >= 2 && more[..2].iter().all(u8::is_ascii_hexdigit) => &more[2..],
                byte if is_fine(byte) => more,
                _ => return None,
            };
        }
        Some(Self(authority.clone()))
    }
}

/// The pseudo-header fields that must never be indexed (RFC 7541, 7.1.3). A request extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NeverIndexed {
    authority: bool,
    path: bool,
}

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
    /// The size as SETTINGS_MAX_HEADER_LIST_SIZE counts it, except that short fields count more.
    pub(crate) size: usize,
    never_indexed: NeverIndexed,
    /// Whether a value may begin or end with a blank.
    allows_blanks: bool,
    has_host: bool,
    /// Whether the fields exceed this side's limit.
    pub(crate) is_too_long: bool,
    is_malformed: bool,
}

impl Fields {
    pub(crate) fn new(allows_blanks: bool) -> Self {
        Self { allows_blanks, ..Self::default() }
    }

    /// Takes the next field, unless the size exceeds `most` bytes. Returns false if decoding should stop.
    pub(crate) fn take(&mut self, decoded: Decoded<'_>, most: usize) -> bool {
        let Decoded { field, size, is_never_indexed } = decoded;
        self.size = self.size.saturating_add(size.max(LEAST));
        if self.size > most {
            self.is_too_long = true;
            return self.size <= most.saturating_mul(ABORTED);
        }
        match field {
            _ if self.is_malformed => {}
            Field::Header(name, value) => self.header(name, value),
            _ => self.pseudo(field, is_never_indexed),
        }
        true
    }

    fn pseudo(&mut self, field: &Field, is_never_indexed: bool) {
        if is_never_indexed {
            self.never_indexed.authority |= matches!(field, Field::Authority(_));
            self.never_indexed.path |= matches!(field, Field::Path(_));
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
        self.has_host |= *name == header::HOST;
        if !self.allows_blanks {
            let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
            self.is_malformed |= is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last());
        }
        self.is_malformed |= self.map.try_append(name.clone(), value.clone()).is_err();
    }

    /// Returns whether there is at most one `host`, and it equals `:authority` (RFC 9113, 8.3.1).
    fn has_right_host(&self) -> bool {
        if !self.has_host {
            return true;
        }
        let mut hosts = self.map.get_all(header::HOST).iter();
        match (hosts.next(), &self.authority) {
            (None, _) => true,
            (Some(host), Some(authority)) => {
                hosts.next().is_none() && host.as_bytes().eq_ignore_ascii_case(authority)
            }
            (Some(_), None) => hosts.next().is_none(),
        }
    }

    pub(crate) fn request(self, uris: &mut Uris) -> Result<Request<()>, Malformed> {
        let is_right_host = self.has_right_host();
        let method = self.method.ok_or(Malformed)?;
        let is_connect = method == Method::CONNECT;
        let has_parts = if is_connect {
            self.authority.is_some() && self.scheme.is_none() && self.path.is_none()
        } else {
            self.scheme.is_some() && self.path.as_ref().is_some_and(|path| !path.is_empty())
        };
        let is_right = has_parts && is_right_host;
        if self.is_malformed || self.status.is_some() || !is_right {
            return Err(Malformed);
        }
        let mut request = Request::new(());
        let (uri, raw) = uris.get(self.scheme, self.authority, self.path)?;
        *request.uri_mut() = uri;
        if let Some(raw) = raw {
            request.extensions_mut().insert(raw);
        }
        if self.never_indexed != NeverIndexed::default() {
            request.extensions_mut().insert(self.never_indexed);
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

/// Returns whether a field is connection-specific, which HTTP/2 forbids (RFC 9113, 8.2.2).
fn is_forbidden(name: &HeaderName, value: &HeaderValue) -> bool {
    let name = name.as_str();
    // The length rules out most names.
    match name.len() {
        2 => name == "te" && !value.as_bytes().eq_ignore_ascii_case(b"trailers"),
        7 => name == "upgrade",
        10 => name == "connection" || name == "keep-alive",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        _ => false,
    }
}

/// Caches the URI parts of the last request, because most requests repeat them.
#[derive(Debug, Default)]
pub(crate) struct Uris {
    parts: [Option<Bytes>; 3],
    uri: Uri,
    raw: Option<RawAuthority>,
}

impl Uris {
    fn get(
        &mut self,
        scheme: Option<Bytes>,
        authority: Option<Bytes>,
        path: Option<Bytes>,
    ) -> Result<(Uri, Option<RawAuthority>), Malformed> {
        let parts = [scheme, authority, path];
        if parts != self.parts {
            (self.uri, self.raw) = uri(&parts)?;
            self.parts = parts;
        }
        Ok((self.uri.clone(), self.raw.clone()))
    }
}

fn uri([scheme, authority, path]: &[Option<Bytes>; 3]) -> Result<(Uri, Option<RawAuthority>), Malformed> {
    let (mut parts, mut raw) = (http::uri::Parts::default(), None);
    let scheme = scheme.as_deref().map(Scheme::try_from).transpose().map_err(|_| Malformed)?;
    if let Some(authority) = authority {
        // HTTP forbids userinfo (RFC 9113, 8.3.1).
        if authority.contains(&b'@') {
            return Err(Malformed);
        }
        match Authority::from_maybe_shared(authority.clone()) {
            Ok(authority) => {
                parts.authority = Some(authority);
                // A URI with a scheme requires an authority.
                parts.scheme = scheme;
            }
            Err(_) => raw = Some(RawAuthority::parse(authority).ok_or(Malformed)?),
        }
    }
    if let Some(path) = path {
        // `PathAndQuery` would cut off a fragment.
        if path.contains(&b'#') {
            return Err(Malformed);
        }
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(path.clone()).map_err(|_| Malformed)?);
    }
    Ok((Uri::from_parts(parts).map_err(|_| Malformed)?, raw))
}

/// The largest header list that the peer accepts, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(crate) usize);

impl Limit {
    /// Refuses headers that HTTP/2 forbids, and a list longer than the peer accepts (RFC 9113, 8.2.2 and 6.5.2).
    pub(crate) fn check<'a>(
        self,
        pseudo: impl IntoIterator<Item = (&'a str, usize)>,
        headers: &HeaderMap,
    ) -> Result<(), Error> {
        const OVERHEAD: usize = 32;
        let pseudo = pseudo.into_iter().map(|(name, value)| name.len() + value + OVERHEAD);
        let mut size: usize = pseudo.sum();
        let mut is_fine = true;
        for (name, value) in headers {
            size += name.as_str().len() + value.len() + OVERHEAD;
            is_fine &= !is_forbidden(name, value);
        }
        if !is_fine {
            return Err(Error::misused("a header is specific to HTTP/1 connections"));
        }
        if size > self.0 { Err(Error::header_list(size, self.0)) } else { Ok(()) }
    }
}

/// Encodes the header block of a request.
pub(crate) fn put_request(
    request: &Request<()>,
    limit: Limit,
    encoder: &mut Encoder,
    out: &mut BytesMut,
) -> Result<(), Error> {
    let uri = request.uri();
    let is_connect = request.method() == Method::CONNECT;
    let raw = request.extensions().get::<RawAuthority>();
    let authority = match (raw, uri.authority()) {
        (Some(raw), _) => raw.as_bytes(),
        (None, Some(authority)) if uri.scheme().is_some() || is_connect => authority.as_str().as_bytes(),
        (None, _) => return Err(Error::misused("a request needs a scheme and an authority")),
    };
    let scheme = uri.scheme_str().unwrap_or("http");
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = if path.is_empty() { "/" } else { path };
    let method = request.method();
    let pseudo = [
        (":method", method.as_str().len()),
        (":scheme", scheme.len()),
        (":authority", authority.len()),
        (":path", path.len()),
    ];
    limit.check(pseudo, request.headers())?;
    let never = request.extensions().get::<NeverIndexed>().copied().unwrap_or_default();
    encoder.begin(out);
    encoder.method(method, out);
    if !is_connect {
        encoder.scheme(scheme, out);
    }
    encoder.authority(authority, never.authority, out);
    if !is_connect {
        encoder.path(path, never.path, out);
    }
    put(request.headers(), encoder, out);
    Ok(())
}

/// Encodes the header block of a response.
pub(crate) fn put_response(
    response: &Response<()>,
    limit: Limit,
    encoder: &mut Encoder,
    out: &mut BytesMut,
) -> Result<(), Error> {
    limit.check([(":status", 3)], response.headers())?;
    encoder.begin(out);
    encoder.status(response.status(), out);
    put(response.headers(), encoder, out);
    Ok(())
}

/// Encodes the header block of trailers, which are checked already.
pub(crate) fn put_trailers(trailers: &HeaderMap, encoder: &mut Encoder, out: &mut BytesMut) {
    encoder.begin(out);
    put(trailers, encoder, out);
}

fn put(headers: &HeaderMap, encoder: &mut Encoder, out: &mut BytesMut) {
    for (name, value) in headers {
        encoder.header(name, value, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpack::Decoder;

    /// Decodes the request of a block, and encodes it again.
    fn forwarded(block: &[u8]) -> (Request<()>, BytesMut) {
        let mut fields = Fields::new(false);
        Decoder::new(4096).decode(block, |decoded| fields.take(decoded, 1 << 16)).unwrap();
        let Ok(request) = fields.request(&mut Uris::default()) else { panic!("a malformed request") };
        let mut out = BytesMut::new();
        put_request(&request, Limit(usize::MAX), &mut Encoder::default(), &mut out).unwrap();
        (request, out)
    }

    #[test]
    fn never_indexed_fields_stay_never_indexed() {
        // GET, http, then a path and an authority that are never indexed.
        let block = b"\x82\x86\x14\x07/secret\x11\x04a.bc";
        let (_, out) = forwarded(block);
        assert_eq!(out[..], b"\x82\x86\x11\x04a.bc\x14\x07/secret"[..]);
    }

    #[test]
    fn a_percent_encoded_authority_is_carried() {
        let (request, out) = forwarded(b"\x82\x86\x84\x01\x0b%2Ftmp%2Fs:");
        assert!(request.uri().authority().is_none());
        assert_eq!(out[..], b"\x82\x86\x41\x0b%2Ftmp%2Fs:\x84"[..]);
    }
}
