//! The commands of the page start what it says.

use std::{env, fs, path::Path, process::Command};

use tempfile::TempDir;

use super::{SOON, balancer::HAPROXY, engines, etcd::ETCD};
use crate::support::{Place, Running, call, has};

const PAGE: &str = include_str!("../../../docs/many.md");
const CONFIG: &str = include_str!("../../../examples/haproxy.cfg");

/// The ports of the page: etcd's, the clients', and those of the two teals.
const PORTS: [&str; 6] = ["2379", "50051", "50053", "50063", "50054", "50064"];

#[test]
fn the_commands_on_the_page_work() {
    if !has(HAPROXY, "haproxy") || !has(ETCD, "etcd-server") {
        return;
    }
    let engines = engines();
    let places = PORTS.map(|port| (port, Place::new()));
    let peer = Place::new();
    let replaced = |text: &str| {
        let moved = places.iter().fold(text.to_owned(), |text, (port, place)| {
            let here = place.address.port();
            text.replace(&format!("127.0.0.1:{port}"), &place.text())
                .replace(&format!(" port {port} "), &format!(" port {here} "))
        });
        moved
            .replace("http://b:80", &format!("http://{}", engines[0].address))
            .replace("http://g:80", &format!("http://{}", engines[1].address))
    };
    let folder = TempDir::new().expect("there is room for files");
    fs::create_dir(folder.path().join("examples")).expect("folders can be made");
    fs::write(folder.path().join("examples/haproxy.cfg"), replaced(CONFIG)).expect("files can be written");
    let block = PAGE.split("```bash\n").nth(1).and_then(|rest| rest.split("```").next());
    let block = replaced(block.expect("the page has a block"));
    let teal = Path::new(env!("CARGO_BIN_EXE_teal")).parent().expect("it is in a folder");
    let path = env::var_os("PATH").unwrap_or_default();
    let programs = [teal, Path::new("/usr/sbin"), Path::new("/usr/bin")].map(Path::to_path_buf);
    let path = env::join_paths(programs.into_iter().chain(env::split_paths(&path)));
    let (client, peer) = (format!("http://{}", places[0].1.text()), format!("http://{}", peer.text()));
    let mut bash = Command::new("bash");
    bash.args(["-c", &block])
        .current_dir(&folder)
        .env("PATH", path.expect("folders have plain names"))
        .env("TEAL_GRACE", "0s")
        .env("ETCD_LISTEN_CLIENT_URLS", &client)
        .env("ETCD_ADVERTISE_CLIENT_URLS", &client)
        .env("ETCD_LISTEN_PEER_URLS", &peer)
        .env("ETCD_INITIAL_ADVERTISE_PEER_URLS", &peer)
        .env("ETCD_INITIAL_CLUSTER", format!("default={peer}"));
    let running = Running::start("the page", &mut bash);
    running.wait_for("Server started on ", 2, SOON);
    running.wait_for("Layer7 check passed, code: 200", 2, SOON);
    let metadata = [("authorization", "Bearer someone"), ("strategy", "blue")];
    for _ in 0..2 {
        call(places[1].1.address, "getSchemaNames", &metadata, Vec::new(), SOON).expect("it is answered");
    }
}
