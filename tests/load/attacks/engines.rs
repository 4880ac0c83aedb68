//! Row 8: engines that do not read, so that teal must hold data.

use std::sync::atomic::{AtomicUsize, Ordering};

use h2::Reason;
use http::HeaderValue;
use tokio::{io::AsyncWriteExt, time::timeout_at};

use super::{
    KIB, MIB, engines, first_request, serve, teal_between,
    trial::{Attack, Trial},
    victim::Calls,
};
use crate::support::{
    alone,
    peers::{client, engine, open, request},
    raw::{self, PING, Raw},
};

/// A call to the blue engine, which is left waiting; the attack goes on as long.
async fn call(attack: Attack) {
    let client = client(attack.address).await;
    let _held = open(&client, request("/attack/call"), true).await;
    attack.over().await;
}

#[test]
fn unread_pongs_are_bounded() {
    let _alone = alone();
    let engines = engines();
    let good = engines.block_on(engine(serve)).address;
    let bad = engines.block_on(raw::engine(async |mut engine: Raw| {
        // The first request begins the flood; none of what comes back is read.
        if first_request(&mut engine).await.is_none() {
            return;
        }
        let pings = raw::frame(PING, 0, 0, b"flooding").repeat(4000);
        let mut to = engine.into_stream();
        for _ in 0..64 * MIB / pings.len() {
            if to.write_all(&pings).await.is_err() {
                return;
            }
        }
        std::future::pending().await
    }));
    let mut trial = Trial::of(teal_between(bad, good), Calls::GREEN);
    trial.attack(2, call);
    trial.harmed_nobody();
    assert!(trial.grown() < 8 * MIB, "{} bytes more", trial.grown());
}

#[test]
fn cancelled_calls_behind_a_full_socket_are_dropped() {
    let _alone = alone();
    let engines = engines();
    let good = engines.block_on(engine(serve)).address;
    // It reads no more once it has a request.
    let bad = engines.block_on(raw::engine(async |mut engine: Raw| {
        if first_request(&mut engine).await.is_none() {
            return;
        }
        let _unread = engine.into_stream();
        std::future::pending().await
    }));
    let mut trial = Trial::of(teal_between(bad, good), Calls::GREEN);
    let cancelled = AtomicUsize::new(0);
    trial.attack(2, async |attack| {
        let client = client(attack.address).await;
        let mut head = request("/attack/call");
        head.headers_mut().insert("large", HeaderValue::try_from("~".repeat(60 * KIB)).unwrap());
        _ = timeout_at(attack.until.into(), async {
            for _ in 0..400 {
                let (response, mut upload) = open(&client, head.clone(), true).await;
                _ = tokio::time::timeout(std::time::Duration::from_millis(1), response).await;
                upload.send_reset(Reason::CANCEL);
                cancelled.fetch_add(1, Ordering::Relaxed);
            }
        })
        .await;
        attack.over().await;
    });
    eprintln!("{} calls of 60 KiB", cancelled.into_inner());
    trial.harmed_nobody();
    assert!(trial.grown() < 16 * MIB, "{} bytes more", trial.grown());
}
