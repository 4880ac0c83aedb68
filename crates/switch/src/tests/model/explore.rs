//! Runs the model: every order of events, or one of them.

use std::{collections::HashSet, hash::BuildHasherDefault};

use protocol::Strategy;

use super::{
    state::{Mix, State},
    world::World,
};
use crate::{
    course::{Course, TransitionKind},
    instance::{InstanceStatus, Stage, obstacle},
};

/// What an instance does by the rules. A test puts another rule in the place of one of them.
pub(super) struct Clauses {
    pub(super) follow: fn(Stage, &Course, &Course) -> Stage,
    pub(super) advance: fn(Stage, &Course, &[InstanceStatus]) -> Stage,
    pub(super) join: fn(&Course) -> Stage,
    pub(super) is_free: fn(TransitionKind, &Course, &[InstanceStatus]) -> bool,
    pub(super) retracts_quiet: fn(&InstanceStatus, &Course, Strategy) -> bool,
    /// Whoever joins reads the truth before it lets anybody in.
    pub(super) joiners_follow: bool,
    /// A 456 is said by the truth alone.
    pub(super) refuses_by_truth: bool,
}

impl Default for Clauses {
    fn default() -> Self {
        Self {
            follow: Stage::follow,
            advance: Stage::advance,
            join: Stage::join,
            is_free: |kind, course, live| obstacle(kind, false, course, live).is_none(),
            retracts_quiet: InstanceStatus::retracts_quiet,
            joiners_follow: true,
            refuses_by_truth: true,
        }
    }
}

/// How far the model goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) instances: usize,
    pub(super) transitions: u64,
    pub(super) vanish: u8,
    pub(super) join: u8,
}

/// A model that becomes larger than this takes too long.
const MOST: usize = 1_000_000;

/// Every order of events. How many states there are, or what is wrong in one of them.
pub(super) fn explore(clauses: &Clauses, limits: Limits) -> Result<usize, String> {
    let mut world = World::new(clauses, limits);
    let start = world.start();
    let mut visited = HashSet::<State, BuildHasherDefault<Mix>>::default();
    visited.insert(start);
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        world.check(&state).map_err(|what| world.tell(what, &state))?;
        world.steps(&state)?;
        open.extend(world.next.drain(..).filter(|next| visited.insert(*next)));
        assert!(visited.len() <= MOST, "{limits:?}: more than {MOST} states");
    }
    Ok(visited.len())
}

/// One order of events, by these choices. Fails with what is wrong on the way.
pub(super) fn walk(clauses: &Clauses, limits: Limits, choices: &[u16]) -> Result<(), String> {
    let mut world = World::new(clauses, limits);
    let mut state = world.start();
    for choice in choices {
        world.steps(&state)?;
        let mut next = std::mem::take(&mut world.next);
        next.retain(|next| *next != state);
        if next.is_empty() {
            break;
        }
        state = next[usize::from(*choice) % next.len()];
        world.check(&state).map_err(|what| world.tell(what, &state))?;
    }
    Ok(())
}
