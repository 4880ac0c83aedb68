//! The messages to systemd, on a socket like its own.

use std::{
    fs,
    io::ErrorKind,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{Builder, Place, call, teal};

const SOON: Duration = Duration::from_secs(60);

/// Listens in place of systemd.
pub(crate) struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("there is room for files");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket can be bound");
        socket.set_read_timeout(Some(SOON)).expect("it is a plain option");
        Self { socket, folder }
    }

    /// The socket that `NOTIFY_SOCKET` names.
    pub(crate) fn address(&self) -> String {
        text(&self.file("notify")).to_owned()
    }

    /// The lines of the next message.
    pub(crate) fn next(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).expect("teal tells its state");
        String::from_utf8_lossy(&message[..length]).lines().map(str::to_owned).collect()
    }

    /// Fails if there is a message.
    fn hears_nothing(&self) {
        self.socket.set_nonblocking(true).expect("it is a plain option");
        let mut message = [0; 4096];
        let heard = self
            .socket
            .recv(&mut message)
            .map(|length| String::from_utf8_lossy(&message[..length]).into_owned());
        assert_eq!(heard.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("it has a plain name")
}

#[test]
fn systemd_hears_of_start_reload_and_end() {
    let manager = Manager::new();
    let config = manager.file("teal.toml");
    fs::write(&config, "grace = \"1s\"").expect("files can be written");
    let mut server = teal().env("NOTIFY_SOCKET", &manager.address()).with("--config", text(&config)).run();
    assert_eq!(manager.next(), ["READY=1"]);
    let metadata = [("authorization", "Bearer someone"), ("strategy", "blue")];
    call(server.address, "getSchemaNames", &metadata, Vec::new(), SOON).expect("a ready server serves");

    for (settings, outcome) in [
        ("grace = \"2s\"", "STATUS=Settings reloaded: grace is 2s now, it was 1s"),
        ("grace = \"so\\non\"", "STATUS=Settings not reloaded, nothing has changed: grace in "),
    ] {
        fs::write(&config, settings).expect("files can be written");
        server.signal("HUP");
        let begun = manager.next();
        let since = begun.get(1).and_then(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert_eq!((begun.len(), &*begun[0]), (2, "RELOADING=1"), "{begun:?}");
        assert!(since.is_some_and(|since| since.parse::<u64>().is_ok_and(|since| since > 0)), "{begun:?}");
        let over = manager.next();
        assert_eq!((over.len(), &*over[0]), (2, "READY=1"), "{over:?}");
        assert!(over[1].starts_with(outcome), "{over:?}");
    }
    assert_eq!(server.end("TERM", SOON).code(), Some(0), "{}", server.output());
    assert_eq!(manager.next(), ["STOPPING=1"]);
}

#[test]
fn a_server_that_waits_is_not_ready() {
    let (manager, nobody) = (Manager::new(), Place::new());
    let waiting = teal().env("NOTIFY_SOCKET", &manager.address()).upstream(nobody.address);
    let mut waiting = waiting.with("--etcd", &format!("http://{}", nobody.address)).start();
    waiting.wait_for("Waiting for etcd", 1, SOON);
    // A reload may not claim that it is.
    waiting.signal("HUP");
    waiting.wait_for("Settings", 1, SOON);
    waiting.signal("TERM");
    assert_eq!(manager.next(), ["STOPPING=1"]);
    assert_eq!(waiting.wait(SOON).code(), Some(0), "{}", waiting.output());
}

/// There are too few files for all threads, or no room for the stack of one.
#[test]
fn a_server_without_its_threads_is_not_ready() {
    let (manager, nobody) = (Manager::new(), [Place::new(), Place::new()]);
    let url = format!("http://{}", nobody[0].address);
    let forwarding = || teal().between(nobody[0].address, nobody[1].address);
    let large = |server: Builder| server.env("RUST_MIN_STACK", &(1_u64 << 47).to_string());
    let previewing = forwarding().with("--preview-listen", "127.0.0.1:0");
    for (server, refused, why) in [
        (forwarding().with_few_files(60), "network thread ", "Too many open files"),
        (large(forwarding()), "network thread 1 of 50: ", "Resource temporarily unavailable"),
        (large(previewing), "preview thread 1 of 1: ", "Resource temporarily unavailable"),
        (large(forwarding().admin()), "admin thread: ", "Resource temporarily unavailable"),
        (large(forwarding()).with("--etcd", &url), "etcd thread: ", "Resource temporarily unavailable"),
        (large(teal()), "engine thread 1 of 50: ", "Resource temporarily unavailable"),
    ] {
        let server = server.env("NOTIFY_SOCKET", &manager.address()).with("--threads", "50");
        let (status, said) = server.refused();
        assert_eq!(status.code(), Some(1), "{said}");
        let blamed = said.lines().last().unwrap_or_default();
        assert!(blamed.starts_with(&format!("teal: cannot start {refused}")), "{said}");
        assert!(blamed.contains(why) && !said.contains("panicked"), "{said}");
        assert!(!said.contains("Server started"), "{said}");
        manager.hears_nothing();
    }
}

#[test]
fn the_watchdog_is_kept_alive_until_the_end() {
    let manager = Manager::new();
    let server = teal().env("NOTIFY_SOCKET", &manager.address()).env("WATCHDOG_USEC", "20000");
    let mut server = server.with("--shutdown-delay", "1h").run();
    let mut heard = Vec::new();
    let mut hear = |until: &dyn Fn(&[Vec<String>]) -> bool| {
        while !until(&heard) {
            heard.push(manager.next());
        }
        std::mem::take(&mut heard)
    };
    let beats = |heard: &[Vec<String>]| heard.iter().filter(|message| **message == ["WATCHDOG=1"]).count();
    hear(&|heard| beats(heard) > 3 && heard.contains(&vec!["READY=1".to_owned()]));
    server.signal("TERM");
    hear(&|heard| heard.contains(&vec!["STOPPING=1".to_owned()]));
    hear(&|heard| beats(heard) > 3);
    assert_eq!(server.end("INT", SOON).code(), Some(130), "{}", server.output());
}

#[test]
fn a_watchdog_of_another_process_is_left_alone() {
    let manager = Manager::new();
    let server = teal().env("NOTIFY_SOCKET", &manager.address()).env("WATCHDOG_USEC", "20000");
    let mut server = server.env("WATCHDOG_PID", "1").run();
    assert_eq!(server.end("TERM", SOON).code(), Some(0), "{}", server.output());
    assert_eq!([manager.next(), manager.next()], [["READY=1"], ["STOPPING=1"]]);
}

#[test]
fn a_manager_that_is_gone_stops_nothing() {
    let manager = Manager::new();
    let nowhere = manager.address() + "-gone";
    let server = teal().env("NOTIFY_SOCKET", &nowhere).run();
    server.wait_for("The service manager is not told of READY=1", 1, SOON);
}
