//! Engines die, hang and come back under connector 3.0.2. The client is never without service for long, and queries
//! begun at a living engine are not lost.

mod announced;
mod draining;
mod stable;
mod state;

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use crate::support::{Builder, Connector, Place, Running, Server, Turn, beside, python, teal};

/// A 456 as clients report it. The number alone may be part of a port.
const MISMATCH: &str = "status: 456";
/// `--unhealthy-abort` of these tests, and the timeout of a health check.
const UNHEALTHY_ABORT: Duration = Duration::from_secs(3);
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// What the client needs besides: a login and a query on a busy machine, and its pauses.
const MARGIN: Duration = Duration::from_secs(3);
/// A flapping engine is down for this long, and up for this long: less than the time after which it is abandoned.
const FLAPS_EVERY: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(60);

const BLUE: usize = 0;
const GREEN: usize = 1;
/// The address that an engine listens on is the one that it tells its clients.
const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];

/// Two engines, teal before them, and a client that has completed queries.
struct Stage {
    engines: [Option<Server>; 2],
    places: [Place; 2],
    teal: Server,
    client: Running,
    _beside: Turn,
}

/// The outcome of the client's queries.
#[derive(Debug, Deserialize)]
struct Told {
    /// Seconds without a completed query.
    longest: f64,
    /// Threads that were still in a call at the end.
    stuck: u64,
    /// Queries whose begin was not answered, by the reason.
    refused: BTreeMap<String, u64>,
    /// Queries whose begin was, by the reason.
    lost: BTreeMap<String, u64>,
}

fn engine(listen: &str) -> Server {
    teal().with("--gate", "off").with("--sessions", "any").listen(listen).run()
}

impl Stage {
    fn new(set: impl FnOnce(Builder) -> Builder) -> Self {
        let beside = beside();
        let places = HOSTS.map(Place::on);
        let engines = places.each_ref().map(|place| engine(&place.text()));
        let builder = teal()
            .admin()
            .between(places[BLUE].address, places[GREEN].address)
            .switch_every("0")
            .with("--unhealthy-abort", "3s")
            // Queries of a dead engine are never ended.
            .with("--drain-timeout", "8s");
        let teal = set(builder).run();
        let client = python(Connector::V3_0_2).start(&teal, "dying.py", &["4"]);
        client.wait_for("warm", 1, Duration::from_secs(60));
        Self { engines: engines.map(Some), places, teal, client, _beside: beside }
    }

    fn kill(&mut self, engine: usize) {
        self.engines[engine] = None;
    }

    /// Starts it again where it was.
    fn start(&mut self, engine: usize) {
        self.engines[engine] = Some(self::engine(&self.places[engine].text()));
    }

    fn hang(&self, engine: usize) {
        self.signal(engine, "STOP");
    }

    fn wake(&self, engine: usize) {
        self.signal(engine, "CONT");
    }

    fn signal(&self, engine: usize, signal: &str) {
        self.engines[engine].as_ref().expect("it runs").signal(signal);
    }

    fn order(&self, command: &[&str]) {
        self.teal.operate(command).ended(0);
    }

    /// Waits until the log contains a text this many times.
    fn told(&self, text: &str, times: usize) {
        self.teal.wait_for(text, times, SOON);
    }

    fn state(&self) -> Value {
        serde_json::from_str(&self.teal.get("/api/v1/state")).expect("it is JSON")
    }

    /// The kinds of events and who made them, transitions and engines that were left.
    fn events(&self) -> Vec<(String, String)> {
        let events: Value = serde_json::from_str(&self.teal.get("/api/v1/events")).expect("it is JSON");
        let events = events["events"].as_array().expect("it is a list").iter();
        let text = |event: &Value, key: &str| event[key].as_str().map(str::to_owned);
        events.filter_map(|event| Some((text(event, "kind")?, text(event, "by")?))).collect()
    }

    fn has_event(&self, kind: &str, by: &str) -> bool {
        self.events().contains(&(kind.to_owned(), by.to_owned()))
    }

    /// Ends the client after it has continued, with all engines running.
    fn end(mut self) -> Told {
        self.client.close_stdin();
        let said = self.client.succeed(Duration::from_secs(60));
        let said = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{said}"));
        let told: Told = serde_json::from_str(said).expect("it is JSON");
        eprintln!("{told:?}");
        assert_eq!(told.stuck, 0, "{told:?}");
        told
    }
}

impl Told {
    /// Fails if a query was lost that was begun at an engine other than these.
    fn lost_only_at(&self, dead: &[usize]) {
        for (why, count) in &self.lost {
            let begun_at = |engine: &usize| why.starts_with(&HOSTS[*engine].to_string());
            assert!(dead.iter().any(begun_at), "{count} lost at {why}\n{self:?}");
        }
        assert!(!self.refused.keys().any(|why| why.contains(MISMATCH)), "{self:?}");
    }

    fn waited_at_most(&self, most: Duration) {
        assert!(self.longest <= (most + MARGIN).as_secs_f64(), "{self:?}");
    }
}
