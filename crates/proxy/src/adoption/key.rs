//! Who a client is.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::LazyLock,
};

use hashlink::LinkedHashMap;
use http::HeaderValue;

/// Bytes that are kept of what a client says of itself.
const AGENT: usize = 128;
const USER: usize = 128;
/// Sessions whose user is remembered, the latest of them.
const SESSIONS: usize = 20_000;

/// Keyed at random at start: nobody can find a session by trying hashes.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

fn hash(bytes: &[u8]) -> u64 {
    HASHER.hash_one(bytes)
}

/// As whom a client calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientIdentity {
    /// It has not said.
    Nobody,
    /// The user that it logged in as.
    User(Box<str>),
    /// A session of which teal saw no login: its hash.
    Session(u64),
    /// A bearer token: its hash.
    Token(u64),
}

impl ClientIdentity {
    pub(crate) fn user(name: &str) -> Self {
        Self::User(printable(name.as_bytes(), USER).into())
    }

    pub(crate) fn token(authorization: &[u8]) -> Self {
        Self::Token(hash(authorization))
    }
}

/// What makes a client one and the same: its user agent, as whom it calls, and from which address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    agent: Box<str>,
    who: ClientIdentity,
    peer: IpAddr,
}

impl Key {
    pub(crate) fn new(agent: Option<&HeaderValue>, who: ClientIdentity, peer: IpAddr) -> Self {
        let agent = agent.map_or_else(String::new, |agent| printable(agent.as_bytes(), AGENT));
        // An IPv4 client of a socket that takes both kinds is still an IPv4 client.
        Self { agent: agent.into(), who, peer: peer.to_canonical() }
    }

    /// Its user agent: at most 128 printable ASCII characters.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// As whom it calls.
    pub fn who(&self) -> &ClientIdentity {
        &self.who
    }

    /// From where.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// A name for it, the same while teal runs.
    pub fn id(&self) -> String {
        format!("{:016x}", HASHER.hash_one(self))
    }

    pub(crate) fn is_user(&self, name: &str) -> bool {
        matches!(&self.who, ClientIdentity::User(user) if **user == *name)
            || self.who == ClientIdentity::user(name)
    }
}

fn printable(text: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

/// Who logged in to which session.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// By the hash of the session.
    users: LinkedHashMap<u64, Box<str>>,
}

impl Directory {
    /// A login of a client was answered with this session.
    pub(crate) fn introduce(&mut self, session: &str, key: &Key) {
        if let ClientIdentity::User(user) = &key.who {
            self.users.insert(hash(session.as_bytes()), user.clone());
            if self.users.len() > SESSIONS {
                self.users.pop_front();
            }
        }
    }

    /// Who calls with this session.
    pub(crate) fn whose(&mut self, session: &str) -> ClientIdentity {
        let session = hash(session.as_bytes());
        self.users
            .to_back(&session)
            .map_or(ClientIdentity::Session(session), |user| ClientIdentity::User(user.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_session_stands_for_its_user() {
        let mut directory = Directory::default();
        let ann = Key::new(None, ClientIdentity::user("ann"), HERE);
        directory.introduce("s-1", &ann);
        assert_eq!(directory.whose("s-1"), ClientIdentity::user("ann"));
        let unknown = directory.whose("s-2");
        assert!(matches!(unknown, ClientIdentity::Session(_)), "{unknown:?}");
        for number in 0..SESSIONS {
            directory.introduce(&number.to_string(), &ann);
        }
        assert_eq!(directory.users.len(), SESSIONS);
        assert_ne!(directory.whose("s-1"), ClientIdentity::user("ann"), "the oldest leaves");
    }

    #[test]
    fn client_names_are_kept_short_and_printable() {
        let long = HeaderValue::from_str(&"a".repeat(5000)).unwrap();
        let key = Key::new(Some(&long), ClientIdentity::user(&format!("b\u{7}{}", "é".repeat(500))), HERE);
        assert_eq!(key.agent().len(), AGENT);
        assert!(
            matches!(key.who(), ClientIdentity::User(user) if user.chars().count() == USER && user.starts_with("bé"))
        );
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        assert_eq!(
            Key::new(None, ClientIdentity::Nobody, mapped),
            Key::new(None, ClientIdentity::Nobody, HERE)
        );
    }
}
