//! A run with the simulated etcd is the same each time, to the millisecond.

use std::time::Duration;

use tokio::{
    join,
    runtime::Builder,
    time::{Instant, sleep},
};

use crate::{Client, Keys, Op, Retry, Settings, Txn, Watch, simulated::Etcd};

const PUTS: usize = 200;

/// Puts one after the other, and notes when and how each ends.
async fn put(client: Client, name: &str) -> Vec<String> {
    let began = Instant::now();
    let mut notes = Vec::new();
    for number in 0..PUTS {
        let txn = Txn::new().then(Op::put(format!("k/{name}"), number.to_string()));
        let outcome = client.txn(&txn, Retry::Idempotent).await;
        notes.push(format!("{name} {number} {:?} {outcome:?}", began.elapsed()));
        sleep(Duration::from_millis(50)).await;
    }
    notes
}

async fn watch(mut watch: Watch, until: i64) -> Vec<String> {
    let began = Instant::now();
    let mut notes = Vec::new();
    while let Some(Ok(changes)) = watch.next().await {
        notes.push(format!("{:?} {changes:?}", began.elapsed()));
        if changes.revision >= until {
            break;
        }
    }
    notes
}

/// The failures of members, one after the other.
async fn chaos(etcd: &Etcd) {
    for round in 0..6 {
        let member = round % 3;
        etcd.lag(member, Duration::from_millis(30));
        etcd.delay(member, Duration::from_millis(3));
        match round % 4 {
            0 => etcd.kill(member),
            1 => etcd.stop(member),
            2 => etcd.isolate(member),
            _ => etcd.lose_answers(member, 3),
        }
        sleep(Duration::from_millis(1700)).await;
        etcd.resume(member);
    }
}

fn run() -> Vec<String> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("it can be built").block_on(async {
        let etcd = Etcd::new(3);
        let of = |first| etcd.client(Settings { first, deadline: super::SOON, ..etcd.settings() });
        let watched = watch(of(2).watch(Keys::prefix("k/"), 1), 2 * PUTS as i64);
        let (mut a, b, watched, ()) = join!(biased; put(of(0), "a"), put(of(1), "b"), watched, chaos(&etcd));
        a.extend(b);
        a.extend(watched);
        a
    })
}

#[test]
fn simulated_runs_repeat() {
    let first = run();
    assert!(first.len() > 2 * PUTS + 10, "{}", first.len());
    assert!(first.iter().any(|note| note.contains("repeated: true")), "something went wrong in it");
    for _ in 0..3 {
        assert_eq!(run(), first);
    }
}
