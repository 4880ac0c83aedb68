//! The state of the members: their shared data, the health of each, and the leader.

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
    /// Since when no leader is at work.
    lost: Option<Instant>,
    /// How many leases were granted, whatever data were lost since.
    pub(super) granted: i64,
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
            lost: None,
            granted: 0,
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
            if mode == Mode::Dead && state.leader == Some(member) {
                state.leader = None;
            }
            state.lost = match state.leads() {
                true => None,
                false => state.lost.or_else(|| Some(Instant::now())),
            };
        });
        self.elect();
    }

    /// Elects a leader if none has been at work for a while and enough members run. If too few do a running leader steps
    /// down; one that is stopped does not notice.
    fn elect(self: &Arc<Self>) {
        if self.state().leads() {
            return;
        }
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            sleep(ELECTION).await;
            let Some(world) = weak.upgrade() else { return };
            world.change(|state| {
                let runs = |member: &MemberState| member.mode == Mode::Running;
                let now = Instant::now();
                if state.leads() || state.lost.is_none_or(|lost| now < lost + ELECTION) {
                    return;
                }
                if state.has_quorum() {
                    state.leader = state.members.iter().position(runs);
                    state.lost = None;
                    state.term += 1;
                    state.store.leases.renew_all(now);
                } else if state.leader.is_some_and(|leader| runs(&state.members[leader])) {
                    state.leader = None;
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

    /// Whether there is a leader at work: without one nothing changes, and no lease ends.
    pub(super) fn leads(&self) -> bool {
        self.has_quorum() && self.leader.is_some_and(|leader| self.members[leader].mode == Mode::Running)
    }

    /// Whether this member knows a leader: without one it answers nothing.
    pub(super) fn led(&self, member: usize) -> Result<(), Status> {
        match self.leads() && self.members[member].mode == Mode::Running {
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
