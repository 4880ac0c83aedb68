//! The same tests of the store with a simulated etcd, on paused time, and with a real one.

mod board;
mod copy;
mod driver;
mod follower;
mod health;
mod housekeeping;
mod keys;
mod lease;
mod real;
mod record;
mod seen;
mod switch;
mod truth;
mod watch;
mod world;

use std::{sync::Arc, time::Duration};

use protocol::Strategy::Blue;
use teal_etcd::{Client, Range, Settings, simulated::Etcd};

use self::real::Real;
use super::{Board, Deadline, Kept, Own, Prefix, Store};
use crate::{
    Actor, Cutover,
    course::{Course, Stamp, TimerState, Truth},
    instance::{InstanceStatus, Stage},
};

/// How long something may take that is sure to come: it only bounds a failing test.
const SOON: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(10);

/// An etcd under test, with a prefix of the test's own.
struct World {
    client: Client,
    store: Store,
    /// Where it is a simulated one.
    etcd: Option<Etcd>,
    _real: Option<Arc<Real>>,
}

/// Runs each of these tests against both.
macro_rules! both {
    ($($name:ident)+) => {
        mod simulated {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::$name(crate::etcd::tests::World::simulated()).await;
                }
            )+
        }
        mod real {
            $(
                #[tokio::test]
                async fn $name() {
                    let prefix = concat!(module_path!(), "::", stringify!($name));
                    if let Some(world) = crate::etcd::tests::World::real(prefix).await {
                        super::$name(world).await;
                    }
                }
            )+
        }
    };
}
use both;

impl World {
    fn simulated() -> Self {
        let etcd = Etcd::new(3);
        let client = etcd.client(etcd.settings());
        Self { store: store(&client, "teal/"), client, etcd: Some(etcd), _real: None }
    }

    async fn real(prefix: &str) -> Option<Self> {
        let real = Real::shared()?;
        let client = Client::new(Settings::new([real.url.clone()])).expect("the settings are good");
        client.within(SOON).range(&Range::new("ready")).await.expect("etcd comes up");
        Some(Self { store: store(&client, prefix), client, etcd: None, _real: Some(real) })
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.store.prefix())
    }

    /// An instance that has joined, with the truth created.
    async fn joined(&self) -> (Own, Board) {
        self.store.create(&truth(1)).await.expect("it is created");
        let own = self.store.join(&status(0), TTL, &Deadline::over()).await.expect("it joins");
        (own, self.read().await)
    }

    async fn read(&self) -> Board {
        self.store.read().await.expect("it is read")
    }
}

fn store(client: &Client, prefix: &str) -> Store {
    Store::new(client.clone(), Prefix::new(prefix).expect("it is good"))
}

fn truth(epoch: u64) -> Truth {
    Truth {
        course: Course::stable(Blue, Cutover::Drain, epoch),
        timer: TimerState::Since(5),
        stamp: Stamp { by: "web-1".to_owned(), why: Actor::Teal, at: 7 },
    }
}

fn status(epoch: u64) -> InstanceStatus {
    InstanceStatus { epoch, stage: Stage::Closing, ..InstanceStatus::joining("web-1".to_owned()) }
}

/// The truth of a board that has one.
fn kept(board: &Board) -> &Kept<Truth> {
    board.truth.as_ref().expect("it was created")
}
