//! Clients through a balancer that deals out single calls, and switches all the time.

use std::{fs, process::Command};

use tempfile::TempDir;

use super::{Etcd, SOON, engines, instance, view};
use crate::support::{Place, Running, Server, beside, has, rehearse_at};

/// The path on Debian, which is not in everyone's `PATH`.
pub(super) const HAPROXY: &str = "/usr/sbin/haproxy";
const EXAMPLE: &str = include_str!("../../../examples/haproxy.cfg");

/// The balancer of the examples before these two.
fn balancer(servers: &[Server; 2], folder: &TempDir) -> (Running, Place) {
    let place = Place::new();
    let mut config = EXAMPLE.replace("127.0.0.1:50051", &place.text());
    for (server, [clients, operators]) in servers.iter().zip([["50053", "50063"], ["50054", "50064"]]) {
        for (from, to) in [
            (format!("127.0.0.1:{clients}"), server.address.to_string()),
            (format!("port {operators}"), format!("port {}", server.admin().port())),
        ] {
            assert!(config.contains(&from), "{config}");
            config = config.replace(&from, &to);
        }
    }
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, config).expect("files can be written");
    let haproxy = Running::start("haproxy", Command::new(HAPROXY).args(["-db", "-f"]).arg(&file));
    haproxy.wait_for("Layer7 check passed, code: 200", 2, SOON);
    (haproxy, place)
}

#[test]
fn a_rehearsal_through_a_balancer_loses_nothing() {
    if !has(HAPROXY, "haproxy") {
        return;
    }
    let Some(etcd) = Etcd::start(3) else { return };
    let _beside = beside();
    let engines = engines();
    let servers = ["web-1", "web-2"].map(|name| instance(name, &etcd, &engines).run());
    let folder = TempDir::new().expect("there is room for files");
    let (_haproxy, place) = balancer(&servers, &folder);
    let rehearsed = rehearse_at(place.address)
        .with("--clients", "8")
        .with("--duration", "6s")
        .with("--admin", &servers[0].admin().to_string())
        .with("--switch-every", "2s")
        .run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    rehearsed.keeps_promises();
    assert_eq!(rehearsed.number("/queries/lost"), 0, "{}", rehearsed.output);
    let [one, other] = servers.each_ref().map(view);
    assert_eq!(one, other);
    assert!(one.2 >= 6, "only {one:?}");
    // Both have served: queries of either instance were seen by the other.
    for server in &servers {
        assert!(server.lines_with("Strategy switched from ").len() >= 2, "{}", server.output());
    }
}
