//! Rows 6 and 14: streams that are opened and reset, by the peer or because of its errors (CVE-2023-44487,
//! 2025-8671).

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use h2::Reason;
use tokio::sync::Notify;

use super::{
    CANCEL, ENHANCE_YOUR_CALM, LONG, MIB, engines, patient_engine, refused, serve, teal_before,
    trial::{Attack, Trial},
    victim::Calls,
};
use crate::support::{
    alone,
    peers::{Answer, Call, client, engine, framed, open, request, until, within},
    raw::{self, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RESET, Raw, WINDOW_UPDATE},
};

/// Repeatedly opens streams on one connection, and resets them once they were accepted. Returns their number.
async fn rapid_reset(attack: Attack) -> usize {
    const AT_ONCE: u32 = 100;
    let mut client = Raw::connect(attack.address).await;
    client.settled().await;
    let head = raw::call("/attack/silent", &[("strategy", "blue")]);
    let mut opened = 0;
    let attacked = tokio::time::timeout_at(attack.until.into(), async {
        for round in 0.. {
            let ids = (0..AT_ONCE).map(|call| 1 + 2 * (round * AT_ONCE + call));
            let open = ids.clone().flat_map(|id| raw::frame(HEADERS, END_HEADERS, id, &head));
            opened += AT_ONCE as usize;
            client.write_all(&open.collect::<Vec<_>>()).await;
            client.settled().await;
            let reset = ids.flat_map(|id| raw::frame(RESET, 0, id, &CANCEL.to_be_bytes()));
            client.write_all(&reset.collect::<Vec<_>>()).await;
        }
    });
    _ = attacked.await;
    opened
}

#[test]
fn rapid_resets_are_slowed_down() {
    let _alone = alone();
    let engines = engines();
    let engine = engines.block_on(patient_engine(serve));
    let mut trial = Trial::of(teal_before(engine.address), Calls::SMALL);
    let [times, opened, arrived] = [0, 0, 0].map(AtomicUsize::new);
    trial.attack(2, async |attack| {
        times.fetch_add(1, Ordering::Relaxed);
        let before = engine.calls();
        opened.fetch_add(rapid_reset(attack).await, Ordering::Relaxed);
        arrived.fetch_add(engine.calls() - before, Ordering::Relaxed);
    });
    let (opened, arrived) = (opened.into_inner(), arrived.into_inner());
    eprintln!("{opened} streams opened, {arrived} calls at the engine, those of the victim among them");
    trial.harmed_nobody();
    // Each time a burst of 1 000 and 200 a second, a round that was under way, and the victim's calls.
    let times = times.into_inner();
    assert!(
        arrived < times * (1000 + 200 + 100 + 400),
        "{arrived} calls reached the engine in {times} attacks"
    );
    assert!(trial.grown() < 32 * MIB, "{} bytes more", trial.grown());
    assert!(trial.server.lines_with("ended for abuse").is_empty(), "slowed down, not ended");
    engines.block_on(until(|| engine.open() <= 1));
}

/// Opens streams of which teal must reset every other one, until it ends the connection. Returns their number.
async fn faults(attack: Attack, fault: &[u8], more: impl Fn(u32) -> Vec<u8>) -> u32 {
    const AT_ONCE: u32 = 10;
    let mut client = Raw::connect(attack.address).await;
    client.settled().await;
    let good = raw::call("/attack/good", &[("strategy", "blue")]);
    for round in 0..400 {
        let mut bytes = Vec::new();
        for number in round * AT_ONCE..(round + 1) * AT_ONCE {
            let (first, second) = (1 + 4 * number, 3 + 4 * number);
            bytes.extend(raw::frame(HEADERS, END_HEADERS | END_STREAM, first, &good));
            bytes.extend(raw::frame(HEADERS, END_HEADERS, second, fault));
            bytes.extend(more(second));
        }
        bytes.extend(raw::frame(PING, 0, 0, b"a round!"));
        client.write_all(&bytes).await;
        while let Some(frame) = within(client.next()).await {
            match frame.kind {
                PING => break,
                GOAWAY => {
                    assert_eq!(frame.payload[4..8], ENHANCE_YOUR_CALM.to_be_bytes());
                    attack.over().await;
                    return round * AT_ONCE;
                }
                _ => {}
            }
        }
    }
    4000
}

#[test]
fn faults_between_good_calls_end_the_connection() {
    let _alone = alone();
    let engines = engines();
    let engine = engines.block_on(engine(serve));
    let mut trial = Trial::of(teal_before(engine.address), Calls::SMALL);
    let upper_case = raw::call("/attack/bad", &[("Upper", "case")]);
    let silent = raw::call("/attack/silent", &[("strategy", "blue")]);
    let made = Mutex::new(Vec::new());
    trial.attack(1, async |attack| {
        let number = faults(attack, &upper_case, |_| Vec::new()).await;
        made.lock().unwrap().push(number);
    });
    trial.attack(1, async |attack| {
        // It makes teal reset the stream.
        let no_window = |stream| raw::frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
        let number = faults(attack, &silent, no_window).await;
        made.lock().unwrap().push(number);
    });
    let made = made.into_inner().unwrap();
    eprintln!("ended after {made:?} faults");
    trial.harmed_nobody();
    assert!(made.iter().all(|made| *made <= 1030), "{made:?} faults");
    assert_eq!(refused(&trial.server, "stream_errors"), made.len() as u64);
    trial.server.wait_for("ended for abuse", made.len(), LONG);
}

#[test]
fn five_hundred_cancelled_calls_lose_no_other() {
    let _alone = alone();
    let engines = engines();
    let freed = Arc::new(Notify::new());
    let free = freed.clone();
    let engine = engines.block_on(patient_engine(move |call: Call| {
        let freed = freed.clone();
        async move {
            match call.path() {
                "/held/call" => {
                    freed.notified().await;
                    call.answer(b"done");
                }
                _ => serve(call).await,
            }
        }
    }));
    let server = teal_before(engine.address);
    engines.block_on(async {
        let client = client(server.address).await;
        let (held, _upload) = open(&client, request("/held/call"), true).await;
        until(|| engine.open() == 1).await;
        for _ in 0..40 {
            let mut calls = Vec::new();
            for _ in 0..500 {
                calls.push(open(&client, request("/attack/silent"), true).await);
            }
            for (_, upload) in &mut calls {
                upload.send_reset(Reason::CANCEL);
            }
            drop(calls);
            assert!(client.clone().ready().await.is_ok(), "the connection lives");
        }
        // teal reads at the speed it allows; a response does not wait for that.
        free.notify_one();
        let answer = Answer::of(held).await;
        assert_eq!((answer.status(), &answer.body), (Some("0"), &framed(b"done")), "{answer:?}");
    });
    assert!(server.lines_with("ended for abuse").is_empty(), "{}", server.output());
}
