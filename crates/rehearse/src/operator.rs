//! Operates the switch during a rehearsal: at regular intervals, or at random.

use std::time::Duration;

use admin::{
    Answer,
    client::{Client, ClientError},
    paths,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval_at, sleep};
use tracing::{info, warn};

use super::plan::Plan;

/// The commands of chaos. A switch is more frequent, because other commands are refused without one.
const ORDERS: [&str; 6] =
    [paths::SWITCH, paths::SWITCH, paths::SWITCH, paths::CUTOVER, paths::ABORT, paths::ROLLBACK];

/// Sends commands until it is dropped.
pub(super) async fn operate(admin: &Client, plan: &Plan, start: tokio::time::Instant) {
    tokio::join!(switch(admin, plan, start), disturb(admin, plan));
}

async fn switch(admin: &Client, plan: &Plan, start: tokio::time::Instant) {
    let Some(every) = plan.switch_every else { return };
    let mut ticks = interval_at(start + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        order(admin, paths::SWITCH).await;
    }
}

async fn disturb(admin: &Client, plan: &Plan) {
    if !plan.chaos {
        return;
    }
    let mean = plan.switch_every.unwrap_or(Duration::from_secs(2)) / 2;
    for (pause, verb) in orders(plan.seed, mean) {
        sleep(pause).await;
        order(admin, verb).await;
    }
}

/// The endless sequence of chaos: pauses and commands, the same for the same seed.
fn orders(seed: u64, mean: Duration) -> impl Iterator<Item = (Duration, &'static str)> {
    let mut random = SmallRng::seed_from_u64(seed);
    std::iter::repeat_with(move || {
        let pause = mean.mul_f64(random.random_range(0.1..2.0));
        (pause, ORDERS[random.random_range(0..ORDERS.len())])
    })
}

async fn order(admin: &Client, path: &str) {
    let verb = path.rsplit('/').next().unwrap_or(path);
    let answer = admin.post(path, json!({})).await.and_then(|reply| reply.read::<Answer>());
    match answer {
        Ok(answer) => info!("Ordered {verb}: {}", answer.done),
        Err(ClientError::Refused { why, .. }) => info!("Ordered {verb}, refused: {why}"),
        Err(error) => warn!("Ordered {verb}, not done: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_commands() {
        let mean = Duration::from_secs(1);
        let first = |seed| orders(seed, mean).take(100).collect::<Vec<_>>();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
        for verb in ORDERS {
            assert!(first(1).iter().any(|(_, ordered)| *ordered == verb), "{verb}");
        }
        assert!(first(1).iter().all(|(pause, _)| (mean / 10..=mean * 2).contains(pause)));
    }
}
