//! Watches: in order, whole, without a gap, over compactions and the deaths of members.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{SOON, World, both, changes, seen};
use crate::{Error, Event, Keys, MAX_BATCHES, Settings, simulated::Etcd};

both! {
    Start::Shared => watch_sees_changes_in_order watch_begins_with_its_revision watch_sees_whole_revisions;
    Start::Own(1, &[]) => compacted_watch_ends_with_the_revision watch_behind_a_compaction_goes_on
        watch_goes_on_after_a_restart;
    Start::Own(3, &[]) => watch_moves_from_a_killed_member watch_moves_from_a_silent_member;
}

async fn watch_sees_changes_in_order(world: World) {
    let client = world.client();
    let from = client.put("order!", "", 0).await.expect("it is put");
    let mut watch = client.watch(Keys::prefix("order/"), from);
    client.put("order/a", "1", 0).await.expect("it is put");
    client.put("order!", "", 0).await.expect("it is put");
    let put = client.put("order/b", "2", 0).await.expect("it is put");
    let (_, deleted) = client.delete("order/a").await.expect("it is deleted");
    let mut events = Vec::new();
    while events.len() < 3 {
        events.extend(changes(&mut watch).await.events);
    }
    let [Event::Put(a), Event::Put(b), gone] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&*a.key, &*a.value, &*b.key, b.modified), (&b"order/a"[..], &b"1"[..], &b"order/b"[..], put));
    assert_eq!(*gone, Event::Deleted { key: "order/a".into(), revision: deleted });
}

async fn watch_begins_with_its_revision(world: World) {
    let client = world.client();
    client.put("begins/a", "", 0).await.expect("it is put");
    let from = client.put("begins/b", "", 0).await.expect("it is put");
    client.put("begins/c", "", 0).await.expect("it is put");
    assert_eq!(seen(&mut client.watch(Keys::prefix("begins/"), from), 2).await, ["begins/b", "begins/c"]);
    let mut later = client.watch(Keys::prefix("begins/"), from + 5);
    for number in 0..10 {
        client.put(format!("begins/{number}"), "", 0).await.expect("it is put");
    }
    assert!(changes(&mut later).await.events.iter().all(|event| event.revision() >= from + 5));
}

/// etcd splits what is larger than 2 MiB, be it of one revision.
async fn watch_sees_whole_revisions(world: World) {
    let client = world.client();
    if let World::Simulated(etcd) = &world {
        etcd.fragment_after(2);
    }
    for number in 0..3 {
        let key = format!("whole/{number}{}", "x".repeat(1 << 20));
        client.put(key, "", 0).await.expect("it is put");
    }
    let (deleted, revision) = client.delete(Keys::prefix("whole/")).await.expect("they are deleted");
    let mut watch = client.watch(Keys::prefix("whole/"), revision);
    let whole = changes(&mut watch).await;
    assert_eq!((whole.revision, whole.events.len() as u64), (revision, deleted));
}

async fn compacted_watch_ends_with_the_revision(world: World) {
    let client = world.client();
    let first = client.put("a", "1", 0).await.expect("it is put");
    for value in ["2", "3"] {
        client.put("a", value, 0).await.expect("it is put");
    }
    client.compact(first + 2).await.expect("it is compacted");
    let mut watch = client.watch("a", first);
    let end = timeout(SOON, watch.next()).await.expect("it ends");
    assert_eq!(end, Some(Err(Error::Compacted { asked: first, revision: Some(first + 2) })));
    assert_eq!(watch.next().await, None);
    assert_eq!(seen(&mut client.watch("a", first + 2), 1).await, ["a"]);
}

async fn watch_behind_a_compaction_goes_on(world: World) {
    let client = world.client();
    let from = client.put("seen", "", 0).await.expect("it is put");
    let mut watch = client.watch("seen", from);
    assert_eq!(seen(&mut watch, 1).await, ["seen"]);
    for _ in 0..3 {
        client.put("other", "", 0).await.expect("it is put");
    }
    let last = client.put("seen", "", 0).await.expect("it is put");
    assert_eq!(seen(&mut watch, 1).await, ["seen"]);
    client.compact(last).await.expect("it is compacted");
    client.put("seen", "", 0).await.expect("it is put");
    assert_eq!(seen(&mut watch, 1).await, ["seen"]);
}

async fn watch_goes_on_after_a_restart(world: World) {
    let client = world.client().within(SOON);
    let from = client.put("a", "", 0).await.expect("it is put");
    let mut watch = client.watch(Keys::prefix(""), from);
    assert_eq!(seen(&mut watch, 1).await, ["a"]);
    world.kill(0);
    world.start(0);
    client.put("b", "", 0).await.expect("it is put");
    client.put("c", "", 0).await.expect("it is put");
    assert_eq!(seen(&mut watch, 2).await, ["b", "c"]);
}

async fn watch_moves_from_a_killed_member(world: World) {
    moves(world, World::kill).await;
}

async fn watch_moves_from_a_silent_member(world: World) {
    moves(world, World::stop).await;
}

/// Watches at a member that does not lead, and puts at another.
async fn moves(world: World, away: fn(&World, usize)) {
    let watched = (world.leader().await + 1) % 3;
    let silence = Duration::from_millis(300);
    let settings = Settings { first: watched, silence, attempt: silence * 2, ..world.settings() };
    let watching = world.client_with(settings);
    let putting = world.client_of(watched + 1).within(SOON);
    let from = putting.put("n/0", "", 0).await.expect("it is put");
    let mut watch = watching.watch(Keys::prefix("n/"), from);
    assert_eq!(seen(&mut watch, 1).await, ["n/0"]);
    away(&world, watched);
    for number in 1..20 {
        putting.put(format!("n/{number}"), "", 0).await.expect("it is put");
    }
    let numbers: Vec<String> = (1..20).map(|number| format!("n/{number}")).collect();
    assert_eq!(seen(&mut watch, 19).await, numbers);
}

#[tokio::test(start_paused = true)]
async fn quiet_watch_stays_with_its_member() {
    let etcd = Etcd::new(2);
    let client = etcd.client(etcd.settings());
    let from = client.put("a", "", 0).await.expect("it is put");
    let mut watch = client.watch("a", from);
    assert_eq!(seen(&mut watch, 1).await, ["a"]);
    // The other one would be asked if the first were given up.
    etcd.lag(1, SOON * 1000);
    sleep(Duration::from_secs(3600)).await;
    client.put("a", "", 0).await.expect("it is put");
    assert_eq!(seen(&mut watch, 1).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn watch_leaves_a_member_without_a_leader() {
    let etcd = Etcd::new(3);
    let from = etcd.revision() + 1;
    let client = etcd.client(Settings { first: 2, ..etcd.settings() });
    let mut watch = client.watch("a", from);
    tokio::task::yield_now().await;
    etcd.isolate(2);
    client.put("a", "", 0).await.expect("it is put");
    assert_eq!(seen(&mut watch, 1).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn lagging_watch_is_late_and_whole() {
    let etcd = Etcd::new(1);
    let client = etcd.client(etcd.settings());
    etcd.lag(0, Duration::from_secs(7));
    let from = client.put("a", "", 0).await.expect("it is put");
    let mut watch = client.watch(Keys::prefix(""), from);
    client.put("b", "", 0).await.expect("it is put");
    assert!(timeout(Duration::from_millis(6900), watch.next()).await.is_err());
    assert_eq!(seen(&mut watch, 2).await, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn lagging_watch_is_overtaken_by_a_compaction() {
    let etcd = Etcd::new(1);
    let client = etcd.client(etcd.settings());
    etcd.lag(0, Duration::from_secs(7));
    let from = client.put("a", "1", 0).await.expect("it is put");
    let mut watch = client.watch("a", from);
    assert!(timeout(Duration::from_secs(1), watch.next()).await.is_err());
    let last = client.put("a", "2", 0).await.expect("it is put");
    client.compact(last).await.expect("it is compacted");
    assert_eq!(watch.next().await, Some(Err(Error::Compacted { asked: from, revision: Some(last) })));
}

#[tokio::test(start_paused = true)]
async fn slow_reader_holds_back_a_few_batches() {
    let etcd = Etcd::new(1);
    let client = etcd.client(etcd.settings());
    let from = etcd.revision() + 1;
    let mut watch = client.watch("a", from);
    for _ in 0..100 {
        client.put("a", "", 0).await.expect("it is put");
        sleep(Duration::from_millis(1)).await;
    }
    // Nothing was read: what does not wait here waits at the member, which sends it at once.
    let mut batches = 0;
    let mut events = 0;
    while events < 100 {
        batches += 1;
        events += changes(&mut watch).await.events.len();
    }
    assert!(batches <= MAX_BATCHES + 8, "{batches}");
}

#[tokio::test(start_paused = true)]
async fn idle_watch_outlives_a_compaction() {
    let etcd = Etcd::new(2);
    let client = etcd.client(etcd.settings());
    let from = client.put("a", "", 0).await.expect("it is put");
    let mut watch = client.watch("a", from);
    assert_eq!(seen(&mut watch, 1).await, ["a"]);
    let other = client.put("other", "", 0).await.expect("it is put");
    // etcd says every ten minutes how far a watch has come.
    sleep(Duration::from_secs(601)).await;
    client.compact(other).await.expect("it is compacted");
    let broken = etcd.snapshot();
    etcd.restore(&broken);
    client.put("a", "", 0).await.expect("it is put");
    assert_eq!(seen(&mut watch, 1).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn watch_of_lost_data_is_silent() {
    let etcd = Etcd::new(1);
    let client = etcd.client(etcd.settings());
    for _ in 0..10 {
        client.put("a", "", 0).await.expect("it is put");
    }
    let mut watch = client.watch("a", etcd.revision() + 1);
    etcd.lose_data();
    let last = client.put("a", "", 0).await.expect("it is put");
    assert!(timeout(SOON, watch.next()).await.is_err());
    for _ in last..12 {
        client.put("a", "", 0).await.expect("it is put");
    }
    assert_eq!(changes(&mut watch).await.revision, 12);
}
