//! One client: runs queries in a loop, and follows switches.

mod answer;
mod cluster;
mod query;
mod session;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use protocol::Strategy;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    behaviour::Behaviour,
    line::{CallError, Line},
    plan::{Hold, Pace, Plan},
    process::Process,
    record::{Ending, Failure, Recorder, Run},
};

/// A schema call follows after this many queries.
const SCHEMA_EVERY: u64 = 7;
/// The pause after a query that was rejected or broken.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The methods at which clients that do not follow are rejected.
const BEGINNINGS: [&str; 3] = ["authenticate", "prepareStatement", "prepareStatementV2"];

/// The state shared by all clients.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) plan: Plan,
    pub(super) recorder: Recorder,
    /// The number of queries that were scheduled, in an open loop.
    pub(super) slots: AtomicU64,
    /// Cancelled when no new query may begin.
    pub(super) is_over: CancellationToken,
}

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    number: u32,
    behaviour: Behaviour,
    common: Arc<Common>,
    process: Arc<Process>,
    line: Line,
    /// The session; `None` if it must log in.
    session: Option<String>,
    /// The planner that prepared its last query.
    planner: Option<String>,
    /// A table that the server has listed.
    table: Option<String>,
    random: SmallRng,
}

/// A prepared query.
#[derive(Clone, Debug)]
struct Open {
    /// The number in the record.
    number: u32,
    id: String,
    engine: String,
    /// The strategy it was prepared under.
    strategy: Option<Strategy>,
}

impl Client {
    pub(super) fn new(number: u32, behaviour: Behaviour, common: Arc<Common>, process: Arc<Process>) -> Self {
        let line = Line::new(&common.plan.server, behaviour == Behaviour::SlowReader);
        let random = SmallRng::seed_from_u64(common.plan.seed.wrapping_add(u64::from(number)));
        Self { number, behaviour, common, process, line, session: None, planner: None, table: None, random }
    }

    /// Runs queries until it is over.
    pub(super) async fn run(mut self) {
        for turn in 0.. {
            // A client that waits for its next query has none to complete.
            let is_over = self.common.is_over.clone();
            let Some(due) = is_over.run_until_cancelled(self.next_slot(turn)).await else { break };
            let end = self.run_query(turn, due).await;
            if matches!(end, Ending::Broken(_) | Ending::TurnedAway) {
                sleep(BACK_OFF).await;
            }
            if (turn + 1).is_multiple_of(SCHEMA_EVERY) && !self.is_over() {
                self.call_schema(turn).await;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.common.is_over.is_cancelled()
    }

    /// Waits for the next query to be due, and returns that time.
    async fn next_slot(&mut self, turn: u64) -> u64 {
        match self.common.plan.pace {
            Pace::Think(pause) => {
                if turn > 0 {
                    sleep(pause).await;
                }
                self.common.recorder.now()
            }
            Pace::Rate(rate) => {
                let slot = self.common.slots.fetch_add(1, Ordering::Relaxed);
                #[allow(clippy::cast_precision_loss)] // Exact up to 2^53 queries.
                let after = Duration::from_secs_f64(slot as f64 / rate);
                sleep_until(self.common.recorder.start() + after).await;
                super::record::micros(after)
            }
        }
    }

    async fn run_query(&mut self, turn: u64, due: u64) -> Ending {
        let begun = self.common.recorder.now();
        let mut tally = Tally::default();
        let end = match self.one_query(turn, &mut tally).await {
            Ok(true) => Ending::Completed,
            Ok(false) => Ending::Vanished,
            Err(error) => self.judge(error),
        };
        if let Ending::Lost(failure) | Ending::Broken(failure) = &end {
            warn!("Query failed: {} {}", failure.call, failure.message);
        }
        let ended = self.common.recorder.now();
        let Tally { retries, rows, strategy } = tally;
        let run = Run { client: self.number, strategy, due, begun, ended, retries, rows, end: end.clone() };
        self.common.recorder.run(run);
        end
    }

    /// Classifies a query that did not complete.
    fn judge(&self, error: CallError) -> Ending {
        let is_turned_away =
            error.is_refused() && !self.behaviour.recovers() && BEGINNINGS.contains(&error.call);
        let is_broken = error.is_broken;
        let failure = self.failure(error);
        match (is_turned_away, is_broken) {
            (true, _) => Ending::TurnedAway,
            (_, true) => Ending::Broken(failure),
            _ => Ending::Lost(failure),
        }
    }

    fn failure(&self, error: CallError) -> Failure {
        let CallError { call, strategy, code, message, .. } = error;
        let time = self.common.recorder.now();
        Failure { call, strategy, time, code: code.map(i32::from), message }
    }

    /// Keeps a query open, as `--hold` requires.
    async fn hold(&mut self, open: &Open) -> Result<(), CallError> {
        const LOOK: Duration = Duration::from_millis(250);
        const LONGEST: Duration = Duration::from_secs(120);
        const AFTER: Duration = Duration::from_secs(2);
        let until = match self.common.plan.hold {
            None => return Ok(()),
            Some(Hold::For(time)) => Instant::now() + time,
            Some(Hold::AcrossSwitch) if self.number.is_multiple_of(2) => return Ok(()),
            Some(Hold::AcrossSwitch) => {
                let longest = Instant::now() + LONGEST;
                while !self.status(open).await? {
                    if Instant::now() >= longest || self.is_over() {
                        return Ok(());
                    }
                    sleep(LOOK).await;
                }
                Instant::now() + AFTER
            }
        };
        while Instant::now() < until {
            sleep_until(until.min(Instant::now() + LOOK)).await;
            self.status(open).await?;
        }
        Ok(())
    }

    /// Returns whether the client leaves in the middle of this query.
    fn vanishes(&mut self) -> bool {
        self.behaviour == Behaviour::Vanish && self.random.random_ratio(1, 3)
    }
}

/// Counts during one query of the application.
#[derive(Debug, Default)]
struct Tally {
    retries: u32,
    rows: u64,
    strategy: Option<Strategy>,
}
