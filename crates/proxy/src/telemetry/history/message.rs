//! The message of a status, without the secrets of its caller.

use grpc::decode_message;

use super::text::Text;
use crate::{
    adoption::{Key, fingerprint},
    redaction::redact,
};

/// Writes a percent-encoded message. The caller's session and token are replaced.
pub(super) fn write<const N: usize>(text: &mut Text<N>, encoded: &[u8], session: Option<u64>, client: &Key) {
    let is_secret = |word: &str| session == Some(fingerprint(word.as_bytes())) || client.is_token(word);
    redact(&decode_message(encoded), is_secret, |part| {
        part.split(char::is_control).for_each(|part| text.push(part));
    });
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
