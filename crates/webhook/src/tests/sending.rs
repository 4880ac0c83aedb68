//! Receivers that do as they should.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use tempfile::TempDir;

use super::{Bench, Receiver, quick, to};
use crate::{Secrets, Settings};

/// Recomputes a signature.
fn signature(key: &[u8], of: &super::receiver::Got) -> String {
    let signed =
        [of.header("webhook-id").as_bytes(), b".", of.header("webhook-timestamp").as_bytes(), b".", &of.body];
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed.concat())))
}

#[tokio::test]
async fn events_come_signed_and_in_order() {
    let mut receiver = Receiver::new([]).await;
    let bench = Bench::new(quick());
    bench.note(0);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, format!("whsec_{}", STANDARD.encode([9; 32]))).unwrap();
    let settings = Settings { secrets: Some(Secrets::read(&file).unwrap()), ..to(&[&receiver]) };
    let webhooks = bench.start(settings);
    for number in 1..50 {
        bench.note(number);
    }
    for number in 0..50 {
        let got = receiver.next().await;
        assert_eq!((got.number(), got.path.as_str(), got.connection), (number, "/in?key=s3cr3t", 0));
        assert_eq!(got.header("content-type"), "application/cloudevents+json");
        assert_eq!(got.header("host"), receiver.address.to_string());
        assert_eq!(got.header("webhook-id"), got.event()["id"].as_str().unwrap());
        assert_eq!(got.header("webhook-signature"), signature(&[9; 32], &got));
    }
    webhooks.end().await;
    assert_eq!(bench.counts(), (50, 0));
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let mut receiver = Receiver::new([]).await;
    let bench = Bench::new(quick());
    let webhooks = bench.start(to(&[&receiver]));
    bench.note(0);
    let got = receiver.next().await;
    assert!(!got.headers.contains_key("webhook-signature") && got.headers.contains_key("webhook-timestamp"));
    webhooks.end().await;
}

#[tokio::test]
async fn only_chosen_kinds_are_sent() {
    let mut receiver = Receiver::new([]).await;
    let bench = Bench::new(quick());
    let webhooks = bench.start(Settings { kinds: vec!["drained", "aborted"], ..to(&[&receiver]) });
    for (number, kind) in ["announced", "aborted", "fault", "drained", "refused"].into_iter().enumerate() {
        bench.note_kind(kind, number);
    }
    webhooks.end().await;
    assert_eq!(receiver.rest(), [1, 3]);
    assert_eq!(bench.counts(), (2, 0));
}

#[tokio::test]
async fn each_receiver_gets_each_event() {
    let mut receivers = [Receiver::new([super::receiver::Does::Hangs]).await, Receiver::new([]).await];
    let bench = Bench::new(quick());
    let _webhooks = bench.start(to(&[&receivers[0], &receivers[1]]));
    for number in 0..5 {
        bench.note(number);
    }
    // One that hangs does not hold up another.
    assert_eq!(receivers[1].numbers(5).await, [0, 1, 2, 3, 4]);
    assert_eq!(receivers[0].numbers(1).await, [0]);
}

#[tokio::test]
async fn without_receivers_there_is_no_thread() {
    let bench = Bench::new(quick());
    let webhooks = bench.start(to(&[]));
    bench.note(0);
    assert!(!webhooks.is_running());
    webhooks.end().await;
    assert_eq!(bench.count("total{"), 0);
}

/// Two servers may be started in the same microsecond.
#[tokio::test]
async fn servers_with_one_log_have_other_ids() {
    let mut receivers = [Receiver::new([]).await, Receiver::new([]).await];
    let bench = Bench::new(quick());
    let _webhooks = receivers.each_ref().map(|receiver| bench.start(to(&[receiver])));
    bench.note(0);
    let [one, two] = [receivers[0].next().await, receivers[1].next().await];
    assert_ne!(one.header("webhook-id"), two.header("webhook-id"));
}
