//! The course of the switch: phase, active strategy and epoch as one value, and the table of admitted calls. Pure: no
//! clock, no lock, no I/O. A single instance keeps the course in memory; several instances share it through a store.

mod next;
mod truth;

use protocol::{CallKind, Strategy};
use serde::{Deserialize, Serialize};

pub use self::{
    next::{Proposer, TransitionKind},
    truth::{BadTruth, Stamp, TimerState, Truth},
};
use super::{instance::Stage, phase_name::PhaseName, rules::Cutover};

/// Decides which call is let in, and which transition may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Course {
    /// How many transitions there have been.
    pub epoch: u64,
    /// The phase.
    pub phase: PhaseName,
    /// The strategy that new work belongs to.
    pub active: Strategy,
    /// The epoch in which the work became headed for where it is headed now. Announce, abort and rollback set it.
    pub heading: u64,
    /// In `DRAINING`: queries of both strategies born before this epoch hold the drain; 0 means none do. In `ANNOUNCED`:
    /// not 0 marks a rollback, whose cutover will withhold queries again.
    pub withheld: u64,
    /// By [`Strategy::index`]: the epoch in which the strategy's last drain ended. Queries born before it are off the
    /// record.
    pub closed: [u64; 2],
    /// The handling of the old strategy's queries at a cutover or abort. The announcer's setting.
    pub cutover: Cutover,
}

impl Course {
    /// `STABLE`, before any transition.
    pub fn stable(active: Strategy, cutover: Cutover, epoch: u64) -> Self {
        Self { epoch, phase: PhaseName::Stable, active, heading: epoch, withheld: 0, closed: [0; 2], cutover }
    }

    /// The strategy that the work is headed for: the pending one while there is one.
    pub fn headed_for(&self) -> Strategy {
        match self.phase {
            PhaseName::Announced => self.active.other(),
            PhaseName::Stable | PhaseName::Draining => self.active,
        }
    }

    /// Whether the present announcement takes back a cutover.
    pub fn is_rollback(&self) -> bool {
        self.phase == PhaseName::Announced && self.withheld != 0
    }

    /// The table of phases: whether an instance at `stage` lets in a call of `strategy`.
    pub fn lets_in(&self, stage: Stage, kind: CallKind, strategy: Strategy) -> bool {
        self.lets_all_in(stage, strategy)
            || match self.phase {
                PhaseName::Announced => true,
                PhaseName::Draining => kind != CallKind::Begin,
                PhaseName::Stable => kind == CallKind::End && self.cutover == Cutover::Drain,
            }
    }

    /// Whether an instance at `stage` lets in every call of `strategy`. `STABLE` takes effect at once. A drain rejects
    /// nothing until all live instances tell clients where to go instead.
    pub fn lets_all_in(&self, stage: Stage, strategy: Strategy) -> bool {
        strategy == self.active
            || match self.phase {
                PhaseName::Stable => false,
                PhaseName::Announced => true,
                PhaseName::Draining => stage < Stage::Closing,
            }
    }

    /// The birth of a query that begins now. While a drain rejects nothing yet, this is the epoch before the drain, so
    /// that the query holds the drain like older ones.
    pub fn birth(&self, stage: Stage) -> u64 {
        match self.phase {
            PhaseName::Draining if stage < Stage::Closing => self.epoch.saturating_sub(1),
            _ => self.epoch,
        }
    }

    /// Whether a query born at `birth` can still be on record.
    pub fn remembers(&self, strategy: Strategy, birth: u64) -> bool {
        birth >= self.closed[strategy.index()]
    }

    /// Whether a query born at `birth` holds the present drain.
    pub fn holds_drain(&self, strategy: Strategy, birth: u64) -> bool {
        let is_held = strategy != self.active || birth < self.withheld;
        self.phase == PhaseName::Draining && is_held && self.remembers(strategy, birth)
    }
}

/// Whether an instance that has lost the store lets a call in. It knows the strategy of each query in its copy of the
/// record, and nothing else for certain.
pub fn lets_in_cut_off(kind: CallKind, is_on_record: bool) -> bool {
    is_on_record && matches!(kind, CallKind::Continue | CallKind::End)
}
