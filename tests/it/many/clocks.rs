//! The wall clock of an instance jumps by an hour, forth and back: no deadline moves.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{Etcd, SOON, bare, engines, etcd::until, is_ready, state, view};
use crate::support::has_library;

const EVERY: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(1);

#[test]
fn jumping_wall_clocks_move_no_deadline() {
    let Some(faketime) = has_library("faketime/libfaketime.so.1", "libfaketime") else { return };
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let clock = PathBuf::from(etcd.file("clock", "+0"));
    let set = |offset: &str| fs::write(&clock, offset).expect("files can be written");
    let begin = Instant::now();
    let [one, two] = ["web-1", "web-2"].map(|name| {
        let server = bare(name, &etcd.urls(), engines.each_ref()).admin();
        let server = server.switch_every("3s").notice("1h").grace("1s");
        let server = match name == "web-1" {
            true => server
                .env("LD_PRELOAD", &faketime)
                .env("FAKETIME_TIMESTAMP_FILE", &clock.to_string_lossy())
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            false => server,
        };
        server.run()
    });
    set("+3600");
    one.wait_for("Strategy change ordered by: timer", 1, SOON);
    assert!(begin.elapsed() >= EVERY, "announced after {:?}", begin.elapsed());
    until("both announce", SOON, || [&one, &two].iter().all(|server| view(server).0 == "ANNOUNCED"));
    // Date and hour: the clocks differ by just one.
    let hour = |server| state(server)["since"].as_str().map(|since: &str| since[..13].to_owned());
    assert_ne!(hour(&one), hour(&two), "the clock of web-1 has not jumped");
    // The notice goes on for an hour by any clock.
    set("-3600");
    assert!(is_ready(&one) && view(&one).0 == "ANNOUNCED");
    let cut_over = Instant::now();
    one.operate(&["cutover"]).done();
    set("+3600");
    until("the drain ends", SOON, || [&one, &two].iter().all(|server| view(server).0 == "STABLE"));
    assert!(cut_over.elapsed() >= GRACE, "drained after {:?}", cut_over.elapsed());
    assert!(is_ready(&one) && is_ready(&two));
}
