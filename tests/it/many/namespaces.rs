//! The kernel loses packets between an instance and etcd, in a network namespace of its own: links that are down, and
//! routes that lead nowhere, one way or the other.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    process::Command,
    thread,
};

use super::{Etcd, bare, links::survives_cut};
use crate::support::engine;

/// How the way to etcd is cut: the command of `ip`, with the word for the other direction.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The link is down.
    Link,
    /// What etcd sends is lost.
    Answers,
    /// What the instance sends is lost.
    Questions,
    /// The instance is told that there is no way.
    Unreachable,
}

const CUTS: [Cut; 4] = [Cut::Link, Cut::Answers, Cut::Questions, Cut::Unreachable];

/// A namespace with a link to clients and engines, and one to etcd.
struct Namespace {
    name: String,
    /// The ends of the links on this side, and their addresses on both sides.
    links: [(String, Ipv4Addr, Ipv4Addr); 2],
}

fn ip(arguments: &str) -> Result<(), String> {
    let done = Command::new("ip").args(arguments.split(' ')).output().map_err(|error| error.to_string())?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&done.stderr).trim())),
    }
}

impl Namespace {
    /// Fails where the machine does not allow it.
    fn new(number: u8) -> Result<Self, String> {
        let process = std::process::id();
        let [.., high, low] = (process << 2).to_be_bytes();
        let name = format!("teal-{process}-{number}");
        let links = [0, 1].map(|link: u8| {
            let end = format!("tl{process}{number}{link}");
            // 240.0.0.0/4 is nobody's.
            let at = |side: u8| Ipv4Addr::new(240 + number * 2 + link, high, low, side);
            (end, at(1), at(2))
        });
        ip(&format!("netns add {name}"))?;
        let namespace = Self { name, links };
        namespace.connect()?;
        Ok(namespace)
    }

    fn connect(&self) -> Result<(), String> {
        let name = &self.name;
        for (link, (end, here, there)) in self.links.iter().enumerate() {
            ip(&format!("link add {end} type veth peer name link{link} netns {name}"))?;
            ip(&format!("address add {here}/30 dev {end}"))?;
            ip(&format!("-n {name} address add {there}/30 dev link{link}"))?;
            ip(&format!("link set {end} up"))?;
            ip(&format!("-n {name} link set link{link} up"))?;
        }
        Ok(())
    }

    /// Cuts the way to etcd, or mends it.
    fn cut(&self, cut: Cut, is_cut: bool) {
        let Self { name, links: [_, (end, here, there)] } = self;
        let route = if is_cut { "add" } else { "del" };
        let set = match (cut, is_cut) {
            (Cut::Link, true) => format!("link set {end} down"),
            (Cut::Link, false) => format!("link set {end} up"),
            (Cut::Answers, _) => format!("route {route} blackhole {there}/32"),
            (Cut::Questions, _) => format!("-n {name} route {route} blackhole {here}/32"),
            (Cut::Unreachable, _) => format!("-n {name} route {route} unreachable {here}/32"),
        };
        ip(&set).expect("the namespace is there");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Its links go with it, once nobody is left in it.
        _ = ip(&format!("netns delete {}", self.name));
        for (end, ..) in &self.links {
            _ = ip(&format!("link delete {end}"));
        }
    }
}

fn survives(number: u8, cut: Cut, namespace: &Namespace) {
    let [(_, here, there), (_, etcd, _)] = &namespace.links;
    let Some(etcd) = Etcd::start_on(*etcd) else { return };
    let engines = [0, 1].map(|_| engine().with("--sessions", "any").listen(&format!("{here}:0")).run());
    let token = etcd.file("token", "a-token-for-this-test-alone");
    let server = bare("web-1", &etcd.urls(), engines.each_ref())
        .switch_every("0")
        .listen(&format!("{there}:0"))
        .with("--admin", &format!("{there}:0"))
        .with("--admin-token-file", &token)
        .within(&namespace.name)
        .run();
    assert!(server.address.ip().is_ipv4(), "{number}: {cut:?}");
    survives_cut("teal/", &etcd, &server, |is_cut| namespace.cut(cut, is_cut));
}

#[test]
fn packets_lost_on_the_way_are_survived() {
    let namespaces: Result<Vec<Namespace>, String> = (0..4).map(Namespace::new).collect();
    let namespaces = match namespaces {
        Ok(namespaces) => namespaces,
        Err(why) => {
            // Past the capture of a passing test.
            _ = writeln!(io::stderr(), "skipped: needs network namespaces ({why})");
            return;
        }
    };
    thread::scope(|scope| {
        for (number, (cut, namespace)) in (0..).zip(CUTS.into_iter().zip(&namespaces)) {
            scope.spawn(move || survives(number, cut, namespace));
        }
    });
}
