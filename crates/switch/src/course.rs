//! The course of the switch: phase, active strategy and epoch as one value, and who is let in by it. Pure: it knows no
//! clock, no lock and no I/O. One instance keeps it in memory; several share it.

mod next;
mod truth;

use protocol::{CallKind, Strategy};
use serde::{Deserialize, Serialize};

pub use self::{
    next::{Proposer, TransitionKind},
    truth::{BadTruth, Stamp, TimerState, Truth},
};
use super::{instance::Stage, phase_name::PhaseName, rules::Cutover};

/// All that decides which request is let in, and which transition may come next.
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
    /// In a drain: queries of both strategies born before this epoch hold it; 0 is none. Not 0 in `ANNOUNCED`: the
    /// announcement takes back a cutover, and the next drain is held like that.
    pub withheld: u64,
    /// By [`Strategy::index`]: the epoch in which the strategy's last drain ended. Queries born before it are off the
    /// record.
    pub closed: [u64; 2],
    /// What becomes of the old strategy's queries at the next cutover or abort, or became of them at the last one.
    pub cutover: Cutover,
}

impl Course {
    /// `STABLE`, with nothing before it.
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

    /// The table of phases: whether an instance that has come so far with the present heading lets a call of that
    /// strategy in.
    pub fn lets_in(&self, stage: Stage, kind: CallKind, strategy: Strategy) -> bool {
        self.lets_all_in(stage, strategy)
            || match self.phase {
                PhaseName::Announced => true,
                PhaseName::Draining => kind != CallKind::Begin,
                PhaseName::Stable => kind == CallKind::End && self.cutover == Cutover::Drain,
            }
    }

    /// Whether every call of that strategy is let in. `STABLE` takes effect at once; before a drain refuses anything,
    /// all live instances tell clients where to go instead.
    pub fn lets_all_in(&self, stage: Stage, strategy: Strategy) -> bool {
        strategy == self.active
            || match self.phase {
                PhaseName::Stable => false,
                PhaseName::Announced => true,
                PhaseName::Draining => stage < Stage::Closing,
            }
    }

    /// The birth of a query that begins now. As long as a drain refuses nothing, that is the epoch before: such a query
    /// is one of those that the drain withholds.
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

/// Whether an instance that has lost touch with the others lets a call in. It knows the strategy of a query in its copy
/// of the record; of all else only the others know whether it may pass.
pub fn lets_in_cut_off(kind: CallKind, is_on_record: bool) -> bool {
    is_on_record && matches!(kind, CallKind::Continue | CallKind::End)
}
