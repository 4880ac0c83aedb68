//! The view of all instances for operators, as this one knows them at one moment.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    about::{About, Abouts},
    board::{Board, Kept},
    counters::Counters,
    lease::Deadline,
    lookout::{Gone, waited_for},
    remark::id,
};
use crate::{
    course::Course,
    instance::{InstanceStatus, Stage},
};

/// How this instance stands with etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// It has no key yet, or has not followed.
    Joining,
    /// It serves.
    Live,
    /// Its lease may be over.
    CutOff,
    /// It is about to go.
    Leaving,
}

/// All instances as this one sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    /// How this one stands with etcd.
    pub state: InstanceState,
    /// How far the watch is behind, as far as that is known.
    pub lag: Duration,
    /// How long the lease of this one lasts for certain.
    pub lease_left: Duration,
    /// How many have followed the heading, how many tell it, and how many are live.
    pub agreed: [usize; 3],
    /// The eldest first; then those that went within the last minute.
    pub instances: Vec<Instance>,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its id. Another incarnation has another one.
    pub id: String,
    /// Its version; `None` where it has not said that.
    pub version: Option<String>,
    /// The address of its admin API, if it has said that.
    pub admin: Option<String>,
    /// Its key is in etcd, as far as this instance knows.
    pub is_live: bool,
    /// The epoch of its view.
    pub epoch: u64,
    /// How far it is with the heading of that epoch.
    pub stage: Stage,
    /// The old strategy has been idle on it.
    pub is_quiet: bool,
    /// Its requests in progress, as it has said last.
    pub requests: Option<u64>,
    /// It is the one that says all this.
    pub is_here: bool,
    /// The others wait for it.
    pub is_waited_for: bool,
    /// The settings in which it differs from this one.
    pub differs: Vec<String>,
}

/// The driver's knowledge, for others to look at. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    known: Arc<Mutex<Known>>,
    deadline: Deadline,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Known {
    state: InstanceState,
    course: Option<Course>,
    queries: [u64; 2],
    instances: BTreeMap<i64, Kept<InstanceStatus>>,
    abouts: BTreeMap<i64, About>,
    gone: Vec<Gone>,
    /// The lease of this instance.
    own: Option<i64>,
    own_about: About,
    admin: Option<String>,
    /// Settings of the server beside the rules.
    settings: BTreeMap<String, String>,
    /// A revision that the watch has not come to, and since when it is known.
    mark: Option<Instant>,
}

impl InstanceState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Joining, Self::Live, Self::CutOff, Self::Leaving];

    /// Its name in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Live => "live",
            Self::CutOff => "cut_off",
            Self::Leaving => "leaving",
        }
    }
}

impl Sight {
    pub(super) fn new(deadline: Deadline, counters: Arc<Counters>) -> Self {
        let known = Known {
            state: InstanceState::Joining,
            course: None,
            queries: [0; 2],
            instances: BTreeMap::new(),
            abouts: BTreeMap::new(),
            gone: Vec::new(),
            own: None,
            own_about: About::default(),
            admin: None,
            settings: BTreeMap::new(),
            mark: None,
        };
        Self { known: Arc::new(Mutex::new(known)), deadline, counters }
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(super) fn set_admin(&self, admin: Option<String>) {
        self.known.lock().admin = admin;
    }

    pub(super) fn set_settings(&self, settings: BTreeMap<String, String>) {
        self.known.lock().settings = settings;
    }

    pub(super) fn settings(&self) -> BTreeMap<String, String> {
        self.known.lock().settings.clone()
    }

    pub(super) fn admin(&self) -> Option<String> {
        self.known.lock().admin.clone()
    }

    pub(super) fn set_state(&self, state: InstanceState) {
        self.known.lock().state = state;
    }

    pub(super) fn set_lag(&self, mark: Option<Instant>) {
        self.known.lock().mark = mark;
    }

    pub(super) fn set_queries(&self, queries: [u64; 2]) {
        self.known.lock().queries = queries;
    }

    /// Takes over what is new.
    pub(super) fn take(&self, own: i64, board: &Board, gone: Vec<Gone>) {
        let mut known = self.known.lock();
        known.own = Some(own);
        known.course = board.truth.as_ref().map(|kept| kept.value.course);
        if known.instances != board.instances {
            known.instances.clone_from(&board.instances);
        }
        known.gone = gone;
    }

    /// Takes over what the instances say of themselves.
    pub(super) fn take_abouts(&self, abouts: &Abouts, own_about: &About) {
        let mut known = self.known.lock();
        known.abouts.clone_from(abouts.all());
        known.own_about.clone_from(own_about);
    }

    /// Queries on record, by strategy.
    pub(super) fn queries(&self) -> [u64; 2] {
        self.known.lock().queries
    }

    /// How far the watch is behind.
    pub(super) fn lag(&self) -> Duration {
        self.known.lock().mark.map_or(Duration::ZERO, |mark| mark.elapsed())
    }

    pub(super) fn state(&self) -> InstanceState {
        match self.known.lock().state {
            InstanceState::Live if self.deadline.is_over() => InstanceState::CutOff,
            state => state,
        }
    }

    pub(super) fn instances(&self) -> Instances {
        let (state, lag, lease_left) = (self.state(), self.lag(), self.deadline.left());
        let known = self.known.lock();
        let live = known.instances.iter().map(|(lease, kept)| (*lease, &kept.value));
        let course = known.course.as_ref();
        let waited = course.and_then(|course| waited_for(course, live.clone())).map(|(lease, _)| lease);
        let count = |is_so: &dyn Fn(&InstanceStatus, &Course) -> bool| {
            course.map_or(0, |course| live.clone().filter(|(_, status)| is_so(status, course)).count())
        };
        let agreed = [
            count(&|status, course| status.has_followed(course)),
            count(&|status, course| status.tells(course)),
            known.instances.len(),
        ];
        let mut eldest_first: Vec<_> = known.instances.iter().collect();
        eldest_first.sort_by_key(|(lease, kept)| (kept.created, **lease));
        let one = |lease: i64, status: &InstanceStatus, about: Option<&About>| {
            let is_here = known.own == Some(lease);
            Instance {
                name: status.name.clone(),
                id: id(lease),
                version: about.map(|about| about.version.clone()),
                admin: about.and_then(|about| about.admin.clone()),
                is_live: !is_here || state != InstanceState::CutOff,
                epoch: status.epoch,
                stage: status.stage,
                is_quiet: status.quiet,
                requests: about.map(|about| about.requests),
                is_here,
                is_waited_for: waited == Some(lease),
                differs: about
                    .filter(|_| !is_here)
                    .map_or_else(Vec::new, |about| known.own_about.differs(about)),
            }
        };
        let gone = |gone: &Gone| Instance {
            is_live: false,
            differs: Vec::new(),
            ..one(gone.lease, &gone.status, gone.about.as_ref())
        };
        let instances = eldest_first
            .into_iter()
            .map(|(lease, kept)| one(*lease, &kept.value, known.abouts.get(lease)))
            .chain(known.gone.iter().rev().map(gone))
            .collect();
        Instances { state, lag, lease_left, agreed, instances }
    }
}
