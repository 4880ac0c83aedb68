//! Settings that change while events wait.

use std::time::Duration;

use super::{
    Bench, Receiver, quick,
    receiver::Does::{Answers, Hangs},
    to,
};
use crate::{Settings, limits::Limits};

#[tokio::test]
async fn a_receiver_that_stays_keeps_what_waits() {
    let (mut stays, mut leaves) = (Receiver::new([Hangs]).await, Receiver::new([Hangs]).await);
    let bench = Bench::new(Limits { ends_within: Duration::from_millis(50), ..quick() });
    let webhooks = bench.start(to(&[&stays, &leaves]));
    for number in 0..3 {
        bench.note(number);
    }
    assert_eq!((stays.numbers(1).await, leaves.numbers(1).await), (vec![0], vec![0]));
    let mut comes = Receiver::new([]).await;
    webhooks.set(to(&[&comes, &stays])).unwrap();
    bench.until("ended", 3).await;
    assert_eq!(bench.count("waiting{"), 3, "those of the one that stays");
    bench.note(3);
    // A new one gets what comes from now on.
    assert_eq!(comes.numbers(1).await, [3]);
    bench.until("sent_total{", 1).await;
    assert_eq!(bench.count("waiting{"), 4);
    webhooks.set(to(&[])).unwrap();
    bench.until("ended", 7).await;
    assert_eq!(bench.count("waiting{"), 0);
    while webhooks.is_running() {
        tokio::task::yield_now().await;
    }
    bench.note(4);
    webhooks.set(to(&[&comes])).unwrap();
    bench.note(5);
    assert_eq!(comes.numbers(1).await, [5]);
    webhooks.end().await;
}

#[tokio::test]
async fn a_removed_receiver_gets_what_waits() {
    let mut receiver = Receiver::new([Answers(503)]).await;
    let hour = Duration::from_secs(3600);
    let bench =
        Bench::new(Limits { first_delay: hour, longest_delay: hour, keeps_trying: 9 * hour, ..quick() });
    let webhooks = bench.start(to(&[&receiver]));
    bench.note(0);
    bench.until("failures_total{", 1).await;
    bench.note(1);
    webhooks.set(to(&[])).unwrap();
    bench.note(2);
    assert_eq!(receiver.numbers(3).await, [0, 0, 1]);
    webhooks.end().await;
    assert_eq!((receiver.rest(), bench.counts()), (vec![], (2, 0)));
}

#[tokio::test]
async fn kinds_change_from_the_next_event_on() {
    let mut receiver = Receiver::new([]).await;
    let bench = Bench::new(quick());
    let webhooks = bench.start(to(&[&receiver]));
    bench.note(0);
    webhooks.set(Settings { kinds: vec!["aborted"], ..to(&[&receiver]) }).unwrap();
    bench.note(1);
    bench.note_kind("aborted", 2);
    webhooks.end().await;
    assert_eq!(receiver.rest(), [0, 2]);
}

#[tokio::test]
async fn a_gone_receiver_waits_for_a_reload() {
    let mut receiver = Receiver::new([Answers(410)]).await;
    let bench = Bench::new(quick());
    let webhooks = bench.start(to(&[&receiver]));
    bench.note(0);
    receiver.next().await;
    bench.until("gone", 1).await;
    bench.note(1);
    webhooks.set(to(&[&receiver])).unwrap();
    bench.note(2);
    webhooks.end().await;
    assert_eq!((receiver.rest(), bench.counts(), bench.count("gone")), (vec![2], (1, 2), 2));
}
