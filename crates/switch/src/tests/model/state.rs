//! A state of the model: the truth, what stands in the store about each instance, and what each of them knows.

use std::hash::Hasher;

use crate::instance::{InstanceStatus, Stage};

pub(super) const INSTANCES: usize = 3;

/// A course, by its place in [`World::courses`].
pub(super) type CourseId = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Life {
    Gone,
    /// Its key is there, and it lets nobody in.
    Joining,
    Serving,
}

/// What stands in the store about an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Status {
    pub(super) is_live: bool,
    pub(super) epoch: u8,
    pub(super) stage: Stage,
    pub(super) quiet: bool,
}

pub(super) const NOBODY: Status = Status { is_live: false, epoch: 0, stage: Stage::Open, quiet: false };

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Instance {
    pub(super) life: Life,
    pub(super) view: CourseId,
    pub(super) stage: Stage,
    pub(super) quiet: bool,
    /// A request of the old strategy is in progress.
    pub(super) is_busy: bool,
    /// What it has learned, of one moment: the truth, and all statuses.
    pub(super) known: Option<CourseId>,
    pub(super) seen: [Status; INSTANCES],
    pub(super) published: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) truth: CourseId,
    pub(super) instances: [Instance; INSTANCES],
    pub(super) vanish: u8,
    pub(super) join: u8,
}

impl State {
    pub(super) fn serving(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|instance| instance.life == Life::Serving)
    }
}

impl Instance {
    /// All live instances, as it has seen them.
    pub(super) fn live(&self) -> Vec<InstanceStatus> {
        self.seen.iter().filter_map(Status::read).collect()
    }
}

impl Status {
    pub(super) fn read(&self) -> Option<InstanceStatus> {
        let Self { is_live, epoch, stage, quiet } = *self;
        // No name: it costs nothing to make one.
        let joining = InstanceStatus::joining(String::new());
        is_live.then(|| InstanceStatus { epoch: u64::from(epoch), stage, quiet, ..joining })
    }
}

/// Fast, and good enough for states that nobody chooses.
#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }
}
