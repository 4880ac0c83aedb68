//! Receivers that would hold up or fill what sends.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc::unbounded_channel,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Bench, Receiver, SOON, quick,
    receiver::Does::{Floods, Says, Stalls},
    to,
};
use crate::{Settings, limits::Limits};

#[tokio::test]
async fn ten_thousand_events_at_once_arrive() {
    let mut receiver = Receiver::new([]).await;
    let bench = Bench::new(quick());
    let webhooks = bench.start(to(&[&receiver]));
    for number in 0..10_000 {
        bench.note(number);
    }
    assert_eq!(receiver.numbers(10_000).await, Vec::from_iter(0..10_000));
    webhooks.end().await;
    assert_eq!(bench.counts(), (10_000, 0));
}

#[tokio::test]
async fn four_kib_of_a_body_are_read() {
    let mut receiver = Receiver::new([Says(4 << 10), Says((4 << 10) + 1)]).await;
    let bench = Bench::new(quick());
    let webhooks = bench.start(to(&[&receiver]));
    for number in 0..3 {
        bench.note(number);
    }
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(receiver.next().await.connection);
    }
    // The rest of a longer one is not waited for.
    assert_eq!(connections, [0, 0, 1]);
    webhooks.end().await;
    assert_eq!(bench.counts(), (3, 0));
}

#[tokio::test]
async fn a_body_without_end_is_not_read() {
    let mut receiver = Receiver::new([Floods, Stalls, Floods]).await;
    let bench = Bench::new(Limits { drains_within: Duration::from_millis(50), ..quick() });
    let webhooks = bench.start(to(&[&receiver]));
    for number in 0..4 {
        bench.note(number);
    }
    let mut connections = Vec::new();
    for number in 0..4 {
        let got = receiver.next().await;
        assert_eq!(got.number(), number);
        connections.push(got.connection);
    }
    // Such a connection is not used again.
    assert_eq!(connections, [0, 1, 2, 3]);
    webhooks.end().await;
    assert_eq!((bench.counts(), bench.count("failures_total{")), ((4, 0), 0));
}

/// Answers the first connection with these bytes again and again, slowly, and the others well.
async fn slow(
    answer: &'static [u8],
    first: &'static [u8],
) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = unbounded_channel();
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut read = vec![0; 64 << 10];
                _ = stream.read(&mut read).await;
                if connection > 0 {
                    _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                }
                _ = tell.send(connection);
                _ = stream.write_all(first).await;
                while connection == 0 && stream.write_all(answer).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
    });
    (address, told)
}

#[tokio::test]
async fn an_endless_head_is_left() {
    for (answer, first) in [
        (&b"x-header: aaaa\r\n"[..], &b"HTTP/1.1 200 OK\r\n"[..]),
        (b"HTTP/1.1 102 Processing\r\n\r\n", b""),
        (b"a", b"HTTP/1.1 200 OK\r\nx-header: "),
        (b"a", b""),
        (b" ", b"HTTP/1.1 "),
    ] {
        let (address, mut told) = slow(answer, first).await;
        let bench = Bench::new(Limits { answers_within: Duration::from_millis(300), ..quick() });
        let mut settings = to(&[]);
        settings.targets.push(format!("http://{address}/").parse().unwrap());
        let webhooks = bench.start(settings);
        bench.note(0);
        for connection in 0..2 {
            assert_eq!(timeout(SOON, told.recv()).await.unwrap(), Some(connection));
        }
        webhooks.end().await;
        assert_eq!(bench.counts(), (1, 0), "{answer:?}");
        assert!(bench.count("failures_total{") >= 1);
    }
}

static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

fn hangs(_: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
    LOOKUPS.fetch_add(1, Relaxed);
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn a_name_that_hangs_holds_one_thread() {
    let connects_within = Duration::from_millis(1);
    let limits =
        Limits { connects_within, resolve: hangs, ends_within: Duration::from_millis(50), ..quick() };
    let bench = Bench::new(limits);
    let mut settings = to(&[]);
    settings.targets.push("http://hangs.example/".parse().unwrap());
    let webhooks = bench.start(settings);
    bench.note(0);
    bench.until("failures_total{", 10).await;
    timeout(SOON, webhooks.end()).await.expect("it does not wait for the name");
    assert_eq!((LOOKUPS.load(Relaxed), bench.counts()), (1, (0, 1)));
}

#[tokio::test]
async fn a_receiver_must_prove_its_name() {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()).into();
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let client = |trusted: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.cert.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        Some(Arc::new(builder.with_no_client_auth()))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, mut told) = unbounded_channel();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(server));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut read = vec![0; 64 << 10];
            let count = stream.read(&mut read).await.unwrap();
            _ = tell.send(String::from_utf8_lossy(&read[..count]).into_owned());
            _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            // The client decides when the connection ends.
            _ = stream.read(&mut read).await;
        }
    });
    let settings = |trusted| {
        let targets = vec![format!("https://{address}/in").parse().unwrap()];
        Settings { targets, tls: client(trusted), ..to(&[]) }
    };
    let bench = Bench::new(quick());
    let webhooks = bench.start(settings(&other));
    bench.note(0);
    bench.until("failures_total{", 2).await;
    assert!(told.is_empty(), "nothing is sent to one that is not trusted");
    webhooks.set(settings(&issued)).unwrap();
    let request = timeout(SOON, told.recv()).await.unwrap().unwrap();
    assert!(request.starts_with("POST /in HTTP/1.1\r\n"), "{request}");
    webhooks.end().await;
    assert_eq!(bench.counts(), (1, 0));
}
