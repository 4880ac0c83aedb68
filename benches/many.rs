//! The cost of several instances that share a switch through etcd: the wait of a begin, a switch under load, and an instance
//! that joins a record of a million queries.
//!
//! ```sh
//! etcd --data-dir "$(mktemp -d)" &
//! cargo bench --bench many -- http://127.0.0.1:2379    # the members, with commas; it leaves its keys in etcd
//! ```

use std::{
    env, fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use etcd::{Client, Settings};
use futures::{StreamExt, stream};
use protocol::{
    CallKind,
    Strategy::{self, Blue, Green},
};
use switch::{
    Actor, Arrival, Command, Header, PhaseName, RequestGuard, Rules, Switch,
    etcd::{Arrived, Prefix, Rejected, Store, Task},
};
use tokio::time::{Instant, interval, sleep};
use uuid::Uuid;

const INSTANCES: usize = 3;
const PER_SECOND: u64 = 1_000;
const LASTS: Duration = Duration::from_secs(10);
const QUERIES: usize = 1_000_000;
/// Begins at once while the million is put on record.
const AT_ONCE: usize = 4_096;
const TTL: Duration = Duration::from_secs(30);

fn rules() -> Rules {
    Rules {
        switch_every: None,
        notice: Duration::from_secs(1),
        grace: Duration::from_secs(1),
        ..Rules::default()
    }
}

async fn join(members: &[String], prefix: &str, number: usize) -> (Switch, Task) {
    let (switch, _) = Switch::new(rules());
    let client = Client::new(Settings::new(members.iter().cloned())).expect("they are URLs");
    let store = Store::new(client, Prefix::new(prefix).expect("it is a good prefix"));
    let task = switch.share(store, &format!("web-{number}"), TTL).await.expect("etcd answers");
    (switch, task)
}

async fn arrive(
    switch: &Switch,
    kind: CallKind,
    strategy: Strategy,
    query: Option<&str>,
) -> Result<RequestGuard, Rejected> {
    match switch.try_arrive(Arrival { kind, query, header: Header::Names(strategy) }) {
        Arrived::In(guard) => Ok(guard),
        Arrived::Refused(mismatch) => Err(Rejected::Mismatch(mismatch)),
        Arrived::Unsure(unsure) => unsure.judged().await,
    }
}

/// Begins a query, under the strategy that is let in. Returns how long its message waited.
async fn begin(switch: &Switch, id: &str) -> Duration {
    let began = Instant::now();
    let mut guard = match arrive(switch, CallKind::Begin, Blue, None).await {
        Ok(guard) => guard,
        Err(_) => arrive(switch, CallKind::Begin, Green, None).await.expect("one of the two is let in"),
    };
    if let Some(recorded) = guard.record(id) {
        recorded.await.expect("it is on record");
    }
    guard.answered(true);
    began.elapsed()
}

/// A query: it begins, goes on and ends, each at another instance if there are several.
async fn query(switches: Arc<Vec<Switch>>, number: usize) -> Duration {
    let id = Uuid::new_v4().to_string();
    let at = |step: usize| &switches[(number + step) % switches.len()];
    let waited = begin(at(0), &id).await;
    for (step, kind) in [(1, CallKind::Continue), (2, CallKind::End)] {
        arrive(at(step), kind, Blue, Some(&id)).await.expect("it is on record").answered(true);
    }
    waited
}

/// Queries at a fixed rate until `is_over`; how long their begins waited.
async fn load(switches: Arc<Vec<Switch>>, is_over: Arc<AtomicBool>) -> Vec<Duration> {
    let mut ticks = interval(Duration::from_secs(1) / PER_SECOND as u32);
    let mut queries = tokio::task::JoinSet::new();
    for number in 0.. {
        ticks.tick().await;
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        queries.spawn(query(switches.clone(), number));
    }
    let mut waited = queries.join_all().await;
    waited.sort_unstable();
    waited
}

fn tell(what: &str, waited: &[Duration]) {
    let at = |share: f64| waited[(waited.len() as f64 * share) as usize];
    eprintln!("{what}: {} begins, p50 {:?}, p90 {:?}, p99 {:?}", waited.len(), at(0.5), at(0.9), at(0.99));
}

/// Waits until all instances are in a phase.
async fn all(switches: &[Switch], phase: PhaseName) {
    while switches.iter().any(|switch| switch.snapshot().phase.name() != phase) {
        sleep(Duration::from_millis(1)).await;
    }
}

async fn switch_under_load(switches: &[Switch]) {
    let order = async |command| {
        switches[0].order(command, Actor::Operator, None, async |_| Ok(())).await.expect("it is carried out");
    };
    let announced = Instant::now();
    order(Command::Announce { to: Some(Green) }).await;
    for switch in switches {
        let is_told = async || {
            let guard = arrive(switch, CallKind::Neutral, Blue, None).await.expect("it is let in");
            guard.notice().is_some()
        };
        while !is_told().await {
            sleep(Duration::from_millis(1)).await;
        }
    }
    eprintln!("a switch: told by all {:?} after its order", announced.elapsed());
    order(Command::Cutover { force: false }).await;
    let cut_over = Instant::now();
    all(switches, PhaseName::Draining).await;
    eprintln!("a switch: followed by all {:?} after its cutover", cut_over.elapsed());
    all(switches, PhaseName::Stable).await;
    eprintln!("a switch: drained {:?} after its cutover, 1 s of which is the grace", cut_over.elapsed());
}

/// Bytes of memory.
fn resident() -> io::Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    Ok(pages.ok_or(io::ErrorKind::InvalidData)? * 4096)
}

async fn million(members: &[String], prefix: &str) -> io::Result<()> {
    let (first, _task) = join(members, prefix, 0).await;
    let began = Instant::now();
    stream::iter(0..QUERIES)
        .for_each_concurrent(AT_ONCE, |_| async {
            begin(&first, &Uuid::new_v4().to_string()).await;
        })
        .await;
    eprintln!(
        "{QUERIES} queries on record: {:.0} begins per second",
        QUERIES as f64 / began.elapsed().as_secs_f64()
    );
    let (before, joins) = (resident()?, Instant::now());
    let (_second, _task) = join(members, prefix, 1).await;
    let took = joins.elapsed();
    let bytes = resident()?.saturating_sub(before) / QUERIES as u64;
    eprintln!("{QUERIES} queries on record: joined within {took:?}, {bytes} bytes of memory each");
    Ok(())
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let Some(members) = env::args().skip(1).find(|arg| arg.starts_with("http")) else {
        eprintln!(
            "expected the members of an etcd, as in: cargo bench --bench many -- http://127.0.0.1:2379"
        );
        return Ok(());
    };
    let members: Vec<String> = members.split(',').map(str::to_owned).collect();
    let prefix = format!("bench-{}/", Uuid::new_v4());
    let alone = Arc::new(vec![Switch::new(rules()).0]);
    let (joined, _tasks): (Vec<_>, Vec<_>) =
        stream::iter(0..INSTANCES).then(|number| join(&members, &prefix, number)).unzip().await;
    let joined = Arc::new(joined);
    for (what, switches) in [("one instance, without etcd", alone), ("three instances", joined.clone())] {
        let is_over = Arc::<AtomicBool>::default();
        let load = tokio::spawn(load(switches, is_over.clone()));
        sleep(LASTS).await;
        is_over.store(true, Ordering::Relaxed);
        tell(what, &load.await.expect("no query fails"));
    }
    let is_over = Arc::<AtomicBool>::default();
    let load = tokio::spawn(load(joined.clone(), is_over.clone()));
    sleep(Duration::from_secs(1)).await;
    switch_under_load(&joined).await;
    is_over.store(true, Ordering::Relaxed);
    tell("three instances, during a switch", &load.await.expect("no query fails"));
    million(&members, &format!("bench-{}/", Uuid::new_v4())).await
}
