//! The way to etcd is cut, in each way that a network has, while clients still reach the instance.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use super::{Etcd, SOON, TTL, ask, at, engines, etcd::until, is_ready};
use crate::support::{Place, Server, call};

/// How often a thread looks whether the link has changed.
const LOOKS_EVERY: Duration = Duration::from_millis(20);
/// Ready again after the link is back.
const BACK_WITHIN: Duration = Duration::from_secs(3);

/// The fate of bytes on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Nothing comes through, and nobody is told.
    Silent,
    /// etcd hears the instance, and not the other way round.
    Deaf,
    /// The instance hears etcd, and not the other way round.
    Mute,
    /// Connections break, and new ones are refused.
    Refused,
    /// No more looks: the end of the test.
    Over,
}

const FAULTS: [Fault; 4] = [Fault::Silent, Fault::Deaf, Fault::Mute, Fault::Refused];
const ALL: [Fault; 6] = [Fault::None, Fault::Silent, Fault::Deaf, Fault::Mute, Fault::Refused, Fault::Over];

/// A link to one address.
struct Link {
    place: Place,
    fault: Arc<AtomicU8>,
}

fn read(fault: &AtomicU8) -> Fault {
    ALL[usize::from(fault.load(SeqCst))]
}

impl Link {
    fn to(there: SocketAddr) -> Self {
        let (place, fault) = (Place::new(), Arc::<AtomicU8>::default());
        let (here, set) = (place.address, Arc::clone(&fault));
        let listening = TcpListener::bind(here).expect("the place is free");
        thread::spawn(move || listen(listening, there, &set));
        Self { place, fault }
    }

    fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, SeqCst);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.set(Fault::Over);
    }
}

/// Until the link is over.
fn listen(listening: TcpListener, there: SocketAddr, fault: &Arc<AtomicU8>) {
    let here = listening.local_addr().expect("it is bound");
    let mut listening = Some(listening);
    loop {
        match read(fault) {
            Fault::Over => return,
            Fault::Refused => listening = None,
            _ if listening.is_none() => listening = TcpListener::bind(here).ok(),
            _ => {}
        }
        if let Some(listener) = &listening {
            listener.set_nonblocking(true).expect("it is a plain option");
            if let Ok((near, _)) = listener.accept() {
                near.set_nonblocking(false).expect("it is a plain option");
                if let Ok(far) = TcpStream::connect(there) {
                    carry(&near, &far, fault, Fault::Mute);
                    carry(&far, &near, fault, Fault::Deaf);
                }
                continue;
            }
        }
        thread::sleep(LOOKS_EVERY);
    }
}

/// Carries bytes one way, unless the link is silent or has the fault of this way.
fn carry(from: &TcpStream, to: &TcpStream, fault: &Arc<AtomicU8>, own: Fault) {
    let (mut from, mut to) = (from.try_clone().expect("it is open"), to.try_clone().expect("it is open"));
    let fault = Arc::clone(fault);
    from.set_read_timeout(Some(LOOKS_EVERY)).expect("it is a plain option");
    to.set_nodelay(true).expect("it is a plain option");
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        loop {
            match read(&fault) {
                Fault::Refused | Fault::Over => break,
                found if found == Fault::Silent || found == own => {
                    thread::sleep(LOOKS_EVERY);
                    continue;
                }
                _ => {}
            }
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(size) if to.write_all(&buffer[..size]).is_ok() => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Ok(_) | Err(_) => break,
            }
        }
        _ = from.shutdown(Shutdown::Both);
        _ = to.shutdown(Shutdown::Both);
    });
}

fn is_served(server: &Server) -> Result<(), String> {
    let metadata = [("authorization", "Bearer someone"), ("strategy", "blue")];
    let called = call(server.address, "getSchemaNames", &metadata, Vec::new(), SOON);
    called.map(drop).map_err(|status| format!("{:?} {}", status.code(), status.message()))
}

/// An instance whose link has this fault, until the others take it for dead.
fn survives(fault: Fault, etcd: &Etcd, engines: &[Server; 2]) {
    let link = Link::to(etcd.address());
    let prefix = format!("{fault:?}/");
    let server = at("web-1", &format!("http://{}", link.place.text()), engines.each_ref())
        .with("--etcd-prefix", &prefix)
        .run();
    survives_cut(&prefix, etcd, &server, |is_cut| link.set(if is_cut { fault } else { Fault::None }));
}

/// Cuts the way of an instance to etcd until its key is gone.
pub(super) fn survives_cut(prefix: &str, etcd: &Etcd, server: &Server, cut: impl Fn(bool)) {
    assert_eq!(is_served(server), Ok(()));
    cut(true);
    until(&format!("{prefix}: not ready"), TTL, || !is_ready(server));
    assert!(ask(server, "/readyz").1.contains("teal web-1 has lost etcd"));
    assert_eq!(is_served(server), Err("Unavailable teal web-1 has lost etcd".to_owned()));
    until("its key is gone", SOON, || etcd.instances(prefix).is_empty());
    cut(false);
    until(&format!("{prefix}: ready again"), BACK_WITHIN, || is_ready(server));
    assert_eq!(is_served(server), Ok(()));
    assert_eq!(etcd.instances(prefix), ["web-1"]);
}

#[test]
fn a_cut_link_to_etcd_is_survived() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    thread::scope(|scope| {
        let threads = FAULTS.map(|fault| {
            scope.spawn({
                let (etcd, engines) = (&etcd, &engines);
                move || survives(fault, etcd, engines)
            })
        });
        threads.into_iter().for_each(|thread| thread.join().expect("it survives"));
    });
}
