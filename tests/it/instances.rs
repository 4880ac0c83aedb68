//! Several instances as operators see them: commands and the page, over two switches in this process that share a
//! simulated etcd.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use admin::{Admin, AdminState};
use etcd::simulated::Etcd;
use serde_json::Value;
use switch::{
    Rules, Switch,
    etcd::{Prefix, Store, Task},
};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::support::{Place, Said, command, has_browser, packages, teal};

const SOON: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(10);

/// An instance without a gate.
struct Instance {
    address: SocketAddr,
    switch: Switch,
    admin: Option<Admin>,
    task: Option<Task>,
}

struct Instances {
    all: [Instance; 2],
    runtime: Runtime,
}

/// Two of them, web-1 and web-2. The second one has another grace.
fn two() -> Instances {
    two_with(TTL)
}

fn two_with(ttl: Duration) -> Instances {
    let runtime = Runtime::new().expect("a runtime can be made");
    let rules = Rules {
        switch_every: None,
        notice: Duration::from_millis(200),
        announce_timeout: Some(Duration::from_secs(2)),
        grace: Duration::from_millis(500),
        ..Rules::default()
    };
    let all = runtime.block_on(async {
        let etcd = Etcd::new(1);
        let start = async |name: &str, rules: Rules| {
            let switch = Switch::new(rules).0;
            let store = Store::new(etcd.client(etcd.settings()), Prefix::new("teal/").expect("it is good"));
            let task = switch.share(store, name, ttl).await.expect("it joins");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let address = listener.local_addr().expect("it is bound");
            switch.store().expect("it is shared").set_admin(Some(address.to_string()));
            let event_log = switch.event_log().clone();
            let state = AdminState { switch: Some(switch.clone()), event_log, ..AdminState::default() };
            let admin = Admin::start(listener, state, None).expect("it starts");
            Instance { address, switch, admin: Some(admin), task: Some(task) }
        };
        [
            start("web-1", rules.clone()).await,
            start("web-2", Rules { grace: Duration::from_millis(600), ..rules }).await,
        ]
    });
    Instances { all, runtime }
}

impl Instances {
    fn both(&self) -> String {
        format!("{},{}", self.all[0].address, self.all[1].address)
    }

    /// The admin API of an instance ends, as it does when the instance dies.
    fn ends(&mut self, number: usize) {
        let admin = self.all[number].admin.take().expect("it runs");
        self.runtime.block_on(admin.end()).expect("it ends");
    }

    /// Waits until the first one has heard where operators reach both.
    fn say_where_they_are(&self) {
        let store = self.all[0].switch.store().expect("it is shared");
        let until = Instant::now() + SOON;
        while store.instances().instances.iter().any(|instance| instance.admin.is_none()) {
            assert!(Instant::now() < until, "{:?}", store.instances());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until an instance says this in its log of events.
    fn wait_for(&self, number: usize, message: &str) {
        let log = self.all[number].switch.event_log().clone();
        let happens = async {
            let mut changed = log.changed();
            while !log.after(0, usize::MAX).iter().any(|event| event.note.message == message) {
                changed.changed().await.expect("the log is there");
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(SOON, happens).await }).expect(message);
    }
}

fn operate(args: &[&str], admin: &str) -> Said {
    command().args(args).args(&["--admin", admin]).run()
}

#[test]
fn commands_list_instances() {
    let instances = two();
    let [one, two] = instances.all.each_ref().map(|instance| instance.address.to_string());
    instances.wait_for(0, "Settings differ from web-2: grace");
    instances.say_where_they_are();
    let told = operate(&["status"], &two).done();
    for start in
        ["instance   web-1, epoch 1, closing", "instance   web-2, this one, epoch 1", "etcd       live, "]
    {
        assert!(told.lines().any(|line| line.starts_with(start)), "{start:?} is not in\n{told}");
    }
    let table = operate(&["instances"], &one).done();
    for row in [["web-1 *", " live ", one.as_str(), " - "], ["web-2", " live ", two.as_str(), " grace"]] {
        let has = |line: &str| row.iter().all(|cell| line.contains(cell.trim_end()));
        assert!(table.lines().any(has), "{row:?}\n{table}");
    }
    let json: Value = serde_json::from_str(&operate(&["instances", "--json"], &one).done()).expect("JSON");
    assert_eq!((&json["instances"][1]["name"], &json["agreed"]["of"]), (&"web-2".into(), &2.into()));

    let alone = teal().admin().run();
    let said = alone.operate(&["instances"]).ended(1);
    assert_eq!(said.err, "teal: there is one instance alone: teal was started without --etcd\n");
}

#[test]
fn next_instance_is_asked_where_one_is_dead() {
    let mut instances = two();
    let both = instances.both();
    instances.ends(0);
    assert!(operate(&["status"], &both).done().contains("web-2, this one"));
    let told = command().args(&["status"]).env("TEAL_ADMIN", &both).run().done();
    assert!(told.contains("web-2, this one"), "{told}");
    assert_eq!(
        operate(&["switch"], &both).done(),
        "green is announced; blue stays active until the cutover\n"
    );
    let nobody = [Place::new(), Place::new()].map(|place| place.address.to_string());
    let said = operate(&["status"], &nobody.join(",")).ended(2);
    for address in nobody {
        assert!(said.err.contains(&format!("no teal answers at {address} (")), "{said:?}");
    }
    // A refusal is an answer: nobody else is asked.
    let said = operate(&["rollback"], &instances.all[1].address.to_string()).ended(1);
    assert_eq!(said.err, "teal: cannot roll back in phase ANNOUNCED: expected DRAINING\n");
}

/// The switch goes on without the instance that was asked for it, and so does the command.
#[test]
fn waiting_outlives_the_instance_that_was_asked() {
    let mut instances = two();
    let both = instances.both();
    let waits = command().args(&["switch", "--wait", "--admin", &both]).start();
    instances.wait_for(1, "All 2 instances tell green");
    instances.ends(0);
    waits.succeed(SOON);
    let state: Value = serde_json::from_str(&operate(&["status", "--json"], &both).done()).expect("JSON");
    assert_eq!((&state["active"], &state["phase"]), (&"green".into(), &"STABLE".into()));
}

#[test]
fn commands_wait_for_instances_for_a_while() {
    let mut instances = two();
    instances.all[1].task.take();
    let one = instances.all[0].address.to_string();
    operate(&["switch"], &one).done();
    let said = operate(&["cutover"], &one).ended(1);
    let start = "teal: instance web-2 is still in epoch 1 (its lease ends in ";
    assert!(said.err.starts_with(start) && said.err.ends_with(" s at the latest)\n"), "{said:?}");
}

/// Each instance has its own faults, so they are sent to all.
#[test]
fn faults_go_to_all_instances() {
    let (one, two) = (teal().admin().run(), teal().admin().run());
    let both = format!("{},{}", one.admin(), two.admin());
    let added = operate(&["fault", "add", "--id", "slow", "--delay", "1ms"], &both).done();
    for server in [&one, &two] {
        assert!(added.contains(&format!("{}: fault slow is added: ", server.admin())), "{added}");
        assert!(server.operate(&["fault", "list"]).done().contains("slow"));
    }
    let listed = operate(&["fault", "list"], &both).done();
    assert_eq!(listed.lines().filter(|line| line.starts_with("slow")).count(), 2, "{listed}");
    two.operate(&["fault", "clear"]).done();
    // All are asked, whatever one of them says.
    let said = operate(&["fault", "remove", "slow"], &format!("{},{}", two.admin(), one.admin())).ended(1);
    assert!(said.err.starts_with(&format!("teal: {}: ", two.admin())), "{said:?}");
    assert!(said.out.contains(&format!("{}: fault slow is removed", one.admin())), "{said:?}");
}

#[test]
fn page_shows_instances() {
    if !has_browser() {
        return;
    }
    // It is short, for the page waits until it is over.
    let mut instances = two_with(TTL / 2);
    instances.wait_for(0, "Settings differ from web-2: grace");
    let one = instances.all[0].address.to_string();
    let mut page = packages("selenium").start_offline("page.py", &["shows_instances", &one]);
    page.wait_for("both are shown", 1, SOON);
    instances.all[1].task.take();
    page.write_line("");
    page.succeed(SOON);
}
