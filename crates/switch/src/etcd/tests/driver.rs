//! Instances that share a switch.

use std::time::Duration;

use protocol::Strategy::{Blue, Green};
use teal_etcd::{Settings, simulated::Etcd};
use tokio::time::{Instant, sleep};

use super::{
    TTL, World, both,
    follower::{Instance, Observer, is_stable},
};
use crate::{
    Actor, Cutover, Query, Rules,
    course::{Course, TransitionKind},
    etcd::{Known, OrderError, Recorded, TransitionOrder},
    phase_name::PhaseName,
};

both! { instances_switch_together }

const SECOND: Duration = Duration::from_secs(1);

/// No timer; short, so that a test with a real etcd is short too.
fn rules() -> Rules {
    Rules {
        switch_every: None,
        notice: Duration::from_millis(200),
        grace: Duration::from_millis(500),
        announce_timeout: None,
        ..Rules::default()
    }
}

fn order(kind: TransitionKind) -> TransitionOrder {
    TransitionOrder { kind, by: Actor::Operator, epoch: None, is_forced: false }
}

async fn three(etcd: &Etcd, observer: &Observer) -> [Instance; 3] {
    let mut all = Vec::new();
    for name in 0..3 {
        all.push(Instance::start(etcd, &[name], &format!("web-{name}"), &rules(), observer).await);
    }
    all.try_into().ok().expect("they are three")
}

fn query(strategy: protocol::Strategy, course: Course) -> Query {
    Query { strategy, birth: course.epoch }
}

async fn instances_switch_together(world: World) {
    let observer = Observer::default();
    let mut all = Vec::new();
    for name in ["web-1", "web-2", "web-3"] {
        all.push(Instance::join(world.store.clone(), name, &rules(), &observer).await);
    }
    let [one, two, three] = &all[..] else { unreachable!() };
    let announced = one.handle.order(order(TransitionKind::Announce)).await.expect("it is announced");
    assert_eq!((announced.course.epoch, announced.stamp.by.as_str()), (2, "web-1"));
    let again = two.handle.order(TransitionOrder { epoch: Some(1), ..order(TransitionKind::Abort) }).await;
    assert_eq!(again, Err(OrderError::Stale { epoch: 2, seen: 1 }));
    // A client of one instance adopts it.
    three.until(|course| course.phase == PhaseName::Announced, SECOND * 20).await;
    three.adopt();
    for instance in &all {
        instance.until(is_stable(Green, 4), SECOND * 20).await;
    }
    let phases: Vec<_> = observer.courses.lock().iter().map(|course| (course.epoch, course.phase)).collect();
    use PhaseName::{Announced, Draining, Stable};
    assert_eq!(phases, [(1, Stable), (2, Announced), (3, Draining), (4, Stable)]);
    for instance in all {
        instance.handle.leave(SECOND).await.expect("it leaves");
    }
    assert!(world.read().await.instances.is_empty());
}

/// A query that came on record through one instance holds the drain of all, until it ends through another one.
#[tokio::test(start_paused = true)]
async fn query_holds_the_drain_of_all() {
    let (etcd, observer) = (Etcd::new(3), Observer::default());
    let [one, two, three] = three(&etcd, &observer).await;
    let own = one.handle.own().expect("it is live");
    assert_eq!(one.handle.put(own, "a", query(Blue, one.course())).await, Recorded::Done);
    two.handle.order(order(TransitionKind::Announce)).await.expect("it is announced");
    three.handle.order(order(TransitionKind::CutOver)).await.expect("all tell");
    sleep(SECOND * 20).await;
    for instance in [&one, &two, &three] {
        assert_eq!((instance.course().phase, instance.course().active), (PhaseName::Draining, Green));
    }
    let ended = Instant::now();
    assert_eq!(
        three.handle.end("a", None, Instant::now().into_std()),
        Some(query(Blue, Course { epoch: 1, ..one.course() }))
    );
    one.until(is_stable(Green, 4), SECOND * 2).await;
    assert!(ended.elapsed() >= rules().grace);
}

/// An instance that is killed is waited for as long as its lease lasts.
#[tokio::test(start_paused = true)]
async fn killed_instance_is_waited_for_one_ttl() {
    let (etcd, observer) = (Etcd::new(3), Observer::default());
    let [one, two, three] = three(&etcd, &observer).await;
    three.kill(&observer);
    let began = Instant::now();
    one.handle.order(order(TransitionKind::Announce)).await.expect("nobody is waited for");
    let error = two.handle.order(order(TransitionKind::CutOver)).await.expect_err("one does not come along");
    assert_eq!(error.to_string(), "instance web-2 is still in epoch 1 (its lease ends in 5 s at the latest)");
    sleep(TTL).await;
    two.handle.order(order(TransitionKind::CutOver)).await.expect("it is gone");
    one.until(is_stable(Green, 4), SECOND * 5).await;
    assert!(began.elapsed() < TTL * 2);
}

/// An instance without etcd is cut off before the others go on without it, and joins anew in the same process.
#[tokio::test(start_paused = true)]
async fn cut_off_instance_comes_back() {
    let (etcd, observer) = (Etcd::new(3), Observer::default());
    let [one, two, three] = three(&etcd, &observer).await;
    let own = two.handle.own();
    // Its member is alone, the others are enough.
    etcd.isolate(2);
    one.handle.order(order(TransitionKind::Announce)).await.expect("nobody is waited for");
    three.handle.deadline().passed().await;
    assert_eq!(three.course().epoch, 1);
    let error = three.handle.order(order(TransitionKind::Abort)).await;
    assert_eq!(error, Err(OrderError::CutOff));
    sleep(TTL).await;
    one.handle.order(order(TransitionKind::CutOver)).await.expect("it is gone");
    etcd.resume(2);
    let back = Instant::now();
    three.until(|course| course.epoch >= 3, SECOND * 3).await;
    three.handle.ready().await;
    assert!(back.elapsed() < SECOND * 3, "{:?}", back.elapsed());
    one.until(is_stable(Green, 4), SECOND * 5).await;
    assert_eq!(two.handle.own(), own, "it was never away");
}

/// A lease that is renewed late, but in time for etcd, is the same one.
#[tokio::test(start_paused = true)]
async fn instance_with_its_lease_goes_on() {
    let (etcd, observer) = (Etcd::new(3), Observer::default());
    let [one, ..] = three(&etcd, &observer).await;
    let own = one.handle.own();
    // Nobody can end a lease without a quorum.
    etcd.stop(1);
    etcd.stop(2);
    one.handle.deadline().passed().await;
    sleep(TTL * 3).await;
    assert!(one.handle.is_cut_off());
    etcd.resume(1);
    etcd.resume(2);
    sleep(SECOND * 3).await;
    assert!(!one.handle.is_cut_off());
    assert!(own.is_some());
}

/// `strict` passes through `DRAINING`: nobody rejects the old strategy before all tell the new one.
#[tokio::test(start_paused = true)]
async fn strict_cutover_waits_for_all() {
    let (etcd, observer) = (Etcd::new(1), Observer::default());
    let strict = Rules { cutover: Cutover::Strict, ..rules() };
    let one = Instance::start(&etcd, &[0], "web-1", &strict, &observer).await;
    let two = Instance::start(&etcd, &[0], "web-2", &strict, &observer).await;
    let own = one.handle.own().expect("it is live");
    assert_eq!(one.handle.put(own, "a", query(Blue, one.course())).await, Recorded::Done);
    one.handle.order(order(TransitionKind::Announce)).await.expect("it is announced");
    two.handle.order(order(TransitionKind::CutOver)).await.expect("all tell");
    one.until(is_stable(Green, 4), SECOND).await;
    assert_eq!(one.course().closed, [0, 0], "its queries stay on record, to be rejected");
}

#[tokio::test(start_paused = true)]
async fn report_of_quiet_is_taken_back() {
    let (etcd, observer) = (Etcd::new(3), Observer::default());
    let [one, two, three] = three(&etcd, &observer).await;
    let own = one.handle.own().expect("it is live");
    assert_eq!(one.handle.put(own, "a", query(Blue, one.course())).await, Recorded::Done);
    one.handle.order(order(TransitionKind::Announce)).await.expect("it is announced");
    one.handle.order(order(TransitionKind::CutOver)).await.expect("all tell");
    two.until(|course| course.phase == PhaseName::Draining, SECOND).await;
    // From here on the third one hears nothing, so that it reports nothing.
    etcd.lag(2, SECOND * 3);
    assert!(two.handle.end("a", None, Instant::now().into_std()).is_some());
    sleep(rules().grace * 2).await;
    let machine = &two.follows.machine;
    assert!(machine.lock().is_reported());
    // A call of the old strategy comes: it is counted while quiet is taken back.
    let now = Instant::now().into_std();
    let admission =
        machine.lock().judge(protocol::CallKind::Neutral, Blue, false, now).expect("it is let in");
    two.handle.changed();
    let quiet = || async {
        let client = etcd.client(etcd.settings());
        let board = super::store(&client, "teal/").read().await.expect("it is read");
        board.instances[&two.handle.own().expect("it is live").lease].value.quiet
    };
    assert!(quiet().await);
    etcd.delay(1, SECOND / 50);
    assert!(two.handle.retract_quiet().await);
    assert!(!quiet().await && !machine.lock().is_reported());
    sleep(SECOND * 8).await;
    assert_eq!(three.course().phase, PhaseName::Draining);
    machine.lock().finish(admission, false, true, Instant::now().into_std());
    two.handle.changed();
    one.until(is_stable(Green, 4), SECOND * 5).await;
}

/// Wherever the data are lost, the instances put them back: the state, and what was on record.
#[tokio::test(start_paused = true)]
async fn lost_data_are_put_back() {
    let (etcd, observer) = (Etcd::new(3), Observer::default());
    let [one, two, three] = three(&etcd, &observer).await;
    let own = one.handle.own().expect("it is live");
    assert_eq!(one.handle.put(own, "a", query(Blue, one.course())).await, Recorded::Done);
    one.handle.order(order(TransitionKind::Announce)).await.expect("it is announced");
    sleep(SECOND).await;
    etcd.lose_data();
    sleep(TTL).await;
    for instance in [&one, &two, &three] {
        instance.handle.ready().await;
        let course = instance.course();
        assert_eq!((course.epoch, course.phase, course.active), (1000, PhaseName::Announced, Blue));
        let known = instance.handle.copy().lock().get("a", Instant::now().into_std());
        assert!(matches!(known, Known::OnRecord(Query { strategy: Blue, birth: 1 })), "{known:?}");
    }
    let client = etcd.client(Settings { deadline: super::SOON, ..etcd.settings() });
    let store = super::store(&client, "teal/");
    let board = store.read().await.expect("it is read");
    assert_eq!((store.count(board.revision).await.expect("it is counted"), board.instances.len()), (1, 3));
    one.handle.order(order(TransitionKind::CutOver)).await.expect("all tell");
}

/// A copy that is not what etcd holds ends no drain: it is listed anew.
#[tokio::test(start_paused = true)]
async fn wrong_copy_ends_no_drain() {
    let (etcd, observer) = (Etcd::new(3), Observer::default());
    let [one, two, three] = three(&etcd, &observer).await;
    let own = one.handle.own().expect("it is live");
    assert_eq!(one.handle.put(own, "a", query(Blue, one.course())).await, Recorded::Done);
    sleep(SECOND).await;
    // As if a deletion had been seen that never was.
    for instance in [&one, &two, &three] {
        let mut copy = instance.handle.copy().lock();
        let revision = copy.revision();
        copy.replace([], revision);
    }
    one.handle.order(order(TransitionKind::Announce)).await.expect("it is announced");
    one.handle.order(order(TransitionKind::CutOver)).await.expect("all tell");
    sleep(SECOND * 10).await;
    assert_eq!(one.course().phase, PhaseName::Draining);
    assert!(one.handle.end("a", None, Instant::now().into_std()).is_some(), "it is on record again");
    one.until(is_stable(Green, 4), SECOND * 5).await;
}

/// An order that does not fit the view is not refused before the truth is read.
#[tokio::test(start_paused = true)]
async fn order_is_refused_by_the_truth() {
    let (etcd, observer) = (Etcd::new(3), Observer::default());
    let [one, two, _three] = three(&etcd, &observer).await;
    etcd.lag(1, SECOND * 60);
    one.handle.order(order(TransitionKind::Announce)).await.expect("it is announced");
    assert_eq!(two.course().epoch, 1);
    let seen = TransitionOrder { epoch: Some(2), ..order(TransitionKind::Abort) };
    let aborted = two.handle.order(seen).await.expect("the truth is that it is announced");
    assert_eq!((aborted.course.epoch, two.course().epoch), (3, 3), "it is answered once it is followed");
    let stale = two.handle.order(seen).await;
    assert_eq!(stale, Err(OrderError::Stale { epoch: 3, seen: 2 }));
}

/// A put on its way that will hold the drain keeps an instance from being quiet.
#[tokio::test(start_paused = true)]
async fn put_on_its_way_is_not_quiet() {
    let (etcd, observer) = (Etcd::new(1), Observer::default());
    let one = Instance::start(&etcd, &[0], "web-1", &rules(), &observer).await;
    one.handle.order(order(TransitionKind::Announce)).await.expect("it is announced");
    one.handle.order(order(TransitionKind::CutOver)).await.expect("it tells");
    etcd.delay(0, SECOND / 2);
    let own = one.handle.own().expect("it is live");
    for number in 0..1000 {
        assert!(one.handle.put_back(own, &number.to_string(), query(Blue, one.course())));
    }
    sleep(rules().grace * 4).await;
    one.handle.changed();
    sleep(SECOND / 10).await;
    assert!(!one.follows.machine.lock().is_reported());
    etcd.delay(0, Duration::ZERO);
    sleep(SECOND * 10).await;
    for number in 0..1000 {
        let ended = one.handle.end(&number.to_string(), None, Instant::now().into_std());
        assert!(ended.is_some(), "it is on record");
    }
    one.until(is_stable(Green, 4), SECOND * 10).await;
}

/// An instance that cannot publish what it follows does not renew its lease: the others wait one ttl for it.
#[tokio::test(start_paused = true)]
async fn lease_is_renewed_by_those_who_follow() {
    let (etcd, observer) = (Etcd::new(3), Observer::default());
    let [one, two, _three] = three(&etcd, &observer).await;
    etcd.lag(1, SECOND * 60);
    one.handle.order(order(TransitionKind::Announce)).await.expect("it is announced");
    // Renewals work, puts do not.
    etcd.set_full(true);
    sleep(TTL).await;
    assert!(two.handle.is_cut_off() && !one.handle.is_cut_off());
    etcd.set_full(false);
    sleep(SECOND * 3).await;
    assert!(!two.handle.is_cut_off());
    assert_eq!(two.course().epoch, 2);
}
