//! The address of a running server's API.

use std::{fmt, str::FromStr};

use http::{Uri, uri::Authority};

/// A host and a port. A host name is resolved at each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Authority);

/// The text is not such an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the address of a running teal such as 127.0.0.1:50061 or http://127.0.0.1:50061")]
pub struct BadAddress;

impl Address {
    /// The value of the `Host` header.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The address with its port, which defaults to 80.
    pub(super) fn host_and_port(&self) -> String {
        format!("{}:{}", self.0.host(), self.0.port_u16().unwrap_or(80))
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    /// Accepts `host:port`, or `http://host` with or without a port.
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        let is_url = text.contains("://");
        let uri: Uri =
            if is_url { text.parse() } else { format!("http://{text}").parse() }.map_err(|_| BadAddress)?;
        let is_bare = uri.scheme_str() == Some("http") && uri.path_and_query().is_none_or(|path| path == "/");
        let has_port = |authority: &Authority| is_url || authority.port_u16().is_some();
        let authority = uri.into_parts().authority.filter(|_| is_bare);
        let authority =
            authority.filter(|it| !it.as_str().contains('@') && !it.host().is_empty() && has_port(it));
        authority.map(Self).ok_or(BadAddress)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_or_a_url() {
        for (text, connect) in [
            ("127.0.0.1:50061", "127.0.0.1:50061"),
            (" http://127.0.0.1:50061/ ", "127.0.0.1:50061"),
            ("http://teal.example", "teal.example:80"),
            ("localhost:1", "localhost:1"),
            ("[::1]:50061", "[::1]:50061"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().host_and_port(), connect, "{text}");
        }
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for text in [
            "",
            "127.0.0.1",
            ":50061",
            "https://127.0.0.1:50061",
            "http://a:1/b",
            "u@a:1",
            "a:port",
            "a b:1",
            "a:1/b",
        ] {
            assert_eq!(text.parse::<Address>(), Err(BadAddress), "{text}");
        }
    }
}
