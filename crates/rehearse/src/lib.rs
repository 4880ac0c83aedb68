//! The client side: drives queries through a server, follows its switches, checks every row, and judges.
//!
//! The judge needs nothing but the history of a rehearsal:
//!
//! ```
//! // No calls, and no timeline of the server.
//! for verdict in teal_rehearse::check(&[], None) {
//!     assert_eq!((verdict.cases, verdict.broken), (0, 0));
//! }
//! ```

pub(crate) mod behaviour;
mod client;
mod history;
mod line;
mod operator;
mod plan;
pub(crate) mod process;
mod progress;
mod query;
mod record;
mod report;
pub(crate) mod timeline;

#[cfg(test)]
mod simulation;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

use admin::client::{self as api, Address, ClientError};
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::{
    behaviour::Adopts,
    client::{Client, Common},
    process::Process,
    progress::Progress,
    record::{Recorder, micros},
    report::Times,
    timeline::TimelineWatcher,
};
pub use self::{
    behaviour::Behaviour,
    history::{Promise, Verdict, check},
    plan::{Hold, Login, Pace, Plan},
    query::{BadQueries, Queries, Query},
    record::{Adopted, Call, ClientInfo, Ending, Failure, Outcome, Records, Run},
    report::{Adoption, Counts, Failed, LatencySummary, Refusal, Report, SwitchReport},
    timeline::{Kind, Seen, Timeline, Transition},
};

/// How long running queries may take after the last one was begun.
const PATIENCE: Duration = Duration::from_secs(60);

/// The rehearsal could not start.
#[derive(Debug, thiserror::Error)]
#[error("--admin: '{address}': expected the admin API of a teal ({why})")]
pub struct NoAdmin {
    address: Address,
    why: String,
}

/// Rehearses until the time is over, or `stop` resolves; then completes running queries.
pub async fn run(plan: Plan, stop: impl Future<Output = ()>) -> Result<Report, NoAdmin> {
    let recorder = Recorder::new();
    let started = SystemTime::now();
    let admin = plan.admin.clone().map(|address| api::Client::new(address, plan.admin_token.clone()));
    let watch = admin.clone().map(TimelineWatcher::new);
    if let Some((watch, address)) = watch.as_ref().zip(plan.admin.as_ref()) {
        let why = |error: ClientError| NoAdmin { address: address.clone(), why: error.to_string() };
        watch.begin(&recorder).await.map_err(why)?;
    }
    let (slots, is_over) = (AtomicU64::new(0), CancellationToken::new());
    let common = Arc::new(Common { plan, recorder, slots, is_over });
    let plan = &common.plan;
    info!("Rehearsing {} with {} clients for {:?}", plan.to, plan.clients, plan.duration);

    let Started { clients, processes, mut tasks } = start(&common);
    let progress = Progress::new(plan, processes);
    let begun = tokio::time::Instant::now();
    let over = begun + plan.duration;
    let watching = async {
        match &watch {
            Some(watch) => watch.run(&common.recorder).await,
            None => std::future::pending().await,
        }
    };
    let operating = async {
        if let Some(admin) = &admin {
            operator::operate(admin, plan, begun).await;
        }
        std::future::pending::<()>().await
    };
    let ending = async {
        tokio::select! {
            () = sleep_until(over) => {}
            () = stop => info!("Ending: queries in progress come to their end"),
        }
        common.is_over.cancel();
        let ended = async { while tasks.join_next().await.is_some() {} };
        let is_done = timeout(PATIENCE, ended).await.is_ok();
        let unfinished = if is_done { 0 } else { tasks.len() as u64 };
        tasks.shutdown().await;
        unfinished
    };
    let unfinished = tokio::select! {
        unfinished = ending => unfinished,
        () = watching => unreachable!("it watches until it is dropped"),
        () = operating => unreachable!("it operates until it is dropped"),
        () = progress.tell(&common.recorder, watch.as_ref()) => unreachable!("it tells until it is dropped"),
    };
    progress.finish();
    let took = micros(begun.elapsed());
    let mut timeline = None;
    if let Some(watch) = &watch {
        // What is no longer observed is not judged.
        if let Err(error) = watch.look(&common.recorder).await {
            warn!("The admin API can't be read: {error}");
        }
        timeline = Some(watch.timeline());
    }
    Ok(Report::new(plan, clients, common.recorder.take(), timeline, Times { started, took, unfinished }))
}

/// The running clients.
#[derive(Default)]
struct Started {
    clients: Vec<ClientInfo>,
    processes: Vec<Arc<Process>>,
    tasks: JoinSet<()>,
}

/// Starts all clients.
fn start(common: &Arc<Common>) -> Started {
    let plan = &common.plan;
    let mut started = Started::default();
    for process in 0..plan.clients {
        let behaviour = plan.behaviours[process as usize % plan.behaviours.len()];
        let adopts = match behaviour.adopts() {
            Adopts::BetweenQueries if plan.login.is_token() => Adopts::AfterQueries,
            adopts => adopts,
        };
        let shared = Arc::new(Process::new(adopts));
        for thread in 0..plan.threads {
            let client = process * plan.threads + thread;
            started.clients.push(ClientInfo { client, process, behaviour });
            started.tasks.spawn(Client::new(client, behaviour, common.clone(), shared.clone()).run());
        }
        started.processes.push(shared);
    }
    started
}
