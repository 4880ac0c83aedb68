//! What a million queries on record cost: memory, and the time of the transitions that meet them.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use teal::{
    strategy::Strategy,
    switch::{Action, Arrival, Header, Phase, Rules, Snapshot, Switch},
};
use uuid::Uuid;

const QUERIES: u32 = 1_000_000;
const TRANSITIONS: u32 = 100;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of memory.
fn resident() -> io::Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    Ok(pages.ok_or(io::ErrorKind::InvalidData)? * 4096)
}

fn begin(switch: &Switch) {
    let arrival = Arrival { action: Action::Begin, header: Header::Names(Strategy::Blue) };
    let mut pass = switch.arrive(arrival).expect("blue is active");
    pass.begun(&Uuid::new_v4().to_string());
    pass.answered(true);
}

/// The longest of the times that these took, and the mean.
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

fn main() -> io::Result<()> {
    let rules = Rules { switch_every: None, drain_timeout: Some(DRAIN_TIMEOUT), ..Rules::default() };
    // It holds what is taken off the record, until that is dropped where nobody waits.
    let (switch, _timer) = Switch::new(rules);
    let before = resident()?;
    let (longest, mean) = time(QUERIES, || begin(&switch));
    let each = (resident()? - before) / u64::from(QUERIES);
    eprintln!("{QUERIES} queries on record: {each} bytes each");
    eprintln!("a begin: {mean:?}, the longest {longest:?}");

    switch.announce().expect("it is STABLE");
    switch.abort().expect("it is ANNOUNCED");
    let (longest, mean) = time(TRANSITIONS, || {
        switch.rollback().expect("it is DRAINING");
        switch.abort().expect("it is ANNOUNCED");
    });
    eprintln!("two transitions: {mean:?}, the longest {longest:?}");

    switch.rollback().expect("it is DRAINING");
    switch.cutover().expect("it is ANNOUNCED");
    std::thread::sleep(DRAIN_TIMEOUT);
    let (took, _) = time(1, || _ = switch.snapshot());
    let Snapshot { phase, forgotten, .. } = switch.snapshot();
    eprintln!("a drain that times out and forgets {forgotten} queries: {took:?}");
    assert!(matches!(phase, Phase::Stable { .. }));
    Ok(())
}
