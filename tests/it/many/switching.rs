//! Queries and switches through two instances in turn, with the published connector's messages.

use super::{Etcd, engines, instance};
use crate::support::{Connector, python};

#[test]
fn clients_cannot_tell_instances_apart() {
    let Some(etcd) = Etcd::start(3) else { return };
    let engines = engines();
    let servers = ["web-1", "web-2"].map(|name| instance(name, &etcd, &engines).run());
    let [admin, other] = servers.each_ref().map(|server| server.admin().to_string());
    let address = servers[1].address.to_string();
    python(Connector::V3_0_2).run(&servers[0], "instances.py", &[&address, &admin, &other]);
}
