//! When nobody answers, and what is said then.

use std::time::Duration;

use super::{SOON, World, both};
use crate::{Client, Error, Range, Retry, Settings, Txn, simulated::Etcd};

both! {
    Start::Own(3, &[]) => lost_quorum_is_waited_for;
    Start::Own(1, &[]) => dead_etcd_is_named;
}

async fn lost_quorum_is_waited_for(world: World) {
    let leader = world.leader().await;
    let (one, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let client = world.client_of(leader);
    client.put("a", "1", 0).await.expect("it is put");
    world.kill(one);
    world.kill(other);
    let error = client.within(Duration::from_secs(5)).put("a", "2", 0).await.expect_err("there is no quorum");
    assert!(error.is_outage(), "{error:?}");
    assert!(error.to_string().contains("expected an etcd with a leader"), "{error}");
    world.start(one);
    world.start(other);
    client.within(SOON).put("a", "3", 0).await.expect("there is a quorum again");
}

async fn dead_etcd_is_named(world: World) {
    world.kill(0);
    let client = world.client().within(Duration::from_millis(500));
    let error = client.range(&Range::new("a")).await.expect_err("nobody is there");
    let Error::Unreachable { member, why } = &error else { panic!("{error:?}") };
    assert_eq!(member, &world.settings().members[0]);
    assert!(why.to_lowercase().contains("refused"), "{why}");
    assert!(error.is_outage() && !error.may_have_applied());
    assert!(error.to_string().starts_with(&format!("{member}: expected etcd there")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn each_member_is_named() {
    let etcd = Etcd::new(3);
    let client = etcd.client(etcd.settings());
    for member in 0..3 {
        etcd.kill(member);
    }
    let error = client.range(&Range::new("a")).await.expect_err("nobody is there");
    let words = error.to_string();
    assert!(words.starts_with("no member of etcd answers: "), "{words}");
    assert!(etcd.settings().members.iter().all(|member| words.contains(member)), "{words}");
}

#[tokio::test(start_paused = true)]
async fn deadline_is_kept_with_silent_members() {
    let etcd = Etcd::new(5);
    let client = etcd.client(Settings { attempt: SOON, ..etcd.settings() });
    for member in 0..5 {
        etcd.stop(member);
    }
    let began = tokio::time::Instant::now();
    client.range(&Range::new("a")).await.expect_err("nobody answers");
    assert_eq!(began.elapsed(), etcd.settings().deadline);
    let (client, txn) = (client.within(Duration::from_secs(1)), Txn::new());
    let began = tokio::time::Instant::now();
    let error = client.txn(&txn, Retry::IfNotApplied).await.expect_err("nobody answers");
    assert!(error.may_have_applied());
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn data_set_back_are_read_as_they_were() {
    let etcd = Etcd::new(3);
    let client = etcd.client(etcd.settings());
    client.put("a", "1", 0).await.expect("it is put");
    let lease = client.grant(Duration::from_secs(10)).await.expect("it is granted");
    let before = etcd.snapshot();
    let last = client.put("a", "2", 0).await.expect("it is put");
    client.revoke(lease.id).await.expect("it is revoked");
    etcd.restore(&before);
    let page = client.range(&Range::new("a")).await.expect("it is read");
    assert_eq!((&*page.entries[0].value, page.revision), (&b"1"[..], last - 1));
    client.keep_alive(lease.id).await.expect("its revocation is undone");
}

/// A server of HTTP/1, such as another program or etcd's port for its members.
#[tokio::test]
async fn another_server_is_no_etcd() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut first = [0; 24];
            if stream.read_exact(&mut first).await.is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    let settings = Settings::new([format!("http://{address}")]);
    let client = Client::new(Settings { deadline: Duration::from_millis(300), ..settings });
    let error = client.expect("it is a URL").range(&Range::new("a")).await.expect_err("it is no etcd");
    server.abort();
    assert!(matches!(error, Error::NotEtcd { .. }), "{error:?}");
    assert!(error.to_string().contains("expected the client port of an etcd"), "{error}");
}
