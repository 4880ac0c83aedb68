//! Queries that come on record and leave it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use parking_lot::Mutex;
use protocol::Strategy::{Blue, Green};
use teal_etcd::Range;
use tokio::time::{sleep, timeout};

use super::{SOON, TTL, World, both, kept, status, truth};
use crate::{
    Query,
    etcd::{
        Deadline, FRESH, Known, LookUp, MAX_BATCH, MAX_COMMITS, MAX_LOOK_UPS, MAX_QUEUE, Own, Reader,
        RecordCopy, Recorded, Recorder,
    },
};

both! {
    query_is_in_etcd_before_the_answer group_commit_takes_what_waits order_about_a_query_is_kept
    other_incarnation_puts_nothing many_ids_are_looked_up_at_once look_up_reads_the_truth_after_the_call
}

const BLUE: Query = Query { strategy: Blue, birth: 1 };

struct Instance {
    own: Own,
    deadline: Deadline,
    copy: Arc<Mutex<RecordCopy>>,
    recorder: Recorder,
    reader: Reader,
}

impl Instance {
    async fn join(world: &World) -> Self {
        world.store.create(&truth(1)).await.expect("it is created");
        let deadline = Deadline::over();
        let own = world.store.join(&status(0), TTL, &deadline).await.expect("it joins");
        let copy = Arc::<Mutex<RecordCopy>>::default();
        let recorder = Recorder::start(world.store.clone(), Arc::clone(&copy), deadline.clone());
        let reader = Reader::start(world.store.clone(), deadline.clone());
        Self { own, deadline, copy, recorder, reader }
    }

    async fn put(&self, id: &str) -> Recorded {
        timeout(SOON, self.recorder.put(self.own, id, BLUE)).await.expect("it is answered")
    }
}

/// What etcd holds under a query's key.
async fn value(world: &World, id: &str) -> Option<String> {
    let client = world.client.within(SOON);
    let page = client.range(&Range::new(world.store.prefix().query(id))).await.expect("it is read");
    page.entries.first().map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
}

async fn query_is_in_etcd_before_the_answer(world: World) {
    let instance = Instance::join(&world).await;
    assert_eq!(instance.put("a").await, Recorded::Done);
    assert_eq!(value(&world, "a").await.as_deref(), Some("b1"));
    assert_eq!(instance.copy.lock().get("a", Instant::now()), Known::OnRecord(BLUE));
    instance.copy.lock().end("a", None, Instant::now());
    assert!(instance.recorder.delete("a", BLUE) && instance.recorder.flush(SOON).await);
    assert_eq!(value(&world, "a").await, None);
}

async fn group_commit_takes_what_waits(world: World) {
    let instance = Instance::join(&world).await;
    let before = world.read().await.revision;
    let ids: Vec<_> = (0..1000).map(|number| format!("q{number}")).collect();
    let done = join_all(ids.iter().map(|id| instance.recorder.put(instance.own, id, BLUE))).await;
    assert!(done.iter().all(|done| *done == Recorded::Done), "{done:?}");
    assert_eq!(instance.recorder.on_the_way(), 0);
    let board = world.read().await;
    assert_eq!(world.store.count(board.revision).await.expect("it is counted"), 1000);
    if world.etcd.is_some() {
        // The first ones go alone; what waits meanwhile goes by full transactions.
        let most = i64::try_from(1000_usize.div_ceil(MAX_BATCH) + 2 * MAX_COMMITS).expect("it is small");
        assert!(board.revision - before <= most, "{}", board.revision - before);
    }
}

/// A cursor that is begun, ended, and begun again under the same id, as fast as can be.
async fn order_about_a_query_is_kept(world: World) {
    let instance = Instance::join(&world).await;
    let Instance { recorder, own, .. } = &instance;
    for _ in 0..50 {
        let first = recorder.put(*own, "a", BLUE);
        assert!(recorder.delete("a", BLUE));
        let last = recorder.put(*own, "a", Query { strategy: Green, birth: 2 });
        assert_eq!((first.await, last.await), (Recorded::Done, Recorded::Done));
        assert_eq!(value(&world, "a").await.as_deref(), Some("g2"));
        assert!(recorder.delete("a", BLUE) && recorder.flush(SOON).await);
        assert_eq!(value(&world, "a").await, None);
    }
}

async fn other_incarnation_puts_nothing(world: World) {
    let instance = Instance::join(&world).await;
    assert_eq!(instance.put("ended").await, Recorded::Done);
    // etcd ends the lease before its owner knows.
    world.client.revoke(instance.own.lease).await.expect("it was there");
    let (put, _) = (instance.recorder.put(instance.own, "a", BLUE), instance.recorder.delete("ended", BLUE));
    assert_eq!(put.await, Recorded::CutOff);
    assert!(instance.recorder.flush(SOON).await);
    assert_eq!((value(&world, "a").await, value(&world, "ended").await), (None, None));
    assert_eq!(instance.copy.lock().get("a", Instant::now()), Known::Unknown);
    let own = world.store.join(&status(0), TTL, &instance.deadline).await.expect("it joins");
    assert_eq!(instance.recorder.put(own, "a", BLUE).await, Recorded::Done);
}

async fn many_ids_are_looked_up_at_once(world: World) {
    let instance = Instance::join(&world).await;
    assert_eq!(instance.put("there").await, Recorded::Done);
    let ids: Vec<_> =
        (0..300).map(|number| if number % 3 == 0 { "there".into() } else { format!("{number}") }).collect();
    let looked = join_all(ids.iter().map(|id| instance.reader.look_up(Some(id)))).await;
    for (id, looked) in ids.iter().zip(looked) {
        let LookUp::Found(looked) = looked else { panic!("{looked:?}") };
        assert_eq!(looked.query, (id == "there").then_some(BLUE), "{id}");
        assert_eq!(looked.truth.value, truth(1));
    }
}

async fn look_up_reads_the_truth_after_the_call(world: World) {
    let instance = Instance::join(&world).await;
    for epoch in 2..12 {
        let board = world.read().await;
        let next = truth(epoch);
        world.store.propose(instance.own, &board, kept(&board), &next).await.expect("it is answered");
        let looked = instance.reader.look_up(None).await;
        assert!(matches!(&looked, LookUp::Found(looked) if looked.truth.value == next), "{looked:?}");
    }
}

/// A begin waits while etcd is away, and no longer than its instance is live for certain.
#[tokio::test(start_paused = true)]
async fn begin_waits_until_the_instance_is_cut_off() {
    let world = World::simulated();
    let instance = Instance::join(&world).await;
    let etcd = world.etcd.as_ref().expect("it is simulated");
    etcd.stop(1);
    etcd.stop(2);
    let (put, looked) = (instance.put("a"), instance.reader.look_up(Some("b")));
    let both = async { tokio::join!(put, looked) };
    let began = tokio::time::Instant::now();
    assert_eq!(both.await, (Recorded::CutOff, LookUp::CutOff));
    assert_eq!(began.elapsed(), Duration::from_secs(9));
    assert!(instance.deadline.is_over());
    etcd.resume(1);
    etcd.resume(2);
    assert!(instance.recorder.flush(SOON).await, "what may have been put is deleted");
    assert_eq!(value(&world, "a").await, None);
}

#[tokio::test(start_paused = true)]
async fn begin_outlives_a_new_leader() {
    let world = World::simulated();
    let instance = Instance::join(&world).await;
    let etcd = world.etcd.as_ref().expect("it is simulated");
    etcd.kill(0);
    assert_eq!(instance.put("a").await, Recorded::Done);
    assert!(
        matches!(instance.reader.look_up(Some("a")).await, LookUp::Found(found) if found.query == Some(BLUE))
    );
    assert!(!instance.deadline.is_over());
}

/// The put is applied, its answer lost, and its guard fails at the next attempt.
#[tokio::test(start_paused = true)]
async fn unanswered_put_of_a_lost_instance_is_deleted() {
    let world = World::simulated();
    let instance = Instance::join(&world).await;
    let etcd = world.etcd.clone().expect("it is simulated");
    (0..3).for_each(|member| etcd.lose_answers(member, 1));
    let put = instance.recorder.put(instance.own, "a", BLUE);
    let store = world.store.clone();
    let meanwhile = async {
        sleep(Duration::from_millis(500)).await;
        assert!(value(&world, "a").await.is_some(), "it is applied");
        world.client.revoke(instance.own.lease).await.expect("it was there");
    };
    let ((), put) = tokio::join!(meanwhile, put);
    assert_eq!(put, Recorded::CutOff);
    assert!(instance.recorder.flush(SOON).await);
    assert_eq!(
        store.count(store.read().await.expect("it is read").revision).await.expect("it is counted"),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn full_etcd_fails_begins_and_deletes() {
    let world = World::simulated();
    let instance = Instance::join(&world).await;
    let etcd = world.etcd.as_ref().expect("it is simulated");
    assert_eq!(instance.put("old").await, Recorded::Done);
    etcd.set_full(true);
    let (first, _, second) = (
        instance.recorder.put(instance.own, "a", BLUE),
        instance.recorder.delete("old", BLUE),
        instance.put("b"),
    );
    for failed in [first.await, second.await] {
        assert!(matches!(&failed, Recorded::Failed(why) if why.contains("out of space")), "{failed:?}");
    }
    assert!(instance.recorder.flush(SOON).await);
    assert_eq!((value(&world, "old").await, value(&world, "a").await), (None, None));
}

/// An answer that takes over a second is not believed: the truth it shows may be old by then.
#[tokio::test(start_paused = true)]
async fn slow_look_up_is_thrown_away() {
    let world = World::simulated();
    let instance = Instance::join(&world).await;
    let etcd = world.etcd.clone().expect("it is simulated");
    (0..3).for_each(|member| etcd.delay(member, FRESH * 3 / 5));
    let looked = instance.reader.look_up(None);
    let meanwhile = async {
        sleep(FRESH * 2).await;
        (0..3).for_each(|member| etcd.delay(member, Duration::ZERO));
    };
    let began = tokio::time::Instant::now();
    let ((), looked) = tokio::join!(meanwhile, looked);
    assert!(matches!(looked, LookUp::Found(_)), "{looked:?}");
    assert!(began.elapsed() >= FRESH * 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn queues_are_bounded() {
    let world = World::simulated();
    let instance = Instance::join(&world).await;
    let etcd = world.etcd.as_ref().expect("it is simulated");
    (0..3).for_each(|member| etcd.stop(member));
    // Nothing runs meanwhile, so the queue is the channel alone.
    let puts: Vec<_> =
        (0..=MAX_QUEUE).map(|n| instance.recorder.put(instance.own, &n.to_string(), BLUE)).collect();
    let looks: Vec<_> = (0..=MAX_LOOK_UPS).map(|_| instance.reader.look_up(None)).collect();
    assert_eq!(puts.into_iter().next_back().expect("there is one").await, Recorded::Busy);
    assert_eq!(looks.into_iter().next_back().expect("there is one").await, LookUp::Busy);
    assert!(!instance.recorder.delete("a", BLUE));
    assert_eq!(instance.recorder.on_the_way(), MAX_QUEUE);
}
