//! Clients through a balancer that deals out single calls, and switches all the time.

use tempfile::TempDir;

use super::{
    Etcd,
    balancer::{HAPROXY, balancer},
    engines, instance, view,
};
use crate::support::{beside, has, rehearse_at};

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
