//! A real etcd of one member that all tests share while any of them runs. It does not outlive them.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, Once, Weak},
};

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// Debian's program.
const ETCD: &str = "/usr/bin/etcd";
/// A folder in memory: the disk of a test machine may be slow enough for elections.
const MEMORY: &str = "/dev/shm";

static SHARED: Mutex<Weak<Real>> = Mutex::new(Weak::new());

/// The process, under a shell that kills it when this process is gone.
pub(super) struct Real {
    shell: Child,
    pub(super) url: String,
    _ports: [Socket; 2],
    _folder: TempDir,
}

impl Real {
    /// The shared one. Without the program the test is skipped in words, or fails under `TEAL_TEST_ALL=1`.
    pub(super) fn shared() -> Option<Arc<Self>> {
        if !Path::new(ETCD).is_file() {
            assert!(env::var_os("TEAL_TEST_ALL").is_none_or(|all| all != "1"), "needs etcd-server");
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                let _ =
                    writeln!(std::io::stderr(), "skipped: needs etcd-server (apt-get install etcd-server)");
            });
            return None;
        }
        let mut shared = SHARED.lock().expect("no test panics with it");
        let real = shared.upgrade().unwrap_or_else(|| Arc::new(Self::start()));
        *shared = Arc::downgrade(&real);
        Some(real)
    }

    fn start() -> Self {
        let folder = match Path::new(MEMORY).is_dir() {
            true => TempDir::new_in(MEMORY),
            false => TempDir::new(),
        };
        let folder = folder.expect("there is room for files");
        let ((client, first), (peer, second)) = (reserve(), reserve());
        let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
        let mut shell = Command::new("sh")
            .args(["-c", "\"$@\" >&2 & echo $!; read -r end; kill -9 $!; wait", "sh", ETCD])
            .args(["--name", "m0", "--data-dir"])
            .arg(folder.path().join("m0"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("m0={peer}")])
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
            .args(["--logger", "zap", "--log-level", "error"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let mut said = BufReader::new(shell.stdout.take().expect("stdout is piped"));
        said.read_line(&mut String::new()).expect("the shell says the process");
        Self { shell, url: client, _ports: [first, second], _folder: folder }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // The shell's input ends; it kills etcd, waits for it and ends.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// A free port, kept. A server that sets SO_REUSEADDR, as etcd does, may listen there.
fn reserve() -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be had");
    socket.set_reuse_address(true).expect("it is a plain option");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port is free");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("it is an IP socket");
    (address, socket)
}
