//! etcd stops and comes back.

use std::time::Duration;

use super::{Etcd, SOON, TTL, ask, engines, etcd::until, instance, is_ready};
use crate::support::{Connector, python};

/// Ready again after etcd is back.
const BACK_WITHIN: Duration = Duration::from_secs(3);

#[test]
fn without_etcd_known_queries_go_on() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let server = instance("web-1", &etcd, &engines).run();
    let mut client = python(Connector::V3_0_2).start(&server, "cut_off.py", &[]);
    client.wait_for("begun", 1, SOON);
    assert!(is_ready(&server));
    etcd.signal("STOP");
    until("not ready", TTL, || !is_ready(&server));
    let (status, body) = ask(&server, "/readyz");
    assert!(status == 503 && body.contains("teal web-1 has lost etcd"), "{status} {body}");
    let switch = server.operate(&["switch"]).ended(1);
    assert_eq!(switch.err, "teal: teal web-1 has lost etcd\n");
    client.write_line("stopped");
    client.wait_for("refused", 1, SOON);
    etcd.signal("CONT");
    until("ready again", BACK_WITHIN, || is_ready(&server));
    client.write_line("back");
    client.succeed(SOON);
    assert_eq!(etcd.instances("teal/"), ["web-1"]);
}
