//! Leases: granted, renewed, over.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{SOON, World, both, seen};
use crate::{
    Client, Error, Keys, Op, Range, Retry, Txn,
    simulated::{ELECTION, Etcd, MIN_TTL},
};

both! {
    Start::Shared => missing_lease_is_named revoked_lease_takes_its_keys lease_expires_with_its_keys
        renewal_says_how_long put_without_lease_stays;
}

const MINUTE: Duration = Duration::from_secs(60);

async fn missing_lease_is_named(world: World) {
    let client = world.client();
    let lease = client.grant(MINUTE).await.expect("it is granted").id;
    client.revoke(lease).await.expect("it is revoked");
    let missing = |lease| Error::LeaseNotFound { member: world.settings().members[0].clone(), lease };
    assert_eq!(client.keep_alive(lease).await, Err(missing(lease)));
    assert_eq!(client.revoke(lease).await, Err(missing(lease)));
    assert_eq!(client.put("leaseless/a", "", lease).await, Err(missing(lease)));
    let txn = Txn::new().then(Op::put("leaseless/b", "")).then(Op::put_leased("leaseless/c", "", lease));
    let error = client.txn(&txn, Retry::Idempotent).await.expect_err("its lease is not there");
    assert_eq!(error, missing(0));
    let page = client.range(&Range::new(Keys::prefix("leaseless/"))).await.expect("it is read");
    assert_eq!(page.count, 0, "nothing of it was applied");
}

async fn revoked_lease_takes_its_keys(world: World) {
    let client = world.client();
    let lease = client.grant(MINUTE).await.expect("it is granted").id;
    client.put("revoked/a", "", lease).await.expect("it is put");
    let put = client.put("revoked/b", "", lease).await.expect("it is put");
    assert_eq!(client.range(&Range::new("revoked/a")).await.expect("it is read").entries[0].lease, lease);
    let mut watch = client.watch(Keys::prefix("revoked/"), put + 1);
    client.revoke(lease).await.expect("it is revoked");
    let gone = super::changes(&mut watch).await;
    assert_eq!(gone.events.len(), 2, "both in one revision");
}

async fn lease_expires_with_its_keys(world: World) {
    let client = world.client();
    let lease = client.grant(Duration::from_millis(500)).await.expect("it is granted");
    assert!(lease.ttl >= Duration::from_secs(1) && lease.ttl.subsec_nanos() == 0);
    let put = client.put("expired/a", "", lease.id).await.expect("it is put");
    let mut watch = client.watch(Keys::prefix("expired/"), put + 1);
    assert_eq!(seen(&mut watch, 1).await, ["-expired/a"]);
    assert!(matches!(client.keep_alive(lease.id).await, Err(Error::LeaseNotFound { .. })));
}

async fn renewal_says_how_long(world: World) {
    let client = world.client();
    let lease = client.grant(MINUTE).await.expect("it is granted");
    assert_eq!(lease.ttl, MINUTE);
    assert_eq!(client.keep_alive(lease.id).await, Ok(MINUTE));
    client.revoke(lease.id).await.expect("it was there");
}

async fn put_without_lease_stays(world: World) {
    let client = world.client();
    let lease = client.grant(MINUTE).await.expect("it is granted").id;
    client.put("stays/a", "1", lease).await.expect("it is put");
    client.put("stays/a", "2", 0).await.expect("it is put");
    client.revoke(lease).await.expect("it is revoked");
    assert_eq!(client.range(&Range::new("stays/a")).await.expect("it is read").count, 1);
}

/// How long a leased key lasts from now.
async fn lasts(client: &Client, key: &'static str, from: i64) -> Duration {
    let began = Instant::now();
    let mut watch = client.watch(key, from);
    timeout(SOON, seen(&mut watch, 1)).await.expect("it ends");
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn simulated_lease_lasts_from_its_renewal() {
    let client = Etcd::new(1).client(Etcd::new(1).settings());
    let lease = client.grant(Duration::from_secs(10)).await.expect("it is granted");
    let put = client.put("a", "", lease.id).await.expect("it is put");
    for _ in 0..5 {
        sleep(Duration::from_secs(9)).await;
        client.keep_alive(lease.id).await.expect("it is there");
    }
    assert_eq!(lasts(&client, "a", put + 1).await, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn new_leader_gives_leases_their_time() {
    let etcd = Etcd::new(3);
    let client = etcd.client(etcd.settings());
    let lease = client.grant(MIN_TTL).await.expect("it is granted");
    let put = client.put("a", "", lease.id).await.expect("it is put");
    sleep(MIN_TTL - Duration::from_millis(1)).await;
    etcd.kill(0);
    assert_eq!(lasts(&client, "a", put + 1).await, ELECTION + MIN_TTL);
}

#[tokio::test(start_paused = true)]
async fn lease_ends_with_the_quorums_return() {
    let etcd = Etcd::new(3);
    let client = etcd.client(etcd.settings()).within(MINUTE);
    let lease = client.grant(MIN_TTL).await.expect("it is granted");
    client.put("a", "", lease.id).await.expect("it is put");
    etcd.stop(1);
    etcd.stop(2);
    sleep(MIN_TTL * 4).await;
    assert_eq!(etcd.leader(), None);
    etcd.resume(1);
    client.keep_alive(lease.id).await.expect("nobody could end it");
}

#[tokio::test(start_paused = true)]
async fn stopped_etcd_ends_leases_when_it_wakes() {
    let etcd = Etcd::new(3);
    let client = etcd.client(etcd.settings()).within(MINUTE);
    let lease = client.grant(MIN_TTL).await.expect("it is granted");
    (0..3).for_each(|member| etcd.stop(member));
    sleep(MIN_TTL * 4).await;
    (0..3).for_each(|member| etcd.resume(member));
    sleep(Duration::from_millis(1)).await;
    assert!(matches!(client.keep_alive(lease.id).await, Err(Error::LeaseNotFound { .. })));
}
