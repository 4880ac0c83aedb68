//! The driver's words to people: remarks, the instance's `about/`, and the view for the API.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use teal_etcd::{Event, KeyValue};
use tokio::time::{Instant, timeout};

use super::{Driver, Follower, Own, StoreError};
use crate::etcd::{
    about::{About, Abouts},
    keys::Prefix,
    lookout::{Lookout, Sighting},
    remark::{Remark, Weight},
    sight::{InstanceState, Sight},
};

/// How often the instance says of itself what has changed.
const EVERY: Duration = Duration::from_secs(1);
/// How long it tries to say that it leaves.
const LEAVES_WITHIN: Duration = Duration::from_secs(1);

/// All that the driver keeps for people. No rule reads it.
pub(super) struct ForPeople {
    pub(super) sight: Sight,
    pub(super) abouts: Abouts,
    lookout: Lookout,
    /// The instance's `about/` now, and the last one that was written, with its incarnation.
    about: About,
    told: Option<(Own, About)>,
    telling: Option<BoxFuture<'static, Told>>,
    /// When it looks again, and what it has seen last.
    next: Instant,
    seen: Option<Seen>,
    /// How often what the instances say of themselves has changed.
    changes: u64,
    /// The revision up to which the watch has told all, and one that it has not come to.
    watched: i64,
    ahead: Option<(i64, Instant)>,
}

/// By this is seen that nothing is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    own: Own,
    is_live: bool,
    newest: i64,
    instances: usize,
    changes: u64,
}

/// The outcome of a write of `about/`.
pub(super) struct Told {
    own: Own,
    about: About,
    result: Result<i64, StoreError>,
}

impl ForPeople {
    pub(super) fn new(sight: Sight) -> Self {
        Self {
            sight,
            abouts: Abouts::default(),
            lookout: Lookout::default(),
            about: About::default(),
            told: None,
            telling: None,
            next: Instant::now(),
            seen: None,
            changes: 0,
            watched: 0,
            ahead: None,
        }
    }

    /// The watch has told all up to this revision.
    pub(super) fn changed(&mut self, prefix: &Prefix, events: &[Event], revision: i64) {
        if self.abouts.take(prefix, events) {
            self.changes += 1;
            self.sight.take_abouts(&self.abouts, &self.about);
        }
        self.watched = self.watched.max(revision);
        self.ahead = self.ahead.filter(|(ahead, _)| *ahead > revision);
        self.sight.set_lag(self.ahead.map(|(_, since)| since));
    }

    /// Everything was listed at this revision.
    pub(super) fn listed(&mut self, prefix: &Prefix, abouts: &[KeyValue], revision: i64) {
        self.abouts.replace(prefix, abouts);
        self.changes += 1;
        self.sight.take_abouts(&self.abouts, &self.about);
        (self.watched, self.ahead) = (revision, None);
        self.sight.set_lag(None);
    }

    /// A key of the switch was changed in this revision.
    pub(super) fn changed_in(&mut self, revision: i64) {
        if revision > self.watched && self.ahead.is_none() {
            self.ahead = Some((revision, Instant::now()));
            self.sight.set_lag(self.ahead.map(|(_, since)| since));
        }
    }

    /// The end of what is being told.
    pub(super) async fn told(&mut self) -> Told {
        match &mut self.telling {
            Some(telling) => telling.await,
            None => std::future::pending().await,
        }
    }
}

impl<F: Follower> Driver<F> {
    /// Looks around, and says what is new.
    pub(super) fn look(&mut self, own: Own) {
        let now = Instant::now();
        let is_live = *self.own.borrow() == Some(own) && !self.deadline.is_over();
        // Of keys that may be another program's the watch says nothing.
        let instances = self.board.instances.values().map(|kept| kept.modified);
        let newest = instances.chain(self.board.truth.iter().map(|kept| kept.modified)).max();
        let newest = newest.unwrap_or_default();
        self.people.changed_in(newest);
        let (instances, changes) = (self.board.instances.len(), self.people.changes);
        let seen = Some(Seen { own, is_live, newest, instances, changes });
        let is_due = now >= self.people.next;
        if !is_due && self.people.seen == seen && !self.people.lookout.is_waiting() {
            return;
        }
        self.people.seen = seen;
        if is_due {
            self.people.next = now + EVERY;
            self.tell(own);
        }
        let people = &mut self.people;
        let remarks = people.lookout.look(&Sighting {
            now,
            own,
            is_live,
            board: &self.board,
            abouts: &people.abouts,
            own_about: &people.about,
            watched: people.watched,
            silent_for: people.sight.counters().silent_for(),
            is_full: people.sight.counters().is_full(),
        });
        remarks.iter().for_each(|remark| self.follower.remark(remark));
        let gone = people.lookout.gone(now);
        people.sight.take(own.lease, &self.board, gone);
        let state = match *self.own.borrow() {
            Some(_) if is_live => InstanceState::Live,
            Some(_) => InstanceState::CutOff,
            None => InstanceState::Joining,
        };
        people.sight.set_state(state);
    }

    /// When it looks again, if nothing happens before.
    pub(super) fn looks_again(&self) -> Instant {
        let over = Some(self.deadline.at()).filter(|over| *over > Instant::now());
        over.map_or(self.people.next, |over| over.min(self.people.next))
    }

    /// This incarnation is over.
    pub(super) fn look_back(&mut self, own: Own) {
        let epoch = self.followed.as_ref().map_or(0, |(truth, _)| truth.course.epoch);
        let people = &mut self.people;
        people.telling = None;
        people.sight.set_state(InstanceState::CutOff);
        if let Some(remark) = people.lookout.lost(own, epoch) {
            self.follower.remark(&remark);
        }
    }

    /// The data that etcd has lost are put back.
    pub(super) fn say_restored(&self) {
        let epoch = self.board.truth.as_ref().map_or(0, |kept| kept.value.course.epoch);
        let message = format!("etcd has lost its data: epoch {epoch} begins");
        self.follower.remark(&Remark::new(Weight::Error, "restored", epoch, message));
    }

    /// Says of itself what has changed.
    fn tell(&mut self, own: Own) {
        let sight = &self.people.sight;
        let mut about = About { ttl: self.ttl.as_secs(), ..self.follower.about(sight.admin()) };
        about.settings.extend(sight.settings());
        if self.people.about != about {
            self.people.about = about.clone();
            self.people.sight.take_abouts(&self.people.abouts, &about);
        }
        let is_told = self.people.told.as_ref().is_some_and(|(of, told)| *of == own && *told == about);
        // Where there is nothing new this finds out whether etcd has room again.
        if (!is_told || sight.counters().is_full()) && self.people.telling.is_none() {
            let store = self.store.clone();
            let telling = async move { Told { own, result: store.tell(own, &about).await, about } };
            self.people.telling = Some(telling.boxed());
        }
    }

    /// Takes in what came of it. What failed is said again with the next look.
    pub(super) fn was_told(&mut self, told: Told) {
        self.people.telling = None;
        match told.result {
            Ok(revision) => {
                self.people.told = Some((told.own, told.about));
                self.people.changed_in(revision);
            }
            Err(error) => tracing::debug!("What this instance says of itself is not written: {error}"),
        }
    }

    /// Says that it leaves, so that the others do not take it for dead.
    pub(super) async fn say_goodbye(&mut self, own: Own) {
        self.people.telling = None;
        self.people.sight.set_state(InstanceState::Leaving);
        let about = About { leaving: true, ..self.people.about.clone() };
        if timeout(LEAVES_WITHIN, self.store.tell(own, &about)).await.is_err() {
            tracing::debug!("That this instance leaves is not written in time");
        }
    }
}
