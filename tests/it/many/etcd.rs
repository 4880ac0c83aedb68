//! A real etcd for one test, and a look at its keys.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use etcd::{Client, Keys, Range, Settings, Tls};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::SOON;
use crate::support::{Authority, Place, Running, has};

/// Debian's program.
pub(super) const ETCD: &str = "/usr/bin/etcd";
/// A folder in memory: the disk of a test machine may be slow enough for elections.
const MEMORY: &str = "/dev/shm";

/// Members that run until the end of the test.
pub(crate) struct Etcd {
    scheme: &'static str,
    places: Vec<[Place; 2]>,
    commands: Vec<Command>,
    members: Vec<Running>,
    runtime: Runtime,
    client: Client,
    folder: TempDir,
}

impl Etcd {
    /// Starts so many members, unless etcd is missing here.
    pub(crate) fn start(members: usize) -> Option<Self> {
        Self::start_as("http", vec![Ipv4Addr::LOCALHOST; members], &[], Tls::default())
    }

    /// Starts one member at another address.
    pub(super) fn start_on(host: Ipv4Addr) -> Option<Self> {
        Self::start_as("http", vec![host], &[], Tls::default())
    }

    /// Starts one member that speaks TLS, and asks for certificates of this authority.
    pub(crate) fn secure(authority: &Authority) -> Option<Self> {
        let pair = authority.issue("127.0.0.1");
        let [certificate, key, file] = [&pair.certificate, &pair.key, &authority.file()]
            .map(|path| path.to_str().expect("temporary files have plain names").to_owned());
        let flags = [
            "--client-cert-auth",
            "--cert-file",
            &certificate,
            "--key-file",
            &key,
            "--trusted-ca-file",
            &file,
        ];
        let tls = Tls {
            authority: Some(authority.file()),
            certificate: Some(pair.certificate.clone()),
            key: Some(pair.key.clone()),
        };
        Self::start_as("https", vec![Ipv4Addr::LOCALHOST], &flags, tls)
    }

    fn start_as(scheme: &'static str, hosts: Vec<Ipv4Addr>, flags: &[&str], tls: Tls) -> Option<Self> {
        if !has(ETCD, "etcd-server") {
            return None;
        }
        let folder = if Path::new(MEMORY).is_dir() { TempDir::new_in(MEMORY) } else { TempDir::new() };
        let folder = folder.expect("there is room for files");
        let places: Vec<[Place; 2]> = hosts.into_iter().map(|host| [Place::on(host), Place::new()]).collect();
        let members = places.len();
        let cluster: Vec<String> =
            (0..members).map(|number| format!("m{number}=http://{}", places[number][1].text())).collect();
        let member = |number: usize| {
            let [client, peer] = places[number].each_ref().map(Place::text);
            let (client, peer) = (format!("{scheme}://{client}"), format!("http://{peer}"));
            let mut command = Command::new(ETCD);
            command
                .args(["--name", &format!("m{number}"), "--data-dir"])
                .arg(folder.path().join(format!("m{number}")))
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &cluster.join(","), "--bcrypt-cost", "4"])
                .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
                .args(["--logger", "zap", "--log-level", "error"])
                .args(flags);
            command
        };
        let mut commands: Vec<Command> = (0..members).map(member).collect();
        let members = commands.iter_mut().map(|command| Running::start("etcd", command)).collect();
        let urls: Vec<String> =
            places.iter().map(|[client, _]| format!("{scheme}://{}", client.text())).collect();
        let settings = Settings { tls, ..Settings::new(urls) };
        let client = Client::new(settings).expect("they are URLs, and the files are there");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let etcd = Self {
            scheme,
            places,
            commands,
            members,
            runtime: runtime.expect("a runtime can be had"),
            client,
            folder,
        };
        // It has a leader once it answers.
        let until = Instant::now() + SOON;
        while etcd.runtime.block_on(etcd.client.range(&Range::new("any"))).is_err() {
            assert!(Instant::now() < until, "etcd does not answer");
        }
        Some(etcd)
    }

    /// As `--etcd` takes them.
    pub(crate) fn urls(&self) -> String {
        let urls = self.places.iter().map(|[client, _]| format!("{}://{}", self.scheme, client.text()));
        urls.collect::<Vec<_>>().join(",")
    }

    /// The address of the first member.
    pub(super) fn address(&self) -> SocketAddr {
        self.places[0][0].address
    }

    /// Whether teal has to warn of the version.
    pub(super) fn is_old(&self) -> bool {
        let status = self.runtime.block_on(self.client.status(0)).expect("etcd answers");
        status.wanted_version().is_some()
    }

    /// The process of a member.
    pub(crate) fn member(&self, number: usize) -> &Running {
        &self.members[number]
    }

    /// Kills the member that leads, waits for its successor, and starts it again.
    pub(crate) fn kill_leader(&mut self) {
        let leader = self.leader().expect("there is a leader");
        self.members[leader].signal("KILL");
        self.members[leader].wait(SOON);
        let is_another = || self.leader().is_some_and(|another| another != leader);
        until("another member leads", SOON, is_another);
        self.members[leader] = Running::start("etcd", &mut self.commands[leader]);
        let is_back = || self.runtime.block_on(self.client.status(leader)).is_ok();
        until("the killed member answers", SOON, is_back);
    }

    fn leader(&self) -> Option<usize> {
        let leads = |number: &usize| {
            let status = self.runtime.block_on(self.client.status(*number));
            status.is_ok_and(|status| status.leader == status.member)
        };
        (0..self.members.len()).find(leads)
    }

    /// Forgets all old revisions.
    pub(crate) fn compact(&self) {
        // A member that has no leader yet refuses.
        until("the old revisions are compacted away", SOON, || {
            let page = self.runtime.block_on(self.client.range(&Range::new("none")));
            page.is_ok_and(|page| {
                let body = format!(r#"{{"revision": {}}}"#, page.revision);
                self.post("kv/compaction", &body).starts_with("HTTP/1.1 200")
            })
        });
    }

    /// Sends a signal to all members.
    pub(super) fn signal(&self, signal: &str) {
        (0..self.members.len()).for_each(|number| self.member(number).signal(signal));
    }

    /// The keys under a prefix, with their values; and the revision of the store.
    pub(super) fn keys(&self, prefix: &str) -> (BTreeMap<String, String>, i64) {
        let range = Range::new(Keys::prefix(prefix.to_owned())).limit(10_000);
        let page = self.runtime.block_on(self.client.range(&range)).expect("etcd answers");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (page.entries.iter().map(|entry| (text(&entry.key), text(&entry.value))).collect(), page.revision)
    }

    /// The names of the live instances under a prefix.
    pub(crate) fn instances(&self, prefix: &str) -> Vec<String> {
        let name = |status: &String| {
            let status: serde_json::Value = serde_json::from_str(status).expect("a status is JSON");
            status["name"].as_str().expect("it has a name").to_owned()
        };
        let mut names: Vec<String> = self.keys(&format!("{prefix}instances/")).0.values().map(name).collect();
        names.sort();
        names
    }

    pub(super) fn put(&self, key: &str, value: &str) {
        let put = self.client.put(key.to_owned(), value.to_owned(), 0);
        self.runtime.block_on(put).expect("etcd answers");
    }

    /// From now on user `teal` may read and write below `teal/`, user `reader` may read there, and nobody else anything.
    pub(super) fn enable_auth(&self) {
        let post = |what: &str, body: &str| {
            let answer = self.post(&format!("auth/{what}"), body);
            assert!(answer.starts_with("HTTP/1.1 200"), "{what}: {answer}");
        };
        post("user/add", r#"{"name": "root", "password": "root"}"#);
        post("user/grant", r#"{"user": "root", "role": "root"}"#);
        for (user, right) in [("teal", "READWRITE"), ("reader", "READ")] {
            post("user/add", &format!(r#"{{"name": "{user}", "password": "secret"}}"#));
            post("role/add", &format!(r#"{{"name": "{user}"}}"#));
            // The keys are teal/ and teal0 in base64.
            let keys = r#""key": "dGVhbC8=", "range_end": "dGVhbDA=""#;
            post(
                "role/grant",
                &format!(r#"{{"name": "{user}", "perm": {{"permType": "{right}", {keys}}}}}"#),
            );
            post("user/grant", &format!(r#"{{"user": "{user}", "role": "{user}"}}"#));
        }
        post("enable", "{}");
    }

    /// Asks etcd's JSON gateway, as an operator would.
    fn post(&self, what: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.places[0][0].address).expect("it listens");
        let size = body.len();
        let head = format!("POST /v3/{what} HTTP/1.1\r\nHost: etcd\r\nConnection: close");
        write!(stream, "{head}\r\nContent-Length: {size}\r\n\r\n{body}").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// Writes a file beside the data.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("files can be written");
        path.into_os_string().into_string().expect("temporary files have plain names")
    }
}

/// Waits until something holds, and says how long it took. Fails after `within`.
pub(super) fn until(what: &str, within: Duration, holds: impl Fn() -> bool) -> Duration {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < within, "not within {within:?}: {what}");
        // Other processes say nothing when it happens.
        std::thread::sleep(Duration::from_millis(20));
    }
    begin.elapsed()
}
