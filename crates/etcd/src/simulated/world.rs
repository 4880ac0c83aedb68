//! What the members share, how each is, and who leads.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::watch::{self, Receiver},
    time::{Instant, sleep},
};
use tonic::Status;

use super::{
    ELECTION,
    auth::{Tokens, Users},
    leases, refusals,
    store::Store,
};
use crate::pb::ResponseHeader;

/// The id of the cluster.
const CLUSTER: u64 = 0x7ea1;

pub(super) struct World {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

pub(super) struct State {
    pub(super) store: Store,
    pub(super) members: Vec<MemberState>,
    pub(super) leader: Option<usize>,
    /// How many leaders there were.
    term: u64,
    pub(super) auth: Option<Users>,
    pub(super) is_full: bool,
    pub(super) fragment: usize,
}

#[derive(Default)]
pub(super) struct MemberState {
    pub(super) mode: Mode,
    /// How often it was killed: what began before is broken.
    pub(super) life: u64,
    pub(super) lag: Duration,
    pub(super) delay: Duration,
    pub(super) lost_answers: usize,
    pub(super) tokens: Tokens,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Running,
    Stopped,
    Dead,
    Isolated,
}

impl World {
    pub(super) fn new(members: usize) -> Arc<Self> {
        let state = State {
            store: Store::default(),
            members: (0..members).map(|_| MemberState::default()).collect(),
            leader: Some(0),
            term: 1,
            auth: None,
            is_full: false,
            fragment: usize::MAX,
        };
        Arc::new(Self { state: Mutex::new(state), changed: watch::Sender::new(()) })
    }

    pub(super) fn members(&self) -> usize {
        self.state().members.len()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Changes something, and wakes all who wait for a change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state());
        self.changed.send_replace(());
        done
    }

    /// Is told of each change from now on.
    pub(super) fn changes(&self) -> Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn set_mode(self: &Arc<Self>, member: usize, mode: Mode) {
        self.change(|state| {
            let of = &mut state.members[member];
            if mode == Mode::Dead && of.mode != Mode::Dead {
                of.life += 1;
                of.tokens.clear();
            }
            of.mode = mode;
            let leads = |leader: usize| state.members[leader].mode == Mode::Running;
            if !state.has_quorum() || !state.leader.is_some_and(leads) {
                state.leader = None;
            }
        });
        self.elect();
    }

    /// Elects a leader after a while, if there is none and enough members run.
    fn elect(self: &Arc<Self>) {
        let term = match &*self.state() {
            state if state.leader.is_none() && state.has_quorum() => state.term,
            _ => return,
        };
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            sleep(ELECTION).await;
            let Some(world) = weak.upgrade() else { return };
            world.change(|state| {
                let runs = |member: &MemberState| member.mode == Mode::Running;
                if state.term == term && state.leader.is_none() && state.has_quorum() {
                    state.leader = state.members.iter().position(runs);
                    state.term += 1;
                    state.store.leases.renew_all(Instant::now());
                }
            });
        });
    }

    /// Puts other data in place. All streams break.
    pub(super) fn restore(self: &Arc<Self>, store: Store) {
        let leases = store.leases.ids();
        self.change(|state| {
            state.store = store;
            state.store.leases.renew_all(Instant::now());
            for member in &mut state.members {
                member.life += 1;
                member.tokens.clear();
            }
        });
        for lease in leases {
            leases::expire(self, lease);
        }
    }
}

impl State {
    fn has_quorum(&self) -> bool {
        let running = self.members.iter().filter(|member| member.mode == Mode::Running).count();
        running * 2 > self.members.len()
    }

    /// Whether this member knows a leader: without one it answers nothing.
    pub(super) fn led(&self, member: usize) -> Result<(), Status> {
        match self.leader.is_some() && self.members[member].mode == Mode::Running {
            true => Ok(()),
            false => Err(refusals::no_leader()),
        }
    }

    pub(super) fn header(&self, member: usize) -> Option<ResponseHeader> {
        Some(ResponseHeader {
            cluster_id: CLUSTER,
            member_id: member as u64 + 1,
            revision: self.store.revision(),
            raft_term: self.term,
        })
    }
}
