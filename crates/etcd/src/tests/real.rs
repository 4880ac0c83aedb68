//! A real etcd: processes that do not outlive their test.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::Settings;

/// Debian's program.
pub(super) const ETCD: &str = "/usr/bin/etcd";

/// A folder in memory: the disk of a test machine may be slow enough for elections.
const MEMORY: &str = "/dev/shm";

/// Members that run, each in a folder of its own.
pub(super) struct Real {
    folder: TempDir,
    members: Vec<Place>,
    flags: Vec<String>,
    is_tls: bool,
    running: Mutex<Vec<Option<Running>>>,
}

/// The ports of a member: reserved, whether it runs or not.
struct Place {
    client: (SocketAddr, Socket),
    peer: (SocketAddr, Socket),
}

/// A member under a shell that kills it when this process is gone.
struct Running {
    shell: Child,
    etcd: String,
}

impl Real {
    /// Starts so many members; with `--cert-file` among the flags they speak TLS with clients.
    pub(super) fn start<T: AsRef<str>>(members: usize, flags: &[T]) -> Self {
        let folder = match Path::new(MEMORY).is_dir() {
            true => TempDir::new_in(MEMORY),
            false => TempDir::new(),
        };
        let flags: Vec<String> = flags.iter().map(|flag| flag.as_ref().to_owned()).collect();
        let real = Self {
            folder: folder.expect("there is room for files"),
            members: (0..members).map(|_| Place { client: reserve(), peer: reserve() }).collect(),
            is_tls: flags.iter().any(|flag| flag == "--cert-file"),
            flags,
            running: Mutex::new((0..members).map(|_| None).collect()),
        };
        (0..members).for_each(|member| real.run(member));
        real
    }

    pub(super) fn settings(&self) -> Settings {
        Settings::new(self.members.iter().map(|place| self.url(place)))
    }

    /// The address at which a member listens to clients.
    pub(super) fn address(&self, member: usize) -> SocketAddr {
        self.members[member].client.0
    }

    fn url(&self, place: &Place) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, place.client.0)
    }

    /// Starts a member, with the data of its last life.
    pub(super) fn run(&self, member: usize) {
        let place = &self.members[member];
        let peers = |(index, place): (usize, &Place)| format!("m{index}=http://{}", place.peer.0);
        let cluster: Vec<String> = self.members.iter().enumerate().map(peers).collect();
        let (client, peer) = (self.url(place), format!("http://{}", place.peer.0));
        let mut shell = Command::new("sh")
            .args(["-c", "\"$@\" >&2 & echo $!; read -r end; kill -9 $!; wait", "sh", ETCD])
            .args(["--name", &format!("m{member}"), "--data-dir"])
            .arg(self.folder.path().join(format!("m{member}")))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &cluster.join(","), "--bcrypt-cost", "4"])
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
            .args(["--logger", "zap", "--log-level", "error"])
            .args(&self.flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let mut etcd = String::new();
        let mut said = BufReader::new(shell.stdout.take().expect("stdout is piped"));
        said.read_line(&mut etcd).expect("the shell says the process");
        let before = self.running.lock().expect("no test panics with it")[member]
            .replace(Running { shell, etcd: etcd.trim().to_owned() });
        assert!(before.is_none(), "member {member} runs already");
    }

    pub(super) fn kill(&self, member: usize) {
        drop(self.running.lock().expect("no test panics with it")[member].take());
    }

    /// Deletes the data of a member that does not run.
    pub(super) fn wipe(&self, member: usize) {
        fs::remove_dir_all(self.folder.path().join(format!("m{member}"))).expect("it had data");
    }

    pub(super) fn signal(&self, member: usize, signal: &str) {
        let running = self.running.lock().expect("no test panics with it");
        kill(signal, &running[member].as_ref().expect("it runs").etcd);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill("KILL", &self.etcd);
        // Its input ends, and so does the shell, which has the child's end to collect.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

fn kill(signal: &str, process: &str) {
    let done = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, process]).status();
    assert!(done.expect("there is a shell").success(), "{process} is not there");
}

/// Reserves a free port. A server that sets SO_REUSEADDR, as etcd does, may listen there and come and go; a connection
/// is refused while none does.
pub(super) fn reserve() -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be had");
    socket.set_reuse_address(true).expect("it is a plain option");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port is free");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("it is an IP socket");
    (address, socket)
}
