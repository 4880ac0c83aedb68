//! Handshakes over loopback, with certificates made for the tests.

// Shared with the end-to-end tests.
#[path = "../../../../tests/it/support/certificates.rs"]
mod certificates;

use std::io;

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

pub(crate) use self::certificates::{Authority, Pair};
use super::*;

pub(crate) fn credentials(Pair { certificate, key }: Pair) -> Credentials {
    Credentials { certificate, key }
}

/// A listener with a certificate for `localhost`. If `clients` is given, only its clients are admitted.
pub(crate) fn identity(authority: &Authority, clients: Option<&Authority>) -> Identity {
    listener_with(authority.issue("localhost"), clients)
}

fn listener_with(pair: Pair, clients: Option<&Authority>) -> Identity {
    let client_authority = clients.map(Authority::file);
    Identity::load(IdentityFiles { credentials: credentials(pair), client_authority }).unwrap()
}

/// Trusts `authority`, and presents `shown` when asked.
pub(crate) fn trust(authority: &Authority, shown: Option<Pair>) -> Trust {
    let files = TrustFiles { authority: Some(authority.file()), credentials: shown.map(credentials) };
    Trust::load(files, None).unwrap()
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

async fn pipe() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap());
    let (connected, accepted) = tokio::join!(connected, listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}

/// Sends a word each way. Returns the client's error, or else the listener's.
async fn talk(identity: &Identity, trust: &Trust) -> io::Result<()> {
    let (near, far) = pipe().await;
    let served = async {
        let mut stream = identity.accept(far).await?;
        assert_eq!(stream.protocol(), Some(H2));
        let mut word = [0; 4];
        stream.read_exact(&mut word).await?;
        stream.write_all(&word).await?;
        stream.shutdown().await
    };
    let asked = async {
        let mut stream = trust.connect(near, &localhost()).await?;
        assert_eq!(stream.protocol(), Some(H2));
        stream.write_all(b"word").await?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).await?;
        assert_eq!(&word, b"word");
        Ok(())
    };
    let (served, asked) = tokio::join!(served, asked);
    asked.and(served)
}

async fn refusal(identity: &Identity, trust: &Trust) -> String {
    talk(identity, trust).await.unwrap_err().to_string()
}

#[tokio::test]
async fn both_sides_agree_on_http_2_and_talk() {
    let authority = Authority::new();
    talk(&identity(&authority, None), &trust(&authority, None)).await.unwrap();
}

#[tokio::test]
async fn clients_need_certificates_of_the_right_authority() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let identity = identity(&servers, Some(&clients));
    assert!(identity.asks_for_certificates());
    talk(&identity, &trust(&servers, Some(clients.issue("a client")))).await.unwrap();
    let why = refusal(&identity, &trust(&servers, None)).await;
    assert!(why.contains("CertificateRequired"), "{why}");
    let why = refusal(&identity, &trust(&servers, Some(servers.issue("a client")))).await;
    assert!(why.contains("UnknownCA"), "{why}");
    let why = refusal(&identity, &trust(&servers, Some(clients.issue_expired("a client")))).await;
    assert!(why.contains("CertificateExpired"), "{why}");
}

#[tokio::test]
async fn servers_must_have_the_expected_name() {
    let authority = Authority::new();
    let trusting = trust(&authority, None);
    let why = refusal(&listener_with(authority.issue("other.example"), None), &trusting).await;
    assert!(why.contains("not valid for name \"localhost\""), "{why}");
    let why = refusal(&listener_with(authority.issue_expired("localhost"), None), &trusting).await;
    assert!(why.contains("expired"), "{why}");
    let why = refusal(&identity(&Authority::new(), None), &trusting).await;
    assert!(why.contains("UnknownIssuer"), "{why}");
}

#[tokio::test]
async fn servers_may_have_another_name_than_urls() {
    let authority = Authority::new();
    let identity = listener_with(authority.issue("other.example"), None);
    let name = ServerName::try_from("other.example").unwrap();
    let files = TrustFiles { authority: Some(authority.file()), credentials: None };
    talk(&identity, &Trust::load(files, Some(name)).unwrap()).await.unwrap();
}

/// Connects a client that offers these protocols by ALPN.
async fn offering(identity: &Identity, authority: &Authority, protocols: &[&[u8]]) -> io::Result<()> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(files::authorities(&authority.file()).unwrap())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let (near, far) = pipe().await;
    let connector = TlsConnector::from(Arc::new(config));
    let (served, asked) = tokio::join!(identity.accept(far), connector.connect(localhost(), near));
    asked.and(served.map(drop))
}

#[tokio::test]
async fn http_2_and_1_1_negotiate_by_alpn() {
    let authority = Authority::new();
    let identity = identity(&authority, None);
    offering(&identity, &authority, &[]).await.unwrap();
    offering(&identity, &authority, &[b"grpc-exp", b"h2"]).await.unwrap();
    offering(&identity, &authority, &[b"http/1.1"]).await.unwrap();
    let why = offering(&identity, &authority, &[b"spdy/3"]).await.unwrap_err().to_string();
    assert!(why.contains("NoApplicationProtocol"), "{why}");
}

#[tokio::test]
async fn replaced_files_apply_to_new_connections() {
    let (before, after) = (Authority::new(), Authority::new());
    let identity = identity(&before, None);
    let trusting = trust(&before, None);
    talk(&identity, &trusting).await.unwrap();
    let held = identity.clone();
    identity.replace(&listener_with(after.issue("localhost"), None));
    let why = refusal(&held, &trusting).await;
    assert!(why.contains("UnknownIssuer"), "{why}");
    trusting.clone().replace(&trust(&after, None));
    talk(&held, &trusting).await.unwrap();
}

#[tokio::test]
async fn files_that_do_not_belong_together_are_refused() {
    let authority = Authority::new();
    let (mine, other) = (authority.issue("localhost"), authority.issue("other.example"));
    let key = other.key.clone();
    let credentials = Credentials { certificate: mine.certificate, key: other.key };
    let bad = Identity::load(IdentityFiles { credentials, client_authority: None }).unwrap_err();
    assert_eq!((bad.part, bad.file), (Part::Key, key));
}
