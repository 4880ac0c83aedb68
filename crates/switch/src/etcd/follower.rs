//! The interface of a switch that the store drives. All calls are short: none of them waits.

use std::time::{Duration, Instant};

use super::{about::About, remark::Remark};
use crate::{
    course::{TransitionKind, Truth},
    instance::{InstanceStatus, Unwell},
    phase::Actor,
};

/// A switch that is one of several.
pub trait Follower: Send + Sync + 'static {
    /// How many queries may be on record, and for how long one may be that nobody asks about.
    fn limits(&self) -> (usize, Duration);

    /// The truth to create where there is none: `STABLE` in epoch 1.
    fn first(&self) -> Truth;

    /// Takes over the truth as a new incarnation, at the first stage.
    fn join(&self, truth: &Truth);

    /// Takes over a newer truth. Its course may be the same, with another timer.
    fn follow(&self, truth: &Truth);

    /// Takes in how far all live instances are, this one included, as etcd holds it. `has_vanished`: one of them is gone
    /// since the last call.
    fn see(&self, live: &[InstanceStatus], has_vanished: bool);

    /// Takes in what the other live instances say of the engines, by this instance's clock.
    fn see_health(&self, others: Vec<Unwell>);

    /// Since when the engines are unhealthy as seen from here. Each change of it is published.
    fn unwell(&self) -> Unwell;

    /// Takes in how many queries on record hold the drain, and how many there are of each strategy.
    fn learn(&self, holding: u64, queries: [u64; 2]);

    /// The status to publish. Whoever says that it is quiet takes that back before it lets in what would hold the drain.
    fn report(&self, may_be_quiet: bool) -> InstanceStatus;

    /// The transitions that are due by this instance's clock, and when.
    fn wishes(&self) -> Vec<(Instant, TransitionKind, Actor)>;

    /// The truth with the timer as this instance has it, paused or not.
    fn with_timer(&self, truth: &Truth, pauses: bool, by: Actor) -> Truth;

    /// The description of this instance for people, whose admin API has this address.
    fn about(&self, admin: Option<String>) -> About {
        About { admin, ..About::default() }
    }

    /// Tells people of something.
    fn remark(&self, _: &Remark) {}

    /// The transition into this epoch, which is followed next, was made here.
    fn won(&self, _: u64) {}

    /// The truth after a transition that this instance tries.
    fn next(&self, truth: &Truth, kind: TransitionKind, by: Actor)
    -> Result<Truth, crate::InvalidTransition>;
}
