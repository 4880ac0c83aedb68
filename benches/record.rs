//! The cost of a million queries on record: memory, the time of transitions that involve them, and the delay of
//! requests judged in the meantime.

use std::{
    fs, io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use protocol::CallKind;
use switch::{Actor, Arrival, Command, Header, Order, Phase, Rules, Switch};
use uuid::Uuid;

const QUERIES: u32 = 1_000_000;
const TRANSITIONS: u32 = 100;
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// The pause between transitions, while requests arrive.
const PAUSE: Duration = Duration::from_millis(10);

/// Bytes of memory.
fn resident() -> io::Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    Ok(pages.ok_or(io::ErrorKind::InvalidData)? * 4096)
}

fn begin(switch: &Switch) {
    let arrival = Arrival { kind: CallKind::Begin, query: None, header: Header::Absent };
    let mut pass = switch.arrive(arrival).expect("what names no strategy is let in");
    pass.begun(&Uuid::new_v4().to_string());
    pass.answered(true);
}

/// The longest time, and the mean.
fn time(times: u32, mut act: impl FnMut()) -> (Duration, Duration) {
    let each = (0..times).map(|_| {
        let start = Instant::now();
        act();
        start.elapsed()
    });
    each.fold((Duration::ZERO, Duration::ZERO), |(longest, mean), took| {
        (longest.max(took), mean + took / times)
    })
}

/// Judges requests while something happens, and prints how long they took.
fn judge_while(switch: &Switch, what: &str, happens: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    let mut times = thread::scope(|scope| {
        let judging = scope.spawn(|| {
            let mut times = Vec::with_capacity(1 << 24);
            while !is_over.load(Ordering::Relaxed) {
                let start = Instant::now();
                let arrival = Arrival { kind: CallKind::Neutral, query: None, header: Header::Absent };
                drop(switch.arrive(arrival).expect("what names no strategy is let in"));
                times.push(start.elapsed());
            }
            times
        });
        happens();
        is_over.store(true, Ordering::Relaxed);
        judging.join().expect("nobody panics")
    });
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    eprintln!(
        "{what}: {} requests judged, half within {:?}, 99.9 % within {:?}, 99.999 % within {:?}, the longest {:?}",
        times.len(),
        at(0.5),
        at(0.999),
        at(0.99999),
        times[times.len() - 1],
    );
}

/// Cuts over, and lets the drain time out. Returns the delay of the request that met this, if any.
fn give_up(switch: &Switch) -> Duration {
    let _ = switch.command(Command::Rollback, Order::by(Actor::Operator));
    switch.command(Command::Cutover { force: false }, Order::by(Actor::Operator)).expect("it is ANNOUNCED");
    thread::sleep(DRAIN_TIMEOUT);
    let (took, _) = time(1, || _ = switch.snapshot());
    assert!(matches!(switch.snapshot().phase, Phase::Stable { .. }));
    took
}

fn main() -> io::Result<()> {
    let rules = Rules { switch_every: None, drain_timeout: Some(DRAIN_TIMEOUT), ..Rules::default() };
    // It holds what is taken off the record, until that is dropped where nobody waits.
    let (switch, _timer) = Switch::new(rules);
    let before = resident()?;
    let (longest, mean) = time(QUERIES, || begin(&switch));
    let each = (resident()? - before) / u64::from(QUERIES);
    eprintln!("{QUERIES} queries on record: {each} bytes each");
    eprintln!("a begin: {mean:?}, the longest {longest:?}");

    judge_while(&switch, "nothing happens", || thread::sleep(PAUSE * 2 * TRANSITIONS));
    switch.command(Command::Announce { to: None }, Order::by(Actor::Operator)).expect("it is STABLE");
    switch.command(Command::Abort, Order::by(Actor::Operator)).expect("it is ANNOUNCED");
    let (longest, mean) = time(TRANSITIONS, || {
        switch.command(Command::Rollback, Order::by(Actor::Operator)).expect("it is DRAINING");
        switch.command(Command::Abort, Order::by(Actor::Operator)).expect("it is ANNOUNCED");
    });
    eprintln!("two transitions: {mean:?}, the longest {longest:?}");
    judge_while(&switch, "200 transitions, and a drain that gives up", || {
        for _ in 0..TRANSITIONS {
            thread::sleep(PAUSE);
            switch.command(Command::Rollback, Order::by(Actor::Operator)).expect("it is DRAINING");
            thread::sleep(PAUSE);
            switch.command(Command::Abort, Order::by(Actor::Operator)).expect("it is ANNOUNCED");
        }
        give_up(&switch);
    });

    time(QUERIES, || begin(&switch));
    switch.command(Command::Announce { to: None }, Order::by(Actor::Operator)).expect("it is STABLE");
    let took = give_up(&switch);
    let forgotten = switch.snapshot().forgotten - u64::from(QUERIES);
    eprintln!("a drain that times out and forgets {forgotten} queries: {took:?}");
    Ok(())
}
