//! Commands of the real binary that talk to a running teal.

use std::{net::SocketAddr, process::Command};

use super::{Running, server::binary};

/// A command to be: `command().args(&["status"]).to(&address).run()`.
pub(crate) fn command() -> Operate {
    Operate { command: binary() }
}

pub(crate) struct Operate {
    command: Command,
}

/// The output and the exit code of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Operate {
    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn to(self, address: &SocketAddr) -> Self {
        self.args(&["--admin", &address.to_string()])
    }

    /// Runs one that ends soon, answered or not.
    pub(crate) fn run(mut self) -> Said {
        let output = self.command.output().expect("the binary starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Starts one that goes on for a while.
    pub(crate) fn start(mut self) -> Running {
        Running::start("a command", &mut self.command)
    }
}

impl Said {
    /// The output, if it ended with this code.
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// The standard output, if it succeeded.
    pub(crate) fn done(self) -> String {
        let said = self.ended(0);
        assert_eq!(said.err, "", "{said:?}");
        said.out
    }
}
