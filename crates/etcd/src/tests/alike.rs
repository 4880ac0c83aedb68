//! The simulated etcd and a real one do the same, step by step, whatever is asked.

use super::{Start, changes};
use crate::{Client, Compare, Error, Event, Is, Keys, Op, Range, Retry, Txn};

const STEPS: u64 = 1500;

/// A small generator, so that a failing run comes again.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one<T>(&mut self, of: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>) -> T {
        let mut of = of.into_iter();
        let index = self.below(of.len() as u64);
        of.nth(usize::try_from(index).expect("it is small")).expect("it is below the length")
    }

    fn key(&mut self) -> String {
        format!("k{}", self.below(5))
    }

    fn keys(&mut self) -> Keys {
        match self.below(4) {
            0 => Keys::prefix("k"),
            1 => Keys::between(self.key(), self.key()),
            _ => Keys::one(self.key()),
        }
    }

    fn value(&mut self) -> String {
        format!("v{}", self.below(3))
    }

    /// About `now`, sometimes past it.
    fn revision(&mut self, now: i64) -> i64 {
        now + 2 - i64::try_from(self.below(12)).expect("it is small")
    }

    fn range(&mut self, now: i64) -> Range {
        let range = Range::new(self.keys()).limit(self.one([0, 0, 1, 2]));
        let range = if self.below(3) == 0 { range.at(self.revision(now).max(0)) } else { range };
        match self.below(4) {
            0 => range.keys_only(),
            1 => range.count_only(),
            _ => range,
        }
    }

    fn compare(&mut self, now: i64) -> Compare {
        let (keys, is) = (self.keys(), self.one([Is::Equal, Is::NotEqual, Is::Less, Is::Greater]));
        match self.below(4) {
            0 => Compare::modified(keys, is, self.revision(now)),
            1 => Compare::created(keys, is, self.revision(now)),
            2 => Compare::version(keys, is, i64::try_from(self.below(4)).expect("it is small")),
            _ => Compare::value(keys, is, self.value()),
        }
    }

    fn op(&mut self, now: i64) -> Op {
        match self.below(5) {
            0 => Op::Range(self.range(now)),
            1 => Op::delete(self.keys()),
            _ => Op::put(self.key(), self.value()),
        }
    }

    fn txn(&mut self, now: i64) -> Txn {
        let mut txn = Txn::new();
        for _ in 0..self.below(3) {
            txn = txn.when(self.compare(now));
        }
        for _ in 0..self.below(4) {
            txn = txn.then(self.op(now));
        }
        for _ in 0..self.below(4) {
            txn = txn.or_else(self.op(now));
        }
        txn
    }
}

/// The result of a step, without the member's name.
fn told<T: std::fmt::Debug>(result: Result<T, Error>, client: &Client) -> String {
    let member = client.members().next().expect("there is one");
    format!("{result:?}").replace(member, "MEMBER")
}

/// A step; also sent where the client itself would refuse it.
async fn step(client: &Client, random: &mut Random, now: i64) -> String {
    match random.below(20) {
        0 => told(client.compact(random.revision(now)).await, client),
        1..=5 => told(client.range(&random.range(now)).await, client),
        6 | 7 => told(client.delete(random.keys()).await, client),
        8 | 9 => told(client.put(random.key(), random.value(), 0).await, client),
        _ => {
            let txn = random.txn(now);
            let checked = txn.check().is_ok();
            let sent = client.send_txn(txn.to_request(), Retry::Idempotent).await;
            let outcome = sent.map(|sent| txn.outcome(sent.answer, sent.repeated));
            assert!(checked || outcome.is_err(), "the client refuses what etcd takes: {txn:?}");
            told(outcome, client)
        }
    }
}

#[tokio::test]
async fn simulated_and_real_etcd_are_alike() {
    let Some(real) = Start::Own(1, &[]).real().await else { return };
    let simulated = Start::Own(1, &[]).simulated();
    let (real, simulated) = (real.client(), simulated.client());
    let mut now = 1;
    for seed in 0..STEPS {
        let theirs = step(&real, &mut Random::new(seed), now).await;
        let ours = step(&simulated, &mut Random::new(seed), now).await;
        assert_eq!(ours, theirs, "step {seed}");
        now = revision(&real).await;
        assert_eq!(revision(&simulated).await, now, "step {seed}: {theirs}");
    }
    let mut all = Vec::new();
    for client in [&real, &simulated] {
        let end = client.put("k", "", 0).await.expect("it is put");
        let gone = client.watch(Keys::prefix("k"), 1).next().await;
        let Some(Err(Error::Compacted { revision: Some(oldest), .. })) = gone else { panic!("{gone:?}") };
        // etcd before 3.5.18 loses a deletion in the oldest revision itself.
        let mut watch = client.watch(Keys::prefix("k"), oldest + 1);
        let mut events: Vec<Event> = Vec::new();
        while events.last().is_none_or(|event| event.revision() < end) {
            events.extend(changes(&mut watch).await.events);
        }
        all.push((oldest, events));
    }
    assert!(all[0].1.len() > 3, "{all:?}");
    assert_eq!(all[0], all[1]);
}

async fn revision(client: &Client) -> i64 {
    client.status(0).await.expect("it answers").revision
}
