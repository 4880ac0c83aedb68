//! Polls woken tasks, one after the other, in an order that the input determines.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tokio::{
    runtime::{Builder, EnterGuard, Runtime},
    time::advance,
};

use crate::input::Input;

/// The most polls until no task is woken; more mean that tasks wake each other forever. A long input may take more in
/// all.
const POLLS: usize = 1 << 18;

/// The runtime with the paused clock, for the timers of connections.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().enable_time().start_paused(true).build().unwrap())
}

/// After this many polls the next sleep ends, even if tasks are still busy.
const PATIENCE: usize = 1 << 10;

type Work = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    name: &'static str,
    work: Option<Work>,
    alarm: Arc<Alarm>,
}

struct Alarm {
    task: usize,
    is_set: AtomicBool,
    woken: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if !self.is_set.swap(true, Ordering::Relaxed) {
            self.woken.lock().unwrap().push_back(self.task);
        }
    }
}

/// Spawns tasks, and lets them sleep. Time passes only when nothing else can happen.
#[derive(Clone, Default)]
pub(crate) struct Handle {
    begun: Rc<RefCell<Vec<(&'static str, Work)>>>,
    clock: Rc<RefCell<Clock>>,
}

#[derive(Default)]
struct Clock {
    now: u64,
    next: u64,
    sleepers: BTreeMap<(u64, u64), Waker>,
}

impl Handle {
    pub(crate) fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + 'static) {
        self.begun.borrow_mut().push((name, Box::pin(work)));
    }

    pub(crate) async fn sleep(&self, time: u64) {
        let until = self.clock.borrow().now + time;
        poll_fn(|cx| {
            let mut clock = self.clock.borrow_mut();
            if clock.now >= until {
                return Poll::Ready(());
            }
            clock.next += 1;
            let at = (until, clock.next);
            clock.sleepers.insert(at, cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Yields to all other woken tasks.
pub(crate) async fn pass() {
    let mut has_passed = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_passed, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub(crate) struct Executor {
    pub(crate) handle: Handle,
    tasks: Vec<Task>,
    woken: Arc<Mutex<VecDeque<usize>>>,
    input: Input,
    polls: usize,
    _context: EnterGuard<'static>,
}

impl Executor {
    pub(crate) fn new(input: Input) -> Self {
        Self {
            handle: Handle::default(),
            tasks: Vec::new(),
            woken: Arc::default(),
            input,
            polls: 0,
            _context: runtime().enter(),
        }
    }

    /// Runs until no task is woken; calls `check` after each step.
    pub(crate) fn run(&mut self, mut check: impl FnMut()) {
        let begin = self.polls;
        loop {
            self.begin();
            let Some(task) = self.next() else { return };
            self.polls += 1;
            if self.polls.is_multiple_of(PATIENCE) {
                self.pass_time();
            }
            assert!(self.polls - begin < POLLS, "{} and others run for ever", self.tasks[task].name);
            let Task { work, alarm, .. } = &mut self.tasks[task];
            // It may be set again while the task is polled.
            alarm.is_set.store(false, Ordering::Relaxed);
            let Some(mut future) = work.take() else { continue };
            if future.as_mut().poll(&mut Context::from_waker(&alarm.clone().into())).is_pending() {
                *work = Some(future);
            }
            check();
        }
    }

    fn begin(&mut self) {
        for (name, work) in self.handle.begun.take() {
            let task = self.tasks.len();
            let alarm = Arc::new(Alarm { task, is_set: false.into(), woken: self.woken.clone() });
            alarm.clone().wake();
            self.tasks.push(Task { name, work: Some(work), alarm });
        }
    }

    fn next(&self) -> Option<usize> {
        let mut woken = self.woken.lock().unwrap();
        let place = self.input.choose(woken.len().min(256));
        woken.remove(place)
    }

    /// Lets time pass until a sleep is over. Returns whether any task slept.
    pub(crate) fn pass_time(&mut self) -> bool {
        let mut clock = self.handle.clock.borrow_mut();
        let Some(((until, _), waker)) = clock.sleepers.pop_first() else { return false };
        let time = until.saturating_sub(clock.now);
        clock.now += time;
        drop(clock);
        waker.wake();
        Self::advance(time);
        true
    }

    /// Lets milliseconds pass for the timers of connections.
    pub(crate) fn advance(time: u64) {
        if time > 0 {
            runtime().block_on(advance(Duration::from_millis(time)));
        }
    }

    /// The tasks that are waiting.
    pub(crate) fn unfinished(&self) -> Vec<&'static str> {
        self.tasks.iter().filter(|task| task.work.is_some()).map(|task| task.name).collect()
    }
}
