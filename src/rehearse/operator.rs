//! Operates the switch while a rehearsal runs: at regular times, or as it comes.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};
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
    let mean = plan.switch_every.unwrap_or(Duration::from_secs(2)) / 2;
    for (pause, verb) in orders(plan.seed, mean) {
        sleep(pause).await;
        order(admin, verb).await;
    }
}

/// What chaos orders, and how long after its last order: without end, and the same for the same seed.
fn orders(seed: u64, mean: Duration) -> impl Iterator<Item = (Duration, &'static str)> {
    let mut random = SmallRng::seed_from_u64(seed);
    std::iter::repeat_with(move || {
        let pause = mean.mul_f64(random.random_range(0.1..2.0));
        (pause, ORDERS[random.random_range(0..ORDERS.len())])
    })
}

async fn order(admin: &Admin, verb: &str) {
    match admin.order(verb).await {
        Ok(done) => info!("Ordered {verb}: {done}"),
        Err(AdminError::Refused { message, .. }) => info!("Ordered {verb}, refused: {message}"),
        Err(error) => warn!("Ordered {verb}, not done: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_what_is_ordered() {
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
