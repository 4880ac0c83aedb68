//! Instances made of the machine and the store alone, and an observer who sees all of them at every moment.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use protocol::{CallKind, Strategy};
use teal_etcd::{Client, Settings, simulated::Etcd};
use tokio::time::Instant;

use super::{TTL, store};
use crate::{
    Actor, InvalidTransition, Rules,
    course::{Course, Proposer, Stamp, TimerState, TransitionKind, Truth},
    etcd::{Deadline, Follower, Handle, RecordCopy, Store, Task},
    instance::{InstanceStatus, Stage, Unwell},
    machine::Machine,
    phase_name::PhaseName,
};

/// Sees all instances, and panics where two of them contradict each other.
#[derive(Clone, Default)]
pub(super) struct Observer {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// What the first one to follow made of each epoch.
    pub(super) courses: Arc<Mutex<Vec<Course>>>,
}

/// An instance as it is now.
struct Seen {
    name: String,
    course: Course,
    stage: Stage,
    deadline: Option<Deadline>,
    is_gone: bool,
}

impl Observer {
    fn note(&self, name: &str, course: Course, stage: Stage) {
        {
            let mut seen = self.seen.lock();
            match seen.iter_mut().find(|seen| seen.name == name) {
                Some(of) => (of.course, of.stage) = (course, stage),
                None => {
                    let name = name.to_owned();
                    seen.push(Seen { name, course, stage, deadline: None, is_gone: false });
                }
            }
            let mut courses = self.courses.lock();
            match courses.iter().find(|known| known.epoch == course.epoch) {
                Some(known) => assert_eq!(*known, course, "one epoch, two courses"),
                None => courses.push(course),
            }
        }
        self.check();
    }

    /// Whether no two instances that serve contradict each other.
    fn check(&self) {
        let seen = self.seen.lock();
        let serves =
            |of: &&Seen| !of.is_gone && of.deadline.as_ref().is_some_and(|deadline| !deadline.is_over());
        let serving: Vec<_> = seen.iter().filter(serves).collect();
        for one in serving.iter().filter(|one| one.stage >= Stage::Telling) {
            let told = one.course.headed_for();
            for other in &serving {
                let lets_in = |kind| other.course.lets_in(other.stage, kind, told);
                assert!(
                    lets_in(CallKind::LogIn) && lets_in(CallKind::Begin),
                    "{} tells {told}, {} does not let it in: {:?} {:?}",
                    one.name,
                    other.name,
                    other.course,
                    other.stage
                );
                let tells_another = other.stage >= Stage::Telling && other.course.headed_for() != told;
                assert!(
                    !tells_another,
                    "{} tells {told}, {} the other: {:?}",
                    one.name, other.name, other.course
                );
            }
        }
    }

    pub(super) fn gone(&self, name: &str) {
        self.seen.lock().iter_mut().filter(|seen| seen.name == name).for_each(|seen| seen.is_gone = true);
    }
}

/// A switch without a gate.
pub(super) struct Follows {
    name: String,
    rules: Rules,
    pub(super) machine: Mutex<Machine>,
    observer: Observer,
}

/// One instance.
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) follows: Arc<Follows>,
    pub(super) handle: Handle,
    _task: Task,
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Instance {
    /// Joins, over members of its own choice.
    pub(super) async fn start(
        etcd: &Etcd,
        members: &[usize],
        name: &str,
        rules: &Rules,
        observer: &Observer,
    ) -> Self {
        let all = etcd.settings();
        let members = members.iter().map(|member| all.members[*member].clone()).collect();
        let client: Client = etcd.client(Settings { members, ..all });
        Self::join(store(&client, "teal/"), name, rules, observer).await
    }

    pub(super) async fn join(store: Store, name: &str, rules: &Rules, observer: &Observer) -> Self {
        let machine = Mutex::new(Machine::new(rules.clone(), now()));
        let (name, observer, rules) = (name.to_owned(), observer.clone(), rules.clone());
        let follows = Arc::new(Follows { name: name.clone(), rules, machine, observer: observer.clone() });
        let (handle, task) =
            Handle::join(store, Arc::clone(&follows), RecordCopy::default(), TTL).await.expect("it joins");
        {
            let mut seen = observer.seen.lock();
            let known = seen.iter_mut().find(|seen| seen.name == name);
            if let Some(seen) = known {
                (seen.deadline, seen.is_gone) = (Some(handle.deadline().clone()), false);
            } else {
                let (course, stage) = (*follows.machine.lock().course(), Stage::Open);
                let deadline = Some(handle.deadline().clone());
                seen.push(Seen { name: name.clone(), course, stage, deadline, is_gone: false });
            }
        }
        handle.ready().await;
        Self { name, follows, handle, _task: task }
    }

    pub(super) fn course(&self) -> Course {
        *self.follows.machine.lock().course()
    }

    /// A client of this instance acts on the announcement.
    pub(super) fn adopt(&self) {
        let (mut machine, now) = (self.follows.machine.lock(), now());
        let pending = machine.course().active.other();
        if let Ok(admission) = machine.judge(CallKind::LogIn, pending, false, now) {
            machine.finish(admission, false, true, now);
        }
        drop(machine);
        self.handle.changed();
    }

    pub(super) async fn until(&self, is_so: impl Fn(&Course) -> bool, within: Duration) {
        let until = Instant::now() + within;
        while !is_so(&self.course()) {
            assert!(Instant::now() < until, "{} is still at {:?}", self.name, self.course());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills it: whatever it was about to do, it does no more.
    pub(super) fn kill(self, observer: &Observer) {
        observer.gone(&self.name);
    }
}

impl Follows {
    fn change<T>(&self, act: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine.lock();
        let done = act(&mut machine);
        let (course, stage) = (*machine.course(), machine.stage());
        drop(machine);
        self.observer.note(&self.name, course, stage);
        done
    }

    fn every(&self) -> Duration {
        self.rules.switch_every.unwrap_or_default()
    }
}

impl Follower for Follows {
    fn limits(&self) -> (usize, Duration) {
        let rules = Rules::default();
        (rules.max_queries, rules.query_ttl)
    }

    fn first(&self) -> Truth {
        Truth {
            course: Course::stable(self.rules.initial, self.rules.cutover, 1),
            timer: TimerState::Since(0),
            stamp: Stamp { by: self.name.clone(), why: Actor::Teal, at: 0 },
        }
    }

    fn join(&self, truth: &Truth) {
        let timer = truth.timer.joined(self.every(), 0);
        self.change(|machine| machine.join(truth.course, timer, now()));
    }

    fn follow(&self, truth: &Truth) {
        self.change(|machine| machine.follow(truth.course, now()));
    }

    fn see(&self, live: &[InstanceStatus], has_vanished: bool) {
        self.change(|machine| machine.see(live, has_vanished, now()));
    }

    fn see_health(&self, others: Vec<Unwell>) {
        self.machine.lock().see_health(others);
    }

    fn unwell(&self) -> Unwell {
        self.machine.lock().unwell()
    }

    fn learn(&self, holding: u64, queries: [u64; 2]) {
        self.machine.lock().learn(holding, queries, now());
    }

    fn report(&self, may_be_quiet: bool) -> InstanceStatus {
        self.machine.lock().report(&self.name, may_be_quiet, now())
    }

    fn wishes(&self) -> Vec<(std::time::Instant, TransitionKind, Actor)> {
        self.machine.lock().wishes()
    }

    fn with_timer(&self, truth: &Truth, pauses: bool, _: Actor) -> Truth {
        let timer = if pauses { TimerState::Left(0) } else { TimerState::Since(0) };
        truth.with_timer(timer, truth.stamp.clone())
    }

    fn next(&self, truth: &Truth, kind: TransitionKind, by: Actor) -> Result<Truth, InvalidTransition> {
        let proposer = Proposer { cutover: self.rules.cutover, is_alone: false };
        let stamp = Stamp { by: self.name.clone(), why: by, at: 0 };
        truth.next(kind, proposer, self.every(), stamp)
    }
}

/// Where `STABLE` has come, after so many transitions at least.
pub(super) fn is_stable(active: Strategy, epoch: u64) -> impl Fn(&Course) -> bool {
    move |course| course.phase == PhaseName::Stable && course.active == active && course.epoch >= epoch
}
