//! Operates the switch while a rehearsal runs: at regular times, or as it comes.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use tokio::time::{MissedTickBehavior, interval_at, sleep};
use tracing::{info, warn};

use super::{
    admin::{Admin, AdminError},
    plan::Plan,
};

/// What chaos orders; a switch more often than the rest, for without one the rest is refused.
const ORDERS: [&str; 6] = ["switch", "switch", "switch", "cutover", "abort", "rollback"];

/// Orders until it is dropped.
pub(super) async fn operate(admin: &Admin, plan: &Plan, start: tokio::time::Instant) {
    tokio::join!(switch(admin, plan, start), disturb(admin, plan));
}

async fn switch(admin: &Admin, plan: &Plan, start: tokio::time::Instant) {
    let Some(every) = plan.switch_every else { return };
    let mut ticks = interval_at(start + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        order(admin, "switch").await;
    }
}

async fn disturb(admin: &Admin, plan: &Plan) {
    if !plan.chaos {
        return;
    }
    let mut random = SmallRng::seed_from_u64(plan.seed);
    let mean = plan.switch_every.unwrap_or(Duration::from_secs(2)) / 2;
    loop {
        sleep(mean.mul_f64(random.random_range(0.1..2.0))).await;
        if let Some(verb) = ORDERS.choose(&mut random) {
            order(admin, verb).await;
        }
    }
}

async fn order(admin: &Admin, verb: &str) {
    match admin.order(verb).await {
        Ok(done) => info!("Ordered {verb}: {done}"),
        Err(AdminError::Refused { message, .. }) => info!("Ordered {verb}, refused: {message}"),
        Err(error) => warn!("Ordered {verb}, not done: {error}"),
    }
}
