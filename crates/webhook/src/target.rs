//! The URL of a receiver. Its path and query may hold secrets, so only scheme, host and port are ever shown.

use std::{fmt, str::FromStr};

use http::{Uri, uri::Scheme};
use rustls::pki_types::ServerName;

/// Where events are posted.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    /// The `host` header.
    authority: String,
    path: String,
    /// The name that the receiver's certificate must prove; `None` without TLS.
    name: Option<ServerName<'static>>,
}

/// A text is no URL of a receiver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct BadTarget {
    /// The text, without what may be secret in it.
    pub shown: String,
    /// The expected URL, and what is wrong.
    pub expected: &'static str,
}

const EXPECTED: &str = "expected a URL such as https://events.example/teal";

/// Shows a URL up to its port, without a user and a password.
pub fn redacted(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let separator = if scheme.is_empty() { "" } else { "://" };
    if path.contains('@') {
        // A password with a slash ends up behind it.
        return format!("{scheme}{separator}…");
    }
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => authority.to_owned(),
    };
    let path = if path.len() > 1 { "/…" } else { path };
    format!("{scheme}{separator}{authority}{path}")
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let text = text.trim();
        let bad = |expected| BadTarget { shown: redacted(text), expected };
        if text.contains('#') {
            return Err(bad("expected a URL without a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| bad(EXPECTED))?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(bad("expected a URL that begins with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| bad(EXPECTED))?;
        if authority.as_str().contains('@') {
            return Err(bad(
                "expected a URL without a user and a password: receivers know teal by its signature",
            ));
        }
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            None if has_port => return Err(bad("expected a port from 1 to 65535")),
            Some(0) => return Err(bad("expected a port from 1 to 65535")),
            port => port.unwrap_or(if is_tls { 443 } else { 80 }),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(bad("expected a URL with a host"));
        }
        let name = ServerName::try_from(host.clone())
            .map_err(|_| bad("expected the name or IP address of a host"))?;
        Ok(Self {
            host,
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            name: is_tls.then_some(name),
        })
    }
}

impl Target {
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The value of the `host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The path and the query.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn name(&self) -> Option<&ServerName<'static>> {
        self.name.as_ref()
    }

    /// Returns whether events are sent by TLS.
    pub fn is_tls(&self) -> bool {
        self.name.is_some()
    }
}

/// Without path and query.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        text.parse().unwrap_or_else(|bad| panic!("{text}: {bad}"))
    }

    #[test]
    fn urls_have_host_port_and_path() {
        for (text, host, port, path) in [
            ("http://a.example", "a.example", 80, "/"),
            ("https://a.example/", "a.example", 443, "/"),
            (" https://a.example:8443/in?key=1 ", "a.example", 8443, "/in?key=1"),
            ("http://127.0.0.1:9/x", "127.0.0.1", 9, "/x"),
            ("http://[::1]:9", "::1", 9, "/"),
        ] {
            let target = target(text);
            assert_eq!((target.host(), target.port(), target.path()), (host, port, path), "{text}");
            assert_eq!(target.is_tls(), text.contains("https"));
        }
    }

    #[test]
    fn bad_urls_are_refused_without_their_secrets() {
        for (text, shown, expected) in [
            ("", "", "such as"),
            ("a.example", "a.example", "begins with http"),
            ("a.example:80/s3cr3t", "a.example:80/…", "such as"),
            ("ftp://a.example/s3cr3t", "ftp://a.example/…", "begins with http"),
            ("/s3cr3t", "/…", "begins with http"),
            ("http://", "http://", "such as"),
            ("http:///s3cr3t", "http:///…", "such as"),
            ("http://:80/", "http://:80/", "with a host"),
            ("http://a:99999/", "http://a:99999/", "a port from 1"),
            ("http://a:0/", "http://a:0/", "a port from 1"),
            ("http://a:/", "http://a:/", "a port from 1"),
            ("http://a b/", "http://a b/", "such as"),
            ("http://a_.-/", "http://a_.-/", "name or IP address"),
            ("https://me:s3cr3t@a.example/", "https://…@a.example/", "without a user"),
            ("https://me:s3/cr3t@a.example/", "https://…", "a port from 1"),
            ("https://a.example/x#s3cr3t", "https://a.example/…", "without a fragment"),
            ("https://a.example?s3cr3t", "https://a.example/…", ""),
        ] {
            match text.parse::<Target>() {
                Ok(target) => assert_eq!((target.to_string().as_str(), expected), ("https://a.example", "")),
                Err(bad) => {
                    assert_eq!(bad.shown, shown, "{text}");
                    assert!(bad.expected.contains(expected), "{text}: {bad}");
                }
            }
        }
    }

    #[test]
    fn a_url_is_shown_without_its_path() {
        let target = target("https://a.example:1/s3cr3t?s3cr3t");
        assert_eq!(
            (target.to_string(), format!("{target:?}")),
            ("https://a.example:1".to_owned(), target.to_string())
        );
    }
}
