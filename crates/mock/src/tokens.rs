//! Issues bearer tokens, and checks them when calls carry them.

use std::{collections::hash_map::RandomState, fmt, hash::BuildHasher, sync::Arc, time::Duration};

use clap::ValueEnum;
use hashlink::LinkedHashMap;
use parking_lot::{Mutex, MutexGuard};
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use uuid::Uuid;

use super::status::Refusal;

/// The prefix of every token issued here.
const OURS: &[u8] = b"teal.";
/// The most tokens on record. Beyond that the oldest are forgotten and then refused.
const MOST: usize = 1_000_000;

/// Which tokens to revoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoke<'a> {
    /// This token.
    Token(&'a str),
    /// All tokens of this client.
    Client(&'a str),
    /// All tokens.
    All,
}

/// How tokens are issued, and which are accepted.
#[derive(Clone, Debug)]
pub struct TokenOptions {
    /// The clients that may request tokens. Empty means any client.
    pub clients: Vec<OauthClient>,
    /// The lifetime of a token.
    pub ttl: Duration,
    /// Which tokens are accepted.
    pub accepted: AcceptedTokens,
}

/// Which bearer tokens are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AcceptedTokens {
    /// Any that was not revoked
    Any,
    /// Only those that were issued here
    IssuedOnly,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self { clients: Vec::new(), ttl: Duration::from_secs(3600), accepted: AcceptedTokens::Any }
    }
}

/// A client that may request tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct OauthClient {
    /// The `client_id`.
    pub id: String,
    /// The `client_secret`.
    pub secret: String,
}

impl fmt::Debug for OauthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OauthClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The issuer of tokens. Clones share their state.
#[derive(Clone, Debug)]
pub struct Tokens {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: TokenOptions,
    hashers: [RandomState; 2],
    issued: Mutex<LinkedHashMap<Digest, Token>>,
}

/// The hash of a token; tokens themselves are not kept.
type Digest = (u64, u64);

#[derive(Debug)]
struct Token {
    client: String,
    expires: Instant,
    is_revoked: bool,
}

impl Tokens {
    pub(crate) fn new(options: TokenOptions) -> Self {
        let shared =
            Shared { options, hashers: [RandomState::new(), RandomState::new()], issued: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The lifetime of a token.
    pub(crate) fn ttl(&self) -> Duration {
        self.shared.options.ttl
    }

    /// Returns whether a client with this id and secret may request tokens.
    pub(crate) fn knows(&self, id: &str, secret: &str) -> bool {
        let clients = &self.shared.options.clients;
        // Compares with every client, so that the time taken reveals nothing.
        let known = clients.iter().fold(subtle::Choice::from(0), |known, client| {
            let is_id = client.id.as_bytes().ct_eq(id.as_bytes());
            known | (is_id & client.secret.as_bytes().ct_eq(secret.as_bytes()))
        });
        !id.is_empty() && !secret.is_empty() && (clients.is_empty() || known.into())
    }

    /// Issues a token.
    pub(crate) fn issue(&self, client: &str, now: Instant) -> String {
        let ours = std::str::from_utf8(OURS).expect("it is ASCII");
        let token = format!("{ours}{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let expires = now + self.ttl();
        let mut issued = self.lock();
        issued.insert(
            self.digest(token.as_bytes()),
            Token { client: client.to_owned(), expires, is_revoked: false },
        );
        if issued.len() > MOST {
            issued.pop_front();
        }
        token
    }

    /// Checks the token of a call.
    pub(crate) fn check(&self, token: &[u8], now: Instant) -> Result<(), Refusal> {
        let issued = self.lock();
        match issued.get(&self.digest(token)) {
            Some(token) if token.is_revoked => Err(Refusal::Token("is revoked")),
            Some(token) if token.expires <= now => Err(Refusal::Token("has expired")),
            Some(_) => Ok(()),
            None if token.starts_with(OURS) || self.shared.options.accepted == AcceptedTokens::IssuedOnly => {
                Err(Refusal::Token("was not issued here"))
            }
            None => Ok(()),
        }
    }

    fn digest(&self, token: &[u8]) -> Digest {
        let [first, second] = &self.shared.hashers;
        (first.hash_one(token), second.hash_one(token))
    }

    fn lock(&self) -> MutexGuard<'_, LinkedHashMap<Digest, Token>> {
        self.shared.issued.lock()
    }
}

impl Tokens {
    /// Revokes tokens, and returns how many of them were valid.
    pub fn revoke(&self, which: Revoke<'_>) -> usize {
        let now = Instant::now();
        let mut issued = self.lock();
        let digest = match which {
            Revoke::Token(token) => Some(self.digest(token.as_bytes())),
            Revoke::Client(_) | Revoke::All => None,
        };
        let mut revoked = 0;
        for (key, token) in issued.iter_mut() {
            let is_meant = match which {
                Revoke::Token(_) => digest.as_ref() == Some(key),
                Revoke::Client(client) => token.client == client,
                Revoke::All => true,
            };
            if is_meant && token.expires > now && !std::mem::replace(&mut token.is_revoked, true) {
                revoked += 1;
            }
        }
        tracing::info!("Tokens revoked: {revoked}");
        revoked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(accepted: AcceptedTokens, clients: &[(&str, &str)]) -> Tokens {
        let client = |(id, secret): &(&str, &str)| OauthClient { id: (*id).into(), secret: (*secret).into() };
        let clients = clients.iter().map(client).collect();
        Tokens::new(TokenOptions { clients, ttl: Duration::from_secs(60), accepted })
    }

    #[test]
    fn tokens_are_valid_until_they_expire() {
        let (tokens, start) = (tokens(AcceptedTokens::Any, &[]), Instant::now());
        let token = tokens.issue("app", start);
        assert_eq!(tokens.check(token.as_bytes(), start + Duration::from_secs(59)), Ok(()));
        let late = tokens.check(token.as_bytes(), start + Duration::from_secs(60));
        assert_eq!(late, Err(Refusal::Token("has expired")));
    }

    #[test]
    fn tokens_are_revoked_singly_by_client_or_all() {
        let (tokens, now) = (tokens(AcceptedTokens::Any, &[]), Instant::now());
        let [a, b, c] = ["one", "one", "two"].map(|client| tokens.issue(client, now));
        let good = |tokens: &Tokens| [&a, &b, &c].map(|token| tokens.check(token.as_bytes(), now).is_ok());
        assert_eq!(tokens.revoke(Revoke::Token(&a)), 1);
        assert_eq!(good(&tokens), [false, true, true]);
        assert_eq!(tokens.check(a.as_bytes(), now), Err(Refusal::Token("is revoked")));
        assert_eq!(tokens.revoke(Revoke::Client("one")), 1);
        assert_eq!(good(&tokens), [false, false, true]);
        assert_eq!(tokens.revoke(Revoke::All), 1);
        assert_eq!(good(&tokens), [false; 3]);
        assert_eq!(tokens.revoke(Revoke::All), 0);
    }

    #[test]
    fn foreign_tokens_pass_unless_only_issued_ones_do() {
        let now = Instant::now();
        for (accepted, expected) in [
            (AcceptedTokens::Any, Ok(())),
            (AcceptedTokens::IssuedOnly, Err(Refusal::Token("was not issued here"))),
        ] {
            assert_eq!(tokens(accepted, &[]).check(b"somebody's", now), expected);
        }
        let forged = tokens(AcceptedTokens::Any, &[]).check(b"teal.0123", now);
        assert_eq!(forged, Err(Refusal::Token("was not issued here")), "it only looks like ours");
    }

    #[test]
    fn any_client_is_known_unless_some_are_set() {
        let set = tokens(AcceptedTokens::Any, &[("app", "secret"), ("other", "hidden")]);
        for (id, secret, is_known) in [
            ("app", "secret", true),
            ("other", "hidden", true),
            ("app", "hidden", false),
            ("App", "secret", false),
            ("", "", false),
        ] {
            assert_eq!(set.knows(id, secret), is_known, "{id} {secret}");
        }
        assert!(tokens(AcceptedTokens::Any, &[]).knows("any", "thing"));
        assert!(!tokens(AcceptedTokens::Any, &[]).knows("any", ""));
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", tokens(AcceptedTokens::Any, &[("app", "hidden")]));
        assert!(shown.contains("app") && !shown.contains("hidden"), "{shown}");
    }
}
