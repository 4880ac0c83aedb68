//! An etcd in the process, for tests: as many members as wanted, on tokio's clock, so that it is exact under a paused
//! one. The same [`Client`] talks to it, message by message, without a network. It passes the tests that a real one
//! passes (`src/tests/`).
//!
//! Members can be stopped (they take a connection and say nothing), killed (there is no connection), cut off from the
//! others; answers can be lost and watches lag; the data can be lost or set back. It has no limit on what it keeps but
//! that of its test.

mod auth;
mod leases;
mod refusals;
mod service;
mod store;
mod watching;
mod world;

use std::{fmt, sync::Arc, time::Duration};

pub use self::auth::SimulatedUser;
use self::{service::Port, store::Store, world::World};
use crate::{
    Client, Event, Settings,
    member::{Dial, Member, Transport},
};

/// How long the members have no leader after it was lost.
pub const ELECTION: Duration = Duration::from_millis(1600);
/// The shortest lease, as with etcd's default settings.
pub const MIN_TTL: Duration = Duration::from_secs(2);

/// A simulated etcd. Clones are the same one.
#[derive(Clone)]
pub struct Etcd {
    world: Arc<World>,
}

/// The data of a simulated etcd at a moment, leases included.
#[derive(Clone, Debug)]
pub struct Snapshot(Store);

impl Etcd {
    /// An empty one. It needs a tokio runtime.
    pub fn new(members: usize) -> Self {
        Self { world: World::new(members) }
    }

    /// Settings that name its members.
    pub fn settings(&self) -> Settings {
        Settings::new((0..self.world.members()).map(url))
    }

    /// A client of the members that the settings name: all or some of [`settings`](Self::settings).
    ///
    /// # Panics
    /// If they name another member.
    pub fn client(&self, settings: Settings) -> Client {
        let member = |name: &String| {
            let index = (0..self.world.members()).find(|index| url(*index) == *name);
            let index = index.expect("settings name members of this etcd");
            let transport = Transport::new(Port::new(&self.world, index));
            Member::new(name.clone(), Dial::InProcess(transport))
        };
        Client::in_process(settings.members.iter().map(member).collect(), settings)
    }

    /// The member that leads, unless an election is on or too few members run.
    pub fn leader(&self) -> Option<usize> {
        let state = self.world.state();
        state.leader.filter(|_| state.leads())
    }

    /// The revision of the store.
    pub fn revision(&self) -> i64 {
        self.world.state().store.revision()
    }

    /// The events after a revision, as far as they are not compacted.
    pub fn events_after(&self, revision: i64) -> Vec<Event> {
        let state = self.world.state();
        let entries = state.store.since(revision + 1);
        entries.flat_map(|(_, entry)| entry.events.iter().cloned().map(Event::from)).collect()
    }

    /// Stops a member, as SIGSTOP does: it is silent until it is resumed.
    pub fn stop(&self, member: usize) {
        self.world.set_mode(member, world::Mode::Stopped);
    }

    /// Lets a stopped or isolated member go on.
    pub fn resume(&self, member: usize) {
        self.world.set_mode(member, world::Mode::Running);
    }

    /// Kills a member: its streams break, and there is no connection to it.
    pub fn kill(&self, member: usize) {
        self.world.set_mode(member, world::Mode::Dead);
    }

    /// Starts a member that was killed. It has forgotten the tokens it knew.
    pub fn start(&self, member: usize) {
        self.world.set_mode(member, world::Mode::Running);
    }

    /// Cuts a member off from the other members, but not from clients.
    pub fn isolate(&self, member: usize) {
        self.world.set_mode(member, world::Mode::Isolated);
    }

    /// Lets the watches at a member lag behind by this time.
    pub fn lag(&self, member: usize, lag: Duration) {
        self.world.change(|state| state.members[member].lag = lag);
    }

    /// Lets each request to a member, and each answer, take this time.
    pub fn delay(&self, member: usize, delay: Duration) {
        self.world.change(|state| state.members[member].delay = delay);
    }

    /// Applies the next requests to a member, but never answers them.
    pub fn lose_answers(&self, member: usize, answers: usize) {
        self.world.change(|state| state.members[member].lost_answers = answers);
    }

    /// How many events fit into one message of a watch; more are sent as fragments.
    pub fn fragment_after(&self, events: usize) {
        self.world.change(|state| state.fragment = events.max(1));
    }

    /// Raises the alarm that etcd is out of space, or takes it back.
    pub fn set_full(&self, is_full: bool) {
        self.world.change(|state| state.is_full = is_full);
    }

    /// From now on etcd asks for a user. All members forget the tokens they knew.
    pub fn enable_auth(&self, users: impl IntoIterator<Item = SimulatedUser>) {
        let users = users.into_iter().collect();
        self.world.change(|state| state.auth = Some(auth::Users::new(users)));
    }

    /// The data as they are now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.world.state().store.clone())
    }

    /// Sets the data back, as a restart of all members with an older backup does. All streams break.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.world.restore(snapshot.0.clone());
    }

    /// Loses all data, as a restart of all members with empty directories does. All streams break.
    pub fn lose_data(&self) {
        self.world.restore(Store::default());
    }
}

fn url(member: usize) -> String {
    format!("http://etcd-{member}.simulated:2379")
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etcd").field("members", &self.world.members()).finish_non_exhaustive()
    }
}
