//! Leases: each has a deadline on tokio's clock, and a task that ends it then.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::{MIN_TTL, refusals, world::World};

/// The longest lease, in seconds.
const MAX_TTL: i64 = 9_000_000_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Leases {
    granted: BTreeMap<i64, Granted>,
}

#[derive(Clone, Copy, Debug)]
struct Granted {
    ttl: Duration,
    ends: Instant,
}

impl Leases {
    /// Grants a lease of this id; says how many seconds it lasts.
    pub(super) fn grant(&mut self, id: i64, ttl: i64, now: Instant) -> Result<i64, Status> {
        if ttl > MAX_TTL {
            return Err(refusals::lease_too_long());
        }
        if self.granted.contains_key(&id) {
            return Err(refusals::lease_exists());
        }
        let ttl = Duration::from_secs(u64::try_from(ttl).unwrap_or_default()).max(MIN_TTL);
        self.granted.insert(id, Granted { ttl, ends: now + ttl });
        Ok(seconds(ttl))
    }

    /// Renews a lease; says how many seconds it lasts, 0 if it is not there.
    pub(super) fn renew(&mut self, id: i64, now: Instant) -> i64 {
        self.granted.get_mut(&id).map_or(0, |lease| {
            lease.ends = now + lease.ttl;
            seconds(lease.ttl)
        })
    }

    /// A new leader does not know when leases were renewed: it gives each its whole time.
    pub(super) fn renew_all(&mut self, now: Instant) {
        for lease in self.granted.values_mut() {
            lease.ends = now + lease.ttl;
        }
    }

    /// A put may name this lease: 0, or one that is there.
    pub(super) fn check(&self, id: i64) -> Result<(), Status> {
        match id == 0 || self.granted.contains_key(&id) {
            true => Ok(()),
            false => Err(refusals::lease_not_found()),
        }
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        self.granted.contains_key(&id)
    }

    pub(super) fn remove(&mut self, id: i64) {
        self.granted.remove(&id);
    }

    pub(super) fn ids(&self) -> Vec<i64> {
        self.granted.keys().copied().collect()
    }

    fn ends(&self, id: i64) -> Option<Instant> {
        self.granted.get(&id).map(|lease| lease.ends)
    }
}

fn seconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)
}

/// Ends a lease when its time is over, and a leader is there to say so.
pub(super) fn expire(world: &Arc<World>, id: i64) {
    let weak = Arc::downgrade(world);
    let mut changes = world.changes();
    tokio::spawn(async move {
        while let Some(ends) = when(&weak, id) {
            match ends {
                Some(ends) if ends > Instant::now() => sleep_until(ends).await,
                Some(_) => {
                    let Some(world) = Weak::upgrade(&weak) else { return };
                    return world.change(|state| state.store.end_lease(id, Instant::now()));
                }
                None if changes.changed().await.is_err() => return,
                None => {}
            }
        }
    });
}

/// When a lease ends; `Some(None)` while nobody leads, `None` if it is gone.
fn when(world: &Weak<World>, id: i64) -> Option<Option<Instant>> {
    let world = world.upgrade()?;
    let state = world.state();
    let ends = state.store.leases.ends(id)?;
    Some(state.leads().then_some(ends))
}
