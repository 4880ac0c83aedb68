//! The identity of a client.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::LazyLock,
};

use hashlink::LinkedHashMap;
use http::HeaderValue;

/// The most bytes kept of a user agent.
const AGENT: usize = 128;
const USER: usize = 128;
/// The most bytes of memory that a key takes.
pub(crate) const LARGEST_KEY: usize = size_of::<Key>() + 4 * (AGENT + USER);
/// The most sessions whose user is remembered.
const SESSIONS: usize = 20_000;

/// Seeded at random at start, so that nobody can find a session by trying hashes.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

fn hash(bytes: &[u8]) -> u64 {
    HASHER.hash_one(bytes)
}

/// A number in place of a secret, another one after a restart.
pub(crate) fn fingerprint(secret: &[u8]) -> u64 {
    hash(secret)
}

/// The beginning of a fingerprint, for people.
pub(crate) fn abbreviated(fingerprint: u64) -> String {
    format!("#{:08x}", fingerprint >> 32)
}

/// The user, session or token of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientIdentity {
    /// Unknown.
    Nobody,
    /// The user that it logged in as.
    User(Box<str>),
    /// The hash of a session whose login teal did not see.
    Session(u64),
    /// The hash of a bearer token.
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

/// The key of a client: user agent, identity and address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    agent: Box<str>,
    who: ClientIdentity,
    peer: IpAddr,
}

impl Key {
    pub(crate) fn new(agent: Option<&HeaderValue>, who: ClientIdentity, peer: IpAddr) -> Self {
        let agent = agent.map_or_else(String::new, |agent| printable(agent.as_bytes(), AGENT));
        // On a dual-stack socket an IPv4 client has an IPv4-mapped address.
        Self { agent: agent.into(), who, peer: peer.to_canonical() }
    }

    /// The user agent: at most 128 printable ASCII characters.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// The user, session or token.
    pub fn who(&self) -> &ClientIdentity {
        &self.who
    }

    /// The address it calls from.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// An id, stable while teal runs.
    pub fn id(&self) -> String {
        format!("{:016x}", HASHER.hash_one(self))
    }

    /// Returns whether the client calls with this bearer token.
    pub(crate) fn is_token(&self, token: &str) -> bool {
        let authorization = |scheme: &str| hash(format!("{scheme} {token}").as_bytes());
        match self.who {
            ClientIdentity::Token(is) => {
                is == hash(token.as_bytes()) || ["Bearer", "bearer"].map(authorization).contains(&is)
            }
            _ => false,
        }
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

/// Maps sessions to the users who logged in.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Users by the hash of the session.
    users: LinkedHashMap<u64, Box<str>>,
}

impl Directory {
    /// Records a session that a login returned.
    pub(crate) fn introduce(&mut self, session: &str, who: &ClientIdentity) {
        if let ClientIdentity::User(user) = who {
            self.users.insert(hash(session.as_bytes()), user.clone());
            if self.users.len() > SESSIONS {
                self.users.pop_front();
            }
        }
    }

    /// The identity of a caller with this session.
    pub(crate) fn whose(&mut self, session: &str) -> ClientIdentity {
        let session = hash(session.as_bytes());
        self.users
            .to_back(&session)
            .map_or(ClientIdentity::Session(session), |user| ClientIdentity::User(user.clone()))
    }

    /// The user of a session, if it is known.
    pub(crate) fn user(&mut self, session: &str) -> Option<String> {
        match self.whose(session) {
            ClientIdentity::User(user) => Some(user.into()),
            ClientIdentity::Nobody | ClientIdentity::Session(_) | ClientIdentity::Token(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_session_identifies_its_user() {
        let mut directory = Directory::default();
        let ann = Key::new(None, ClientIdentity::user("ann"), HERE);
        directory.introduce("s-1", ann.who());
        assert_eq!(directory.whose("s-1"), ClientIdentity::user("ann"));
        let unknown = directory.whose("s-2");
        assert!(matches!(unknown, ClientIdentity::Session(_)), "{unknown:?}");
        for number in 0..SESSIONS {
            directory.introduce(&number.to_string(), ann.who());
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
