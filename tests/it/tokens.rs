//! Tokens that are issued, expire and are revoked, with the connector that fetches them, over TLS.

use std::{fs, path::Path, time::Duration};

use http::Request;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{Authority, Builder, Connector, Server, answer, call, python, send, teal};

const SOON: Duration = Duration::from_secs(60);

/// A server that issues tokens, with a certificate of `authority`.
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
fn v3_0_2_fetches_tokens_both_ways() {
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
fn v3_0_2_survives_revocation_in_mid_query() {
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

/// A new token, asked for over HTTP/2.
fn issued(server: &Server, client: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be had").block_on(async {
        let stream = TcpStream::connect(server.address).await.expect("it listens");
        let (send, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let request = Request::post(format!("http://{}/oauth2/token", server.address))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(())
            .expect("it is well-formed");
        let mut send = send.ready().await.expect("the connection stands");
        let (response, mut body) = send.send_request(request, false).expect("it is sent");
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret=x");
        body.send_data(form.into(), true).expect("it is sent");
        let (head, mut body) = response.await.expect("it is answered").into_parts();
        let json = body.data().await.expect("there is a body").expect("it arrives");
        assert_eq!(head.status, 200, "{json:?}");
        let json: Value = serde_json::from_slice(&json).expect("it is JSON");
        json["access_token"].as_str().expect("there is a token").to_owned()
    })
}

/// The error of a call with each token; empty if it is admitted.
fn told<const N: usize>(server: &Server, tokens: [&str; N]) -> [String; N] {
    tokens.map(|token| {
        let metadata = [("authorization", &*format!("Bearer {token}"))];
        let answered = call(server.address, "getSchemaNames", &metadata, Vec::new(), SOON);
        answered.map_or_else(|status| format!("{:?}: {}", status.code(), status.message()), |_| String::new())
    })
}

const REVOKED: &str = "Unauthenticated: the token is revoked";

#[test]
fn tokens_are_revoked_by_command_while_teal_runs() {
    let server = teal().admin().switch_every("0").run();
    let tokens = ["one", "one", "two", "three"].map(|client| issued(&server, client));
    let tokens = tokens.each_ref().map(String::as_str);
    assert_eq!(told(&server, tokens), [""; 4]);
    for (args, said, expected) in [
        (["token", "revoke", tokens[0]].as_slice(), "tokens revoked: 1\n", [REVOKED, "", "", ""]),
        (&["token", "revoke", tokens[0]], "tokens revoked: 0\n", [REVOKED, "", "", ""]),
        (&["token", "revoke", "nobody's"], "tokens revoked: 0\n", [REVOKED, "", "", ""]),
        (&["token", "revoke", "--client", "one"], "tokens revoked: 1\n", [REVOKED, REVOKED, "", ""]),
        (&["token", "revoke", "--all", "--json"], "{\"revoked\":2}\n", [REVOKED; 4]),
    ] {
        assert_eq!(server.operate(args).done(), said, "{args:?}");
        assert_eq!(told(&server, tokens), expected, "{args:?}");
    }
    assert_eq!(told(&server, ["somebody's"]), [""], "tokens of others are good");
    for token in tokens {
        assert!(server.lines_with(token).is_empty(), "{}", server.output());
    }
}

#[test]
fn tokens_are_revoked_over_http_by_their_issuer() {
    let server = teal().admin().switch_every("0").run();
    let token = issued(&server, "one");
    let revoke = |server: &Server, body: &Value| {
        answer(send(server.admin(), "POST /api/v1/tokens/revoke", &body.to_string()))
    };
    for (body, start, words) in [
        (json!({}), "HTTP/1.1 422 ", "expected one of token, client or all"),
        (json!({"token": token, "all": true}), "HTTP/1.1 422 ", "expected one of token, client or all"),
        (json!({"tokens": token}), "HTTP/1.1 422 ", "unknown field `tokens`"),
    ] {
        let answered = revoke(&server, &body);
        assert!(answered.starts_with(start) && answered.contains(words), "{answered}");
    }
    assert_eq!(told(&server, [&token]), [""]);
    assert!(revoke(&server, &json!({"token": token})).ends_with("{\"revoked\":1}"));
    assert_eq!(told(&server, [&token]), [REVOKED]);

    let before = teal().admin().with("--upstream", "http://127.0.0.1:1").run();
    let said = before.operate(&["token", "revoke", "--all"]).ended(1);
    assert!(said.err.starts_with("teal: no tokens are issued here: calls are forwarded"), "{}", said.err);
}
