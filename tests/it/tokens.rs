//! Tokens that are issued, expire and are revoked, with the connector that fetches them, over TLS.

use std::{fs, path::Path};

use crate::support::{Authority, Builder, Connector, Server, python, teal};

/// A server that is good for tokens, with a certificate of `authority`.
fn issuer(authority: &Authority) -> Builder {
    let pair = authority.issue("127.0.0.1");
    teal()
        .switch_every("0")
        .with("--tls-cert", &pair.certificate.to_string_lossy())
        .with("--tls-key", &pair.key.to_string_lossy())
        .with("--oauth-client", "app:s:e&c ret")
        .with("--tokens", "issued-only")
        .with("--batch-rows", "5000")
}

fn runs(server: &Server, authority: &Authority, case: &str) -> String {
    let file = authority.file();
    python(Connector::V3_0_2).env("SSL_CERT_FILE", &file.to_string_lossy()).run(server, "tokens.py", &[case])
}

#[test]
fn v3_0_2_fetches_tokens_by_basic_and_form() {
    let authority = Authority::new();
    let server = issuer(&authority).run();
    runs(&server, &authority, "reads");
    assert!(!server.lines_with("Issued a token to client 'app'").is_empty(), "{}", server.output());
    for secret in ["s:e&c", "teal."] {
        assert!(server.lines_with(secret).is_empty(), "{}", server.output());
    }
}

#[test]
fn v3_0_2_outlives_its_tokens() {
    let authority = Authority::new();
    let server = issuer(&authority).with("--token-ttl", "1s").run();
    runs(&server, &authority, "expires");
    let issued = server.lines_with("Issued a token").len();
    assert!(issued > 4, "{issued} tokens in queries that take longer than one is good");
}

#[test]
fn v3_0_2_goes_on_when_its_token_is_revoked_in_mid_query() {
    let authority = Authority::new();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("revoked.toml");
    let scenario = "teaches = \"A token is revoked in the middle of a result.\"\n[[step]]\n\
                    when = \"method=getNextResultBatch*,calls=2\"\ndo = [\"revoke-tokens\"]\n";
    fs::write(&file, scenario).expect("the target folder is writable");
    // Its fetches do not ask for another token, and the application is told; its next query does.
    for (case, expected) in [("sync", "revoked: told"), ("async", "revoked: told")] {
        let server = issuer(&authority).with("--scenario", &file.to_string_lossy()).run();
        let said = runs(&server, &authority, case);
        assert!(said.contains(expected), "{case}: {said}");
        assert_eq!(server.lines_with("Tokens revoked: 1").len(), 1, "{}", server.output());
        assert_eq!(server.lines_with("Issued a token").len(), 2, "{}", server.output());
    }
}
