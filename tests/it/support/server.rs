//! The real binary on a free port.

use std::{
    net::SocketAddr,
    ops::Deref,
    process::{Command, ExitStatus},
    time::Duration,
};

use super::{Running, Said, answer, command, send};

const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A server to be: `teal().switch_every("2s").run()`.
pub(crate) fn teal() -> Builder {
    let mut command = binary();
    command.env("TEAL_ADMIN", "off");
    Builder { command, listen: "127.0.0.1:0".to_owned() }
}

/// An engine to be: a server without a gate.
pub(crate) fn engine() -> Builder {
    teal().with("--gate", "off")
}

/// The real binary, with nothing set.
pub(super) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_teal"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TEAL_") {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) struct Builder {
    command: Command,
    listen: String,
}

impl Builder {
    pub(crate) fn listen(mut self, address: &str) -> Self {
        self.listen = address.to_owned();
        self
    }

    pub(crate) fn switch_every(self, duration: &str) -> Self {
        self.with("--switch-every", duration)
    }

    pub(crate) fn notice(self, duration: &str) -> Self {
        self.with("--notice", duration)
    }

    pub(crate) fn grace(self, duration: &str) -> Self {
        self.with("--grace", duration)
    }

    pub(crate) fn cutover(self, kind: &str) -> Self {
        self.with("--cutover", kind)
    }

    /// Forwards to one engine.
    pub(crate) fn upstream(self, engine: SocketAddr) -> Self {
        self.with("--upstream", &format!("http://{engine}"))
    }

    /// Forwards to one engine per strategy.
    pub(crate) fn between(self, blue: SocketAddr, green: SocketAddr) -> Self {
        self.with("--blue", &format!("http://{blue}")).with("--green", &format!("http://{green}"))
    }

    /// Serves operators, on a free port.
    pub(crate) fn admin(self) -> Self {
        self.with("--admin", "127.0.0.1:0")
    }

    pub(crate) fn with(mut self, flag: &str, value: &str) -> Self {
        self.command.args([flag, value]);
        self
    }

    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in a network namespace.
    pub(crate) fn within(self, namespace: &str) -> Self {
        self.under(Command::new("ip").args(["netns", "exec", namespace]))
    }

    /// Runs it with room for so many open files.
    pub(crate) fn with_few_files(self, most: u32) -> Self {
        let limit = format!("ulimit -n {most} && exec \"$0\" \"$@\"");
        self.under(Command::new("sh").args(["-c", &limit]))
    }

    /// Has another program start it.
    fn under(mut self, outer: &mut Command) -> Self {
        outer.arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        self.command = std::mem::replace(outer, Command::new("true"));
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Starts it and waits until it listens.
    pub(crate) fn run(mut self) -> Server {
        self.command.args(["--listen", &self.listen]);
        Server::start("teal", &mut self.command)
    }

    /// Starts it, and does not wait.
    pub(crate) fn start(mut self) -> Running {
        self.command.args(["--listen", &self.listen]);
        Running::start("teal", &mut self.command)
    }

    /// Starts it with settings that it has to refuse: how it ended and what it wrote.
    pub(crate) fn refused(mut self) -> (ExitStatus, String) {
        self.command.args(["--listen", &self.listen]);
        let mut process = Running::start("teal", &mut self.command);
        let status = process.wait(STARTS_WITHIN);
        process.drained();
        (status, process.output())
    }
}

/// A server that listens; it ends with the test.
pub(crate) struct Server {
    process: Running,
    pub(crate) address: SocketAddr,
}

/// The address behind some words of a line.
fn address(line: &str, words: &str) -> SocketAddr {
    let rest = line.split(words).nth(1);
    rest.and_then(|rest| rest.split(['"', ' ', ',']).next())
        .and_then(|address| address.parse().ok())
        .unwrap_or_else(|| panic!("no address in {line:?}"))
}

impl Server {
    /// Starts one and waits until it listens.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let process = Running::start(name, command);
        let started = process.wait_for("Server started on ", 1, STARTS_WITHIN);
        let address = address(&started[0], "Server started on ");
        Self { process, address }
    }

    /// The address of its admin API.
    pub(crate) fn admin(&self) -> SocketAddr {
        let words = "Admin API on http://";
        address(&self.wait_for(words, 1, STARTS_WITHIN)[0], words)
    }

    /// The response of its API under a path.
    pub(crate) fn get(&self, path: &str) -> String {
        let answer = answer(send(self.admin(), &format!("GET {path}"), ""));
        let body = answer.split_once("\r\n\r\n").filter(|_| answer.starts_with("HTTP/1.1 200 "));
        body.unwrap_or_else(|| panic!("{path}: {answer}")).1.to_owned()
    }

    /// Runs a command that talks to it.
    pub(crate) fn operate(&self, args: &[&str]) -> Said {
        command().args(args).to(&self.admin()).run()
    }

    /// Asks for a graceful end and waits for it.
    pub(crate) fn end(&mut self, signal: &str, within: Duration) -> ExitStatus {
        self.process.signal(signal);
        let status = self.process.wait(within);
        self.process.drained();
        status
    }
}

impl Deref for Server {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.process
    }
}
