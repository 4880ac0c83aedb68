//! What operators do, and what fails.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use protocol::Strategy;
use tokio::time::{Instant, sleep};

use super::{LASTS, World, random::Random};
use crate::{Actor, Command};

/// Operators order something at any instance, now and then.
pub(super) async fn operate(world: Arc<World>, mut random: Random) {
    while !world.is_over.load(Relaxed) {
        sleep(Duration::from_millis(500) + random.millis(4000)).await;
        let command = match random.below(6) {
            0..=2 => Command::Announce { to: None },
            3 => Command::Cutover { force: random.one_in(3) },
            4 => Command::Abort,
            _ => Command::Rollback,
        };
        let Some(place) = world.any(&mut random) else { continue };
        let switch = &place.instance.switch;
        let epoch = (command == Command::Cutover { force: true }).then(|| switch.snapshot().epoch);
        world.judge.lock().forced.extend(epoch);
        let ask = |strategy| place.engines.ask(strategy);
        _ = switch.order(command, Actor::Operator, epoch, ask).await;
        world.check();
    }
}

/// Engines become ill and well, as seen from one instance or from more.
pub(super) async fn sicken(world: Arc<World>, mut random: Random) {
    while world.traits.has_engines && !world.is_over.load(Relaxed) {
        sleep(random.millis(6000)).await;
        let strategy = if random.one_in(2) { Strategy::Blue } else { Strategy::Green };
        let (first, number) = (random.index(3), if random.one_in(2) { 1 } else { 2 + random.index(2) });
        let ill = (0..number).map(|next| &world.engines[(first + next) % 3]);
        ill.clone().for_each(|engines| engines.set(strategy, false));
        sleep(random.millis(8000)).await;
        ill.for_each(|engines| engines.set(strategy, true));
    }
}

/// Leases end while their owners rely on them.
pub(super) async fn end_leases(world: Arc<World>, mut random: Random) {
    while world.traits.ends_leases && !world.is_over.load(Relaxed) {
        sleep(random.millis(8000)).await;
        let leases: Vec<_> = world.judge.lock().board().instances.keys().copied().collect();
        if !leases.is_empty() {
            let lease = leases[random.index(leases.len())];
            _ = world.etcd.client(world.etcd.settings()).revoke(lease).await;
        }
    }
}

/// What fails, one after the other.
pub(super) async fn fail(world: Arc<World>, mut random: Random) {
    let began = Instant::now();
    while began.elapsed() < LASTS {
        sleep(random.millis(4000)).await;
        let (etcd, member) = (&world.etcd, random.index(3));
        match random.below(if world.traits.loses_data { 11 } else { 9 }) {
            0 => {
                etcd.kill(member);
                sleep(random.millis(6000)).await;
                etcd.start(member);
            }
            1 => {
                etcd.stop(member);
                sleep(random.millis(6000)).await;
                etcd.resume(member);
            }
            2 => {
                etcd.isolate(member);
                sleep(random.millis(15_000)).await;
                etcd.resume(member);
            }
            3 => {
                // No quorum, for longer than a lease lasts at times.
                (0..3).for_each(|member| etcd.stop(member));
                sleep(random.millis(15_000)).await;
                (0..3).for_each(|member| etcd.resume(member));
            }
            4 => etcd.lag(member, random.millis(3000)),
            5 => etcd.lose_answers(member, 2),
            6 => {
                let client = etcd.client(etcd.settings());
                world.check();
                _ = client.compact(etcd.revision()).await;
            }
            7 | 8 => {
                let killed = world.places.lock()[member].take();
                if let Some(place) = killed {
                    place.is_killed.store(true, Relaxed);
                    place.instance.kill();
                }
                sleep(random.millis(5000)).await;
                world.start(member).await;
            }
            9 => world.lose_data(None),
            _ => {
                world.check();
                let before = (etcd.snapshot(), world.judge.lock().board().clone());
                sleep(random.millis(10_000)).await;
                world.lose_data(Some(before));
            }
        }
        world.check();
    }
    (0..3).for_each(|member| world.etcd.lag(member, Duration::ZERO));
}
