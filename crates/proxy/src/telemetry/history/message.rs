//! The message of a status, without the secrets of its caller.

use super::text::Text;
use crate::adoption::{Key, fingerprint};

/// Stands for a session or a token.
const SECRET: &str = "***";
/// Shorter words are no sessions and no tokens.
const SHORTEST: usize = 8;

/// Writes a percent-encoded message. The caller's session and token are replaced.
pub(super) fn write<const N: usize>(text: &mut Text<N>, encoded: &[u8], session: Option<u64>, client: &Key) {
    let decoded = decode(encoded);
    let decoded = String::from_utf8_lossy(&decoded);
    let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=' | '~');
    let mut rest = &*decoded;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_inner(c) != is_inner(first)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        let is_secret = |word: &str| {
            word.len() >= SHORTEST && (session == Some(fingerprint(word.as_bytes())) || client.is_token(word))
        };
        // A sentence may end behind it.
        let bare = word.trim_end_matches('.');
        let secret = [word, bare].into_iter().find(|word| is_inner(first) && is_secret(word));
        match secret {
            Some(secret) => [SECRET, &word[secret.len()..]].iter().for_each(|part| text.push(part)),
            None => word.split(char::is_control).for_each(|word| text.push(word)),
        }
    }
}

fn decode(encoded: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::adoption::ClientIdentity;

    fn written(message: &str, session: Option<&str>, who: ClientIdentity) -> String {
        let mut text = Text::<63>::default();
        let key = Key::new(None, who, IpAddr::V4(Ipv4Addr::LOCALHOST));
        write(&mut text, message.as_bytes(), session.map(|session| fingerprint(session.as_bytes())), &key);
        text.as_str().to_owned()
    }

    #[test]
    fn a_message_is_decoded_and_cut() {
        let told = written("caf%C3%A9 100%25 %zz%4", None, ClientIdentity::Nobody);
        assert_eq!(told, "café 100% %zz%4");
        let long = written(&"word ".repeat(100), None, ClientIdentity::Nobody);
        assert!(long.len() <= 63 && long.ends_with('…'), "{long}");
        assert_eq!(written("a%0Ab%07c", None, ClientIdentity::Nobody), "abc");
    }

    #[test]
    fn sessions_and_tokens_are_replaced() {
        let session = "0b7b2f04-30cf-4b39-9a43-1b6d2f1f0c55";
        let told = format!("session '{session}' has ended: {session}. Not ours: 1b7b2f04-30cf");
        let expected = "session '***' has ended: ***. Not ours: 1b7b2f04-30cf";
        assert_eq!(written(&told, Some(session), ClientIdentity::Nobody), expected);
        let token = ClientIdentity::token(b"Bearer abc.DEF-123");
        assert_eq!(written("bad token (abc.DEF-123)", None, token), "bad token (***)");
    }
}
