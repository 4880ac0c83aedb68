//! The same tests for the simulated etcd and for a real one, so that what is shown with the simulated one is true.

mod alike;
mod auth;
mod guards;
mod leases;
mod limits;
mod members;
mod outages;
mod real;
mod repeat;
mod store;
mod tls;
mod watches;

use std::{
    env,
    io::Write,
    path::Path,
    sync::{Arc, Mutex, Once, Weak},
    time::Duration,
};

use self::real::Real;
use crate::{Changes, Client, Event, Range, Settings, Watch, simulated};

/// How long something may take that is sure to come: it only bounds a failing test.
const SOON: Duration = Duration::from_secs(30);

/// An etcd under test.
enum World {
    Simulated(simulated::Etcd),
    Real(Arc<Real>),
}

/// Runs each of these tests against both.
macro_rules! both {
    ($($start:expr => $($name:ident)+;)+) => {
        mod simulated {
            use crate::tests::Start;

            $($(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::$name(Start::simulated(&$start)).await;
                }
            )+)+
        }
        mod real {
            use crate::tests::Start;

            $($(
                #[tokio::test]
                async fn $name() {
                    if let Some(world) = Start::real(&$start).await {
                        super::$name(world).await;
                    }
                }
            )+)+
        }
    };
}
use both;

/// The etcd and the client of a test.
enum Start {
    /// One member that other tests use too: each has keys of its own, and none compacts.
    Shared,
    /// Members of its own, with further flags for a real one.
    Own(usize, &'static [&'static str]),
}

/// The real etcd that tests share while any of them runs.
static SHARED: Mutex<Weak<Real>> = Mutex::new(Weak::new());

impl Start {
    fn simulated(&self) -> World {
        match self {
            Self::Shared => World::Simulated(simulated::Etcd::new(1)),
            Self::Own(members, _) => World::Simulated(simulated::Etcd::new(*members)),
        }
    }

    async fn real(&self) -> Option<World> {
        if !has_etcd() {
            return None;
        }
        let real = match self {
            Self::Own(members, flags) => Arc::new(Real::start(*members, flags)),
            Self::Shared => {
                let mut shared = SHARED.lock().expect("no test panics with it");
                let real = shared.upgrade().unwrap_or_else(|| Arc::new(Real::start(1, &[""; 0])));
                *shared = Arc::downgrade(&real);
                real
            }
        };
        let world = World::Real(real);
        world.ready().await;
        Some(world)
    }
}

/// Whether etcd is there. If not, the test is skipped in words, or fails under `TEAL_TEST_ALL=1`.
fn has_etcd() -> bool {
    let found = Path::new(real::ETCD).is_file();
    if !found {
        assert!(env::var_os("TEAL_TEST_ALL").is_none_or(|all| all != "1"), "needs etcd-server");
        // Said once for all tests, and past the capture of a passing test's output, so that it is seen.
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            let _ = writeln!(std::io::stderr(), "skipped: needs etcd-server (apt-get install etcd-server)");
        });
    }
    found
}

impl World {
    fn settings(&self) -> Settings {
        match self {
            Self::Simulated(etcd) => etcd.settings(),
            Self::Real(real) => real.settings(),
        }
    }

    fn client(&self) -> Client {
        self.client_with(self.settings())
    }

    fn client_with(&self, settings: Settings) -> Client {
        match self {
            Self::Simulated(etcd) => etcd.client(settings),
            Self::Real(_) => Client::new(settings).expect("the settings are good"),
        }
    }

    /// A client whose first choice is this member.
    fn client_of(&self, member: usize) -> Client {
        self.client_with(Settings { first: member, ..self.settings() })
    }

    /// Waits until there is a leader.
    async fn ready(&self) {
        let client = self.client().within(SOON);
        client.range(&Range::new("ready")).await.expect("etcd comes up");
    }

    /// Which member leads.
    async fn leader(&self) -> usize {
        self.ready().await;
        let client = self.client();
        for member in 0..client.members().count() {
            if let Ok(status) = client.status(member).await
                && status.leader == status.member
            {
                return member;
            }
        }
        panic!("no member leads");
    }

    fn kill(&self, member: usize) {
        match self {
            Self::Simulated(etcd) => etcd.kill(member),
            Self::Real(real) => real.kill(member),
        }
    }

    fn start(&self, member: usize) {
        match self {
            Self::Simulated(etcd) => etcd.start(member),
            Self::Real(real) => real.run(member),
        }
    }

    fn stop(&self, member: usize) {
        match self {
            Self::Simulated(etcd) => etcd.stop(member),
            Self::Real(real) => real.signal(member, "STOP"),
        }
    }

    fn resume(&self, member: usize) {
        match self {
            Self::Simulated(etcd) => etcd.resume(member),
            Self::Real(real) => real.signal(member, "CONT"),
        }
    }
}

/// The next changes of a watch.
async fn changes(watch: &mut Watch) -> Changes {
    let next = tokio::time::timeout(SOON, watch.next()).await.expect("there is news");
    next.expect("the watch goes on").expect("the watch is well")
}

/// The keys of the next `events` events, in order; deleted ones behind a minus.
async fn seen(watch: &mut Watch, events: usize) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.len() < events {
        seen.extend(changes(watch).await.events.iter().map(|event| match event {
            Event::Put(entry) => String::from_utf8_lossy(&entry.key).into_owned(),
            Event::Deleted { key, .. } => format!("-{}", String::from_utf8_lossy(key)),
        }));
    }
    seen
}

#[test]
fn requests_move_between_threads() {
    fn is_send<T: Send>(_: impl Fn(&'static Client, &'static mut Watch) -> T) {}
    is_send(|client, _| client.range(const { &None::<Range> }.as_ref().expect("it is not called")));
    is_send(|client, _| client.put("", "", 0));
    is_send(|client, _| client.delete(""));
    is_send(|client, _| client.grant(SOON));
    is_send(|client, _| client.keep_alive(0));
    is_send(|client, _| client.revoke(0));
    is_send(|client, _| client.status(0));
    is_send(|_, watch| watch.next());
}
