//! Receivers that fail for a while, and events that are dropped.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use switch::KEPT;
use tokio::{net::TcpListener, task::yield_now, time::timeout};

use super::{
    Bench, Receiver, SOON, quick,
    receiver::Does::{Answers, AnswersWith, Breaks, Hangs},
    to,
};
use crate::limits::Limits;

#[tokio::test]
async fn failures_are_tried_again_in_order() {
    let script =
        [Answers(503), Answers(500), Answers(204), AnswersWith(429, "retry-after", "0"), Answers(404)];
    let mut receiver = Receiver::new(script).await;
    let bench = Bench::new(quick());
    let webhooks = bench.start(to(&[&receiver]));
    for number in 0..3 {
        bench.note(number);
    }
    let got = [receiver.next().await, receiver.next().await, receiver.next().await];
    let ids: Vec<_> = got.iter().map(|got| got.header("webhook-id")).collect();
    assert_eq!(ids, [ids[0]; 3], "an attempt has the id of the first");
    assert_eq!(receiver.numbers(4).await, [1, 1, 1, 2]);
    webhooks.end().await;
    assert_eq!((bench.counts(), bench.count("failures_total{")), ((3, 0), 4));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Receiver::new([]).await;
    let location: &'static str = format!("http://{}/", elsewhere.address).leak();
    let mut receiver =
        Receiver::new([AnswersWith(302, "location", location), AnswersWith(308, "location", location)]).await;
    let bench = Bench::new(quick());
    let webhooks = bench.start(to(&[&receiver]));
    bench.note(0);
    assert_eq!(receiver.numbers(3).await, [0, 0, 0]);
    webhooks.end().await;
    let mut elsewhere = elsewhere;
    assert_eq!((elsewhere.rest(), bench.counts()), (vec![], (1, 0)));
}

#[tokio::test]
async fn a_hanging_receiver_is_left_and_tried_again() {
    let mut receiver = Receiver::new([Hangs]).await;
    let bench = Bench::new(Limits { answers_within: Duration::from_millis(300), ..quick() });
    let webhooks = bench.start(to(&[&receiver]));
    bench.note(0);
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!((first.body, first.connection, second.connection), (second.body, 0, 1));
    webhooks.end().await;
    assert_eq!(bench.counts(), (1, 0));
    assert!(bench.count("failures_total{") >= 1);
}

#[tokio::test]
async fn a_receiver_that_comes_back_gets_all() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let bench = Bench::new(quick());
    let mut settings = to(&[]);
    settings.targets.push(format!("http://{address}/").parse().unwrap());
    let webhooks = bench.start(settings);
    for number in 0..20 {
        bench.note(number);
    }
    bench.until("failures_total{", 3).await;
    let mut receiver = Receiver::at(address, []).await;
    assert_eq!(receiver.numbers(20).await, Vec::from_iter(0..20));
    webhooks.end().await;
    assert_eq!(bench.counts(), (20, 0));
}

#[tokio::test]
async fn a_closed_connection_is_opened_again() {
    let mut receiver = Receiver::new([AnswersWith(200, "connection", "close"), Answers(200), Breaks]).await;
    let bench = Bench::new(quick());
    let webhooks = bench.start(to(&[&receiver]));
    for number in 0..3 {
        bench.note(number);
    }
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(receiver.next().await.connection);
    }
    assert_eq!(connections, [0, 1, 1, 2]);
    webhooks.end().await;
    // A kept connection may end at any time.
    assert_eq!((bench.counts(), bench.count("failures_total{")), ((3, 0), 0));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mut receiver = Receiver::new([]).await;
    let bench = Bench::new(Limits { idles: Duration::ZERO, ..quick() });
    let webhooks = bench.start(to(&[&receiver]));
    for number in 0..3 {
        bench.note(number);
        assert_eq!(receiver.next().await.connection, number);
        let closed = async {
            while receiver.ended.load(Relaxed) <= number {
                yield_now().await;
            }
        };
        timeout(SOON, closed).await.expect("the connection is closed");
    }
    webhooks.end().await;
}

#[tokio::test]
async fn the_oldest_events_leave_a_full_queue() {
    let hour = Duration::from_secs(3600);
    let mut receiver = Receiver::new([Answers(503)]).await;
    let slow = Limits { first_delay: hour, longest_delay: hour, keeps_trying: 9 * hour, ..quick() };
    let bench = Bench::new(Limits { events: 3, ..slow });
    let webhooks = bench.start(to(&[&receiver]));
    bench.note(0);
    bench.until("failures_total{", 1).await;
    for number in 1..10 {
        bench.note(number);
    }
    bench.until("full", 6).await;
    assert_eq!(bench.count("waiting{"), 4);
    // It ends the pause, and sends what waits.
    webhooks.end().await;
    assert_eq!((receiver.rest(), bench.counts()), (vec![0, 0, 7, 8, 9], (4, 6)));
}

#[tokio::test]
async fn events_that_left_the_log_are_counted() {
    let bench = Bench::new(Limits { events: 4, ..quick() });
    let mut receiver = Receiver::new([]).await;
    for number in 0..KEPT + 5 {
        bench.note(number);
    }
    let webhooks = bench.start(to(&[&receiver]));
    webhooks.end().await;
    let (sent, dropped) = bench.counts();
    assert_eq!((sent + dropped, receiver.rest().last()), (KEPT as u64 + 5, Some(&(KEPT + 4))));
    assert!(dropped >= 5);
}

#[tokio::test]
async fn an_event_is_tried_for_so_long() {
    let mut receiver = Receiver::new(vec![Answers(503); 10_000]).await;
    let bench = Bench::new(Limits { keeps_trying: Duration::from_millis(500), ..quick() });
    let webhooks = bench.start(to(&[&receiver]));
    bench.note(0);
    bench.note(1);
    webhooks.end().await;
    assert!(receiver.rest().len() > 1);
    assert_eq!((bench.counts(), bench.count("expired")), ((0, 2), 2));
}

#[tokio::test]
async fn a_refused_event_does_not_hold_up_others() {
    let mut receiver = Receiver::new([Answers(400), Answers(413), Answers(415), Answers(422)]).await;
    let bench = Bench::new(quick());
    let webhooks = bench.start(to(&[&receiver]));
    for number in 0..6 {
        bench.note(number);
    }
    assert_eq!(receiver.numbers(6).await, Vec::from_iter(0..6));
    webhooks.end().await;
    assert_eq!((bench.counts(), bench.count("refused")), ((2, 4), 4));
}

#[tokio::test]
async fn events_left_at_the_end_are_counted() {
    let mut receiver = Receiver::new([Hangs]).await;
    let bench = Bench::new(Limits { ends_within: Duration::from_millis(100), ..quick() });
    let webhooks = bench.start(to(&[&receiver]));
    for number in 0..3 {
        bench.note(number);
    }
    assert_eq!(receiver.numbers(1).await, [0]);
    webhooks.end().await;
    assert_eq!((bench.counts(), bench.count("ended")), ((0, 3), 3));
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_pause() {
    let hour = Duration::from_secs(3600);
    let mut receiver = Receiver::new([Answers(503)]).await;
    let bench =
        Bench::new(Limits { first_delay: hour, longest_delay: hour, keeps_trying: 9 * hour, ..quick() });
    let webhooks = bench.start(to(&[&receiver]));
    bench.note(0);
    receiver.next().await;
    bench.until("failures_total{", 1).await;
    bench.note(1);
    webhooks.end().await;
    assert_eq!((receiver.rest(), bench.counts()), (vec![0, 1], (2, 0)));
}
