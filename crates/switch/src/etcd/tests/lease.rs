//! An instance's own key and its deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{SOON, TTL, World, both, kept, status, truth};
use crate::etcd::{Deadline, MAX_INSTANCES, StoreError, Written};

both! {
    joining_shows_the_instance status_is_published_under_the_lease eldest_joined_first leaving_takes_the_key
    quiet_is_not_taken_back_too_late missing_lease_is_not_renewed sixty_fifth_instance_is_refused
}

async fn joining_shows_the_instance(world: World) {
    let deadline = Deadline::over();
    assert!(deadline.is_over());
    let own = world.store.join(&status(0), TTL, &deadline).await.expect("it joins");
    assert!(!deadline.is_over() && deadline.left() <= Duration::from_secs(9));
    let board = world.read().await;
    assert_eq!(board.own(own.lease, own.created), Some(&status(0)));
    assert_eq!(board.own(own.lease, own.created + 1), None);
    assert_eq!(board.live(), [status(0)]);
}

async fn status_is_published_under_the_lease(world: World) {
    let (own, board) = world.joined().await;
    let done = world.store.publish(own, &board, kept(&board), &status(1)).await.expect("it is answered");
    assert!(matches!(done, Written::Done(_)), "{done:?}");
    // An attempt that was given up before may come late.
    let late = world.store.publish(own, &board, kept(&board), &status(0)).await.expect("it is answered");
    assert!(matches!(late, Written::Lost(_)), "{late:?}");
    assert_eq!(world.read().await.live(), [status(1)]);
    world.store.leave(own, &Deadline::over()).await.expect("it leaves");
    assert!(world.read().await.instances.is_empty());
}

async fn eldest_joined_first(world: World) {
    let first = world.store.join(&status(0), TTL, &Deadline::over()).await.expect("it joins");
    let second = world.store.join(&status(0), TTL, &Deadline::over()).await.expect("it joins");
    assert_eq!(world.read().await.eldest(), Some(first.lease));
    world.store.leave(first, &Deadline::over()).await.expect("it leaves");
    assert_eq!(world.read().await.eldest(), Some(second.lease));
}

async fn leaving_takes_the_key(world: World) {
    let deadline = Deadline::over();
    let own = world.store.join(&status(0), TTL, &deadline).await.expect("it joins");
    world.store.leave(own, &deadline).await.expect("it leaves");
    assert!(deadline.is_over() && world.read().await.instances.is_empty());
    world.store.leave(own, &deadline).await.expect("its lease is gone already");
}

async fn quiet_is_not_taken_back_too_late(world: World) {
    let (own, board) = world.joined().await;
    let before = kept(&board);
    let moved = world.store.propose(own, &board, before, &truth(2)).await.expect("it is answered");
    assert!(matches!(moved, Written::Done(_)), "{moved:?}");
    let lost = world.store.publish(own, &board, before, &status(1)).await.expect("it is answered");
    assert!(matches!(&lost, Written::Lost(newer) if kept(newer).value == truth(2)), "{lost:?}");
}

async fn missing_lease_is_not_renewed(world: World) {
    let deadline = Deadline::over();
    let own = world.store.join(&status(0), TTL, &deadline).await.expect("it joins");
    world.store.renew(own, &deadline).await.expect("it is there");
    world.store.leave(own, &deadline).await.expect("it leaves");
    let error = world.store.renew(own, &deadline).await.expect_err("it is gone");
    assert!(matches!(error, StoreError::Etcd(teal_etcd::Error::LeaseNotFound { .. })), "{error:?}");
    assert!(deadline.is_over());
}

async fn sixty_fifth_instance_is_refused(world: World) {
    for _ in 0..MAX_INSTANCES {
        world.store.join(&status(0), TTL, &Deadline::over()).await.expect("it joins");
    }
    let error = world.store.join(&status(0), TTL, &Deadline::over()).await.expect_err("they are too many");
    assert!(error.to_string().ends_with("expected at most 64 live instances; as many are there already"));
    let board = world.read().await;
    assert_eq!(board.instances.len(), MAX_INSTANCES);
}

/// The deadline is over while the key is still there, however long an answer takes.
#[tokio::test(start_paused = true)]
async fn deadline_passes_before_the_lease_ends() {
    let world = World::simulated();
    let etcd = world.etcd.as_ref().expect("it is simulated");
    (0..3).for_each(|member| etcd.delay(member, Duration::from_millis(400)));
    let deadline = Deadline::over();
    let own = world.store.join(&status(0), TTL, &deadline).await.expect("it joins");
    for _ in 0..3 {
        let sent = Instant::now();
        world.store.renew(own, &deadline).await.expect("it is there");
        timeout(SOON, deadline.passed()).await.expect("nobody renews it");
        assert_eq!(sent.elapsed(), Duration::from_secs(9));
        assert_eq!(world.read().await.instances.len(), 1);
    }
    sleep(TTL).await;
    assert!(world.read().await.instances.is_empty());
}

#[tokio::test(start_paused = true)]
async fn late_answer_brings_no_deadline_back() {
    let deadline = Deadline::over();
    let start = Instant::now();
    deadline.renewed(start + Duration::from_secs(5), TTL);
    deadline.renewed(start, TTL);
    assert_eq!(deadline.left(), Duration::from_secs(14));
    deadline.end();
    assert!(deadline.is_over());
}
