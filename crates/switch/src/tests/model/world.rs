//! The world of the model: a truth, instances, and what each of them knows.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

use protocol::{CallKind, Strategy};

use crate::{
    Cutover, PhaseName,
    course::{Course, Proposer, TransitionKind},
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

const INSTANCES: usize = 3;

/// A course, by its place in [`World::courses`].
type CourseId = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    Gone,
    /// Its key is there, and it lets nobody in.
    Joining,
    Serving,
}

/// What stands in the store about an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Status {
    is_live: bool,
    epoch: u8,
    stage: Stage,
    quiet: bool,
}

const NOBODY: Status = Status { is_live: false, epoch: 0, stage: Stage::Open, quiet: false };

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Instance {
    life: Life,
    view: CourseId,
    stage: Stage,
    quiet: bool,
    /// A request of the old strategy is in progress.
    is_busy: bool,
    /// What it has learned, of one moment: the truth, and all statuses.
    known: Option<CourseId>,
    seen: [Status; INSTANCES],
    published: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    truth: CourseId,
    instances: [Instance; INSTANCES],
    vanish: u8,
    join: u8,
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

/// One order of events, by these choices. The epoch that it comes to, or what is wrong on the way.
pub(super) fn walk(clauses: &Clauses, limits: Limits, choices: &[u16]) -> Result<u64, String> {
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
    Ok(world.course(state.truth).epoch)
}

struct World<'a> {
    clauses: &'a Clauses,
    limits: Limits,
    courses: Vec<Course>,
    ids: HashMap<Course, CourseId>,
    /// The states that one step leads to.
    next: Vec<State>,
}

impl<'a> World<'a> {
    fn new(clauses: &'a Clauses, limits: Limits) -> Self {
        Self { clauses, limits, courses: Vec::new(), ids: HashMap::new(), next: Vec::new() }
    }

    fn start(&mut self) -> State {
        let truth = self.id(Course::stable(Strategy::Blue, Cutover::Drain, 1));
        let status = |is_live| Status { is_live, epoch: 1, stage: Stage::Closing, quiet: false };
        let seen = std::array::from_fn(|number| status(number < self.limits.instances));
        let instance = |number| Instance {
            life: if number < self.limits.instances { Life::Serving } else { Life::Gone },
            view: truth,
            stage: Stage::Closing,
            quiet: false,
            is_busy: false,
            known: Some(truth),
            seen,
            published: seen[number],
        };
        let Limits { vanish, join, .. } = self.limits;
        State { truth, instances: std::array::from_fn(instance), vanish, join }
    }

    fn id(&mut self, course: Course) -> CourseId {
        *self.ids.entry(course).or_insert_with(|| {
            self.courses.push(course);
            u8::try_from(self.courses.len() - 1).expect("few courses")
        })
    }

    fn course(&self, id: CourseId) -> &Course {
        &self.courses[usize::from(id)]
    }

    /// What an instance can say of itself.
    fn status(&self, own: &Instance) -> Status {
        let epoch = u8::try_from(self.course(own.view).epoch).expect("few epochs");
        Status { is_live: true, epoch, stage: own.stage, quiet: own.quiet }
    }

    fn tell(&self, what: &str, state: &State) -> String {
        let views = state.instances.map(|instance| *self.course(instance.view));
        format!("{what}\ntruth {:?}\nviews {views:#?}\n{:#?}", self.course(state.truth), state.instances)
    }

    fn steps(&mut self, state: &State) -> Result<(), String> {
        for number in 0..self.limits.instances {
            match state.instances[number].life {
                Life::Gone => self.join(state, number),
                Life::Joining => {
                    self.learn(state, number);
                    self.enter(state, number);
                    self.vanish(state, number);
                }
                Life::Serving => {
                    self.learn(state, number);
                    self.act(state, number);
                    self.publish(state, number);
                    self.requests(state, number);
                    self.vanish(state, number);
                    self.propose(state, number)?;
                }
            }
        }
        Ok(())
    }

    fn with(&mut self, state: &State, number: usize, change: impl FnOnce(&mut Instance)) {
        let mut next = *state;
        change(&mut next.instances[number]);
        self.push(next);
    }

    /// States that differ in nothing that matters are one: what an instance has learned is of no use where it is out of
    /// date and takes it no further.
    fn push(&mut self, mut next: State) {
        let published = next.instances.map(|instance| instance.published);
        for own in next.instances.iter_mut().filter(|instance| instance.life == Life::Serving) {
            let view = &self.courses[usize::from(own.view)];
            let is_old = own.known != Some(next.truth) || own.seen != published;
            let knows_more = own.known.is_some_and(|known| known != own.view);
            let is_through = match view.phase {
                PhaseName::Announced => own.stage >= Stage::Telling,
                PhaseName::Stable | PhaseName::Draining => own.stage == Stage::Closing,
            };
            if is_old && !knows_more && is_through {
                (own.known, own.seen) = (None, [NOBODY; INSTANCES]);
            }
        }
        self.next.push(next);
    }

    fn learn(&mut self, state: &State, number: usize) {
        let seen = state.instances.map(|instance| instance.published);
        self.with(state, number, |own| (own.known, own.seen) = (Some(state.truth), seen));
    }

    /// Follows what it has learned, or else comes further with the heading.
    fn act(&mut self, state: &State, number: usize) {
        let own = &state.instances[number];
        let Some(known) = own.known else { return };
        let (view, course) = (*self.course(own.view), *self.course(known));
        if course.epoch > view.epoch {
            let stage = (self.clauses.follow)(own.stage, &view, &course);
            return self.with(state, number, |own| (own.view, own.stage, own.quiet) = (known, stage, false));
        }
        let stage = (self.clauses.advance)(own.stage, &view, &own.live());
        if stage != own.stage {
            self.with(state, number, |own| own.stage = stage);
        }
    }

    /// Says what it has done.
    fn publish(&mut self, state: &State, number: usize) {
        let published = self.status(&state.instances[number]);
        self.with(state, number, |own| own.published = published);
    }

    /// Of the old strategy: one comes, one goes, or there was none for the whole grace.
    fn requests(&mut self, state: &State, number: usize) {
        let own = &state.instances[number];
        let course = *self.course(own.view);
        if course.phase != PhaseName::Draining {
            if own.is_busy {
                self.with(state, number, |own| own.is_busy = false);
            }
            return;
        }
        let old = course.active.other();
        if own.is_busy {
            return self.with(state, number, |own| own.is_busy = false);
        }
        let status = self.status(own);
        if own.stage == Stage::Closing && !own.quiet {
            let published = Status { quiet: true, ..status };
            self.with(state, number, |own| (own.quiet, own.published) = (true, published));
        }
        if !course.lets_in(own.stage, CallKind::Neutral, old) {
            return;
        }
        let reported = status.read().expect("it is live");
        if !(self.clauses.retracts_quiet)(&reported, &course, old) {
            self.with(state, number, |own| own.is_busy = true);
        } else if own.view == state.truth {
            let published = Status { quiet: false, ..status };
            self.with(state, number, |own| {
                (own.quiet, own.is_busy, own.published) = (false, true, published);
            });
        }
    }

    fn vanish(&mut self, state: &State, number: usize) {
        if state.vanish > 0 {
            let mut next = *state;
            next.vanish -= 1;
            let own = &mut next.instances[number];
            *own = Instance {
                life: Life::Gone,
                view: 0,
                stage: Stage::Open,
                quiet: false,
                is_busy: false,
                known: None,
                seen: [NOBODY; INSTANCES],
                published: NOBODY,
            };
            self.push(next);
        }
    }

    fn join(&mut self, state: &State, number: usize) {
        if state.join > 0 {
            let mut next = *state;
            next.join -= 1;
            let own = &mut next.instances[number];
            own.life = Life::Joining;
            own.published = Status { is_live: true, epoch: 0, stage: Stage::Open, quiet: false };
            self.push(next);
        }
    }

    /// Lets calls in, once it has followed.
    fn enter(&mut self, state: &State, number: usize) {
        let own = &state.instances[number];
        if !self.clauses.joiners_follow {
            return self.with(state, number, |own| own.life = Life::Serving);
        }
        let Some(known) = own.known else { return };
        let course = *self.course(known);
        let stage = (self.clauses.advance)((self.clauses.join)(&course), &course, &own.live());
        self.with(state, number, |own| (own.life, own.view, own.stage) = (Life::Serving, known, stage));
    }

    /// Tries each transition that fits. The store takes it where the proposer knows all that is there.
    fn propose(&mut self, state: &State, number: usize) -> Result<(), String> {
        let own = &state.instances[number];
        let published = state.instances.map(|instance| instance.published);
        if own.known != Some(state.truth) || own.view != state.truth || own.seen != published {
            return Ok(());
        }
        let course = *self.course(state.truth);
        if course.epoch > self.limits.transitions {
            return Ok(());
        }
        let live: Vec<_> = published.iter().filter_map(|status| status.read()).collect();
        for kind in TransitionKind::ALL {
            let proposer = Proposer { cutover: Cutover::Drain, is_alone: false };
            let Ok(next) = course.next(kind, proposer) else { continue };
            let is_silent = own.quiet && !own.is_busy;
            if kind == TransitionKind::Drain && !is_silent || !(self.clauses.is_free)(kind, &course, &live) {
                continue;
            }
            self.check_step(kind, &course, state).map_err(|what| self.tell(what, state))?;
            let truth = self.id(next);
            self.push(State { truth, ..*state });
        }
        Ok(())
    }

    /// What has to be so as a transition is made, whatever has been said.
    fn check_step(&self, kind: TransitionKind, course: &Course, state: &State) -> Result<(), &'static str> {
        let old = course.active.other();
        for instance in state.serving() {
            let view = self.course(instance.view);
            let fits = match kind {
                TransitionKind::CutOver => instance.stage >= Stage::Telling && view.heading == course.heading,
                TransitionKind::Drain => !instance.is_busy && view.epoch == course.epoch,
                TransitionKind::TimeOutDrain => !view.lets_in(instance.stage, CallKind::Begin, old),
                TransitionKind::Announce | TransitionKind::Abort | TransitionKind::RollBack => true,
            };
            if !fits {
                return Err(match kind {
                    TransitionKind::CutOver => "cut over before all tell",
                    TransitionKind::Drain => "drained while the old strategy is in use",
                    _ => "timed out before all close",
                });
            }
        }
        Ok(())
    }

    /// What holds at every moment.
    fn check(&self, state: &State) -> Result<(), &'static str> {
        for teller in state.serving().filter(|instance| instance.stage >= Stage::Telling) {
            let told = self.course(teller.view).headed_for();
            for other in state.serving() {
                let view = self.course(other.view);
                if other.stage >= Stage::Telling && view.headed_for() != told {
                    return Err("two headings are told at once");
                }
                if ![CallKind::LogIn, CallKind::Begin]
                    .iter()
                    .all(|kind| view.lets_in(other.stage, *kind, told))
                {
                    return Err("told before all let it in");
                }
            }
        }
        for refuser in state.serving() {
            let view = self.course(refuser.view);
            let refuses = !view.lets_in(refuser.stage, CallKind::Begin, view.active.other());
            if !refuses || self.clauses.refuses_by_truth && refuser.view != state.truth {
                continue;
            }
            let tells = |other: &Instance| {
                other.stage >= Stage::Telling && self.course(other.view).headed_for() == view.active
            };
            if !state.serving().all(tells) {
                return Err("refused before all tell");
            }
        }
        Ok(())
    }
}

impl State {
    fn serving(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(|instance| instance.life == Life::Serving)
    }
}

impl Instance {
    /// All live instances, as it has seen them.
    fn live(&self) -> Vec<InstanceStatus> {
        self.seen.iter().filter_map(Status::read).collect()
    }
}

impl Status {
    fn read(&self) -> Option<InstanceStatus> {
        let Self { is_live, epoch, stage, quiet } = *self;
        // No name: it costs nothing to make one.
        let joining = InstanceStatus::joining(String::new());
        is_live.then(|| InstanceStatus { epoch: u64::from(epoch), stage, quiet, ..joining })
    }
}

/// Fast, and good enough for states that nobody chooses.
#[derive(Default)]
struct Mix(u64);

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
