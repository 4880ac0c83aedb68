//! The balancer of the examples, before servers under test.

use std::{fs, process::Command};

use tempfile::TempDir;

use super::SOON;
use crate::support::{Place, Running, Server};

/// The path on Debian, which is not in everyone's `PATH`.
pub(crate) const HAPROXY: &str = "/usr/sbin/haproxy";
const EXAMPLE: &str = include_str!("../../../examples/haproxy.cfg");

/// The line of an instance in the example.
const LINE: &str = "    server web-1 127.0.0.1:50053 port 50063 check-proto h1\n";

/// The balancer of the examples before these.
pub(crate) fn balancer(servers: &[Server], folder: &TempDir) -> (Running, Place) {
    let place = Place::new();
    let (before, _) = EXAMPLE.split_once(LINE).expect("the example names its instances last");
    let line = |(number, server): (usize, &Server)| {
        let (address, admin) = (server.address, server.admin().port());
        LINE.replace("web-1", &format!("web-{number}"))
            .replace("127.0.0.1:50053", &address.to_string())
            .replace("50063", &admin.to_string())
    };
    let lines: String = servers.iter().enumerate().map(line).collect();
    let config = before.replace("127.0.0.1:50051", &place.text()) + &lines;
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, config).expect("files can be written");
    let haproxy = Running::start("haproxy", Command::new(HAPROXY).args(["-db", "-f"]).arg(&file));
    haproxy.wait_for("Layer7 check passed, code: 200", servers.len(), SOON);
    (haproxy, place)
}
