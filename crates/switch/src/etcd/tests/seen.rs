//! What people see of several instances: events, the list of instances, counters.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use protocol::{CallKind, Strategy::Blue};
use teal_etcd::simulated::Etcd;
use tokio::time::sleep;

use super::{
    TTL,
    switch::{Instance, rules, simulated},
};
use crate::{
    Actor, Command, PhaseName, Rules, Switch, Transition,
    course::TransitionKind,
    etcd::{EtcdOp, InstanceState, LookUpReason, ResyncReason},
    instance::Stage,
};

const SECOND: Duration = Duration::from_secs(1);

async fn start(etcd: &Etcd, member: usize, name: &str) -> Instance {
    Instance::start(simulated(etcd, member), name, rules()).await
}

/// The events of some kinds: all of an instance's own but transitions.
fn remarks(of: &Instance) -> Vec<(&'static str, String)> {
    let transitions = ["announced", "cut_over", "aborted", "drained", "drain_timed_out", "refused"];
    let events = of.switch.event_log().after(0, usize::MAX);
    let events = events.iter().filter(|event| !transitions.contains(&event.note.kind));
    events.map(|event| (event.note.kind, event.note.message.clone())).collect()
}

fn messages(of: &Instance) -> Vec<String> {
    remarks(of).into_iter().map(|(_, message)| message).collect()
}

async fn leave(of: &Instance) {
    of.switch.store().expect("it is shared").leave(SECOND).await.expect("it leaves");
}

#[tokio::test(start_paused = true)]
async fn instances_that_join_and_leave_are_told() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    sleep(SECOND).await;
    let two = start(&etcd, 0, "web-2").await;
    sleep(SECOND).await;
    leave(&two).await;
    sleep(SECOND).await;
    assert_eq!(
        remarks(&one),
        [
            ("instance_joined", "Instance web-1 joined: epoch 1, 1 live".to_owned()),
            ("instance_joined", "Instance web-2 joined: epoch 1, 2 live".to_owned()),
            ("instance_gone", "Instance web-2 left".to_owned()),
        ]
    );
    assert_eq!(messages(&two), ["Instance web-2 joined: epoch 1, 2 live"], "who was there is no news");
    let gone = &one.switch.event_log().after(2, 1)[0].note.details;
    assert_eq!((gone["instance"].as_str(), gone["why"].as_str()), (Some("web-2"), Some("left")));
}

/// Whoever learns by a read that an instance went waits for the reason, which the watch brings.
#[tokio::test(start_paused = true)]
async fn leaving_is_told_from_dying_late() {
    let etcd = Etcd::new(2);
    let one = start(&etcd, 0, "web-1").await;
    let two = start(&etcd, 1, "web-2").await;
    sleep(SECOND * 2).await;
    etcd.lag(0, SECOND * 2 - Duration::from_millis(100));
    leave(&two).await;
    sleep(TTL).await;
    assert_eq!(messages(&one).last().map(String::as_str), Some("Instance web-2 left"));
}

#[tokio::test(start_paused = true)]
async fn killed_instance_is_waited_for_then_gone() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    let two = start(&etcd, 0, "web-2").await;
    two.kill();
    one.order(TransitionKind::Announce).await;
    sleep(TTL * 2).await;
    assert_eq!(
        remarks(&one)[2..],
        [
            ("waiting", "Waiting for instance web-2: it is in epoch 1".to_owned()),
            ("instance_gone", "Instance web-2 is gone: its lease is over".to_owned()),
            ("agreed", "The only instance accepts green".to_owned()),
            ("agreed", "The only instance tells green".to_owned()),
        ]
    );
}

/// Nothing passes that would show when there is room again: the instance tries by itself.
#[tokio::test(start_paused = true)]
async fn full_etcd_makes_unready_until_it_has_room() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    sleep(SECOND * 2).await;
    etcd.set_full(true);
    let order = one.switch.order(Command::Announce { to: None }, Actor::Operator, None, |_| async { Ok(()) });
    let refused = order.await.expect_err("nothing can be put");
    assert!(refused.why.contains("out of space"), "{}", refused.why);
    assert_eq!(one.switch.unready().as_deref(), Some("etcd is out of space"));
    sleep(TTL * 3).await;
    assert_eq!(one.switch.unready().as_deref(), Some("etcd is out of space"), "its lease is renewed");
    etcd.set_full(false);
    sleep(SECOND * 2).await;
    assert_eq!(one.switch.unready(), None);
    assert_eq!(messages(&one)[1..], ["etcd is out of space: begins fail", "etcd has room again"]);
    one.order(TransitionKind::Announce).await;
}

#[tokio::test(start_paused = true)]
async fn instances_that_agree_are_told_once() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    let two = start(&etcd, 0, "web-2").await;
    assert_eq!(one.switch.view().ends_in, None);
    let agreed = |of: &Instance| {
        let all = remarks(of).into_iter().filter(|(kind, _)| *kind == "agreed");
        all.map(|(_, message)| message).collect::<Vec<_>>()
    };
    one.order(TransitionKind::Announce).await;
    sleep(SECOND * 3).await;
    let ends_in = two.switch.view().ends_in.expect("it is cut over by timeout");
    assert!(ends_in < rules().announce_timeout.expect("there is one"), "{ends_in:?}");
    let of_green = ["All 2 instances accept green", "All 2 instances tell green"];
    assert_eq!((agreed(&one), agreed(&two)), (of_green.map(str::to_owned).into(), agreed(&one)));
    two.order(TransitionKind::Abort).await;
    sleep(SECOND * 3).await;
    let of_blue = ["All 2 instances accept blue", "All 2 instances tell blue"];
    assert_eq!(agreed(&one), [of_green, of_blue].concat());
    assert!(!messages(&one).iter().any(|message| message.starts_with("Waiting")));
}

/// By it, whoever hears of a transition from both knows that it is one.
#[tokio::test(start_paused = true)]
async fn a_transition_has_one_time_at_all() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    let two = start(&etcd, 0, "web-2").await;
    one.order(TransitionKind::Announce).await;
    sleep(SECOND * 3).await;
    two.order(TransitionKind::Abort).await;
    sleep(SECOND * 3).await;
    let [one, two] = [&one, &two].map(|of| {
        let events = of.switch.event_log().after(0, usize::MAX);
        let stamps = events.iter().map(|event| (event.note.kind, event.note.epoch, event.note.proposed_at));
        stamps.filter(|(.., at)| at.is_some()).collect::<Vec<_>>()
    });
    assert_eq!((&one, one.len()), (&two, 3), "announced, aborted and drained");
}

#[tokio::test(start_paused = true)]
async fn silence_cut_off_and_return_are_told() {
    let etcd = Etcd::new(3);
    let one = start(&etcd, 0, "web-1").await;
    let store = one.switch.store().expect("it is shared").clone();
    sleep(SECOND).await;
    assert_eq!((store.state(), store.instances().state), (InstanceState::Live, InstanceState::Live));
    (0..3).for_each(|member| etcd.stop(member));
    store.deadline().passed().await;
    assert_eq!(store.state(), InstanceState::CutOff);
    assert!(!store.instances().instances[0].is_live && store.instances().lease_left.is_zero());
    sleep(TTL).await;
    (0..3).for_each(|member| etcd.resume(member));
    sleep(SECOND * 10).await;
    let told = remarks(&one);
    let kinds: Vec<_> = told.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(&kinds[..4], ["instance_joined", "etcd_silent", "cut_off", "back"], "{told:?}");
    assert_eq!(told[1].1, "etcd does not answer: begins wait");
    assert_eq!(told[2].1, "Lost etcd: only calls about queries on record are let in");
    assert_eq!(store.state(), InstanceState::Live);
}

/// An outage that is over before the lease is ends with a line of its own.
#[tokio::test(start_paused = true)]
async fn short_outage_is_told() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    etcd.stop(0);
    sleep(SECOND * 6).await;
    etcd.resume(0);
    sleep(SECOND * 6).await;
    let told = messages(&one);
    assert_eq!(told[1..], ["etcd does not answer: begins wait", "etcd answers again"]);
}

#[tokio::test(start_paused = true)]
async fn lost_data_are_told() {
    let etcd = Etcd::new(3);
    let one = start(&etcd, 0, "web-1").await;
    let two = start(&etcd, 1, "web-2").await;
    sleep(SECOND).await;
    etcd.lose_data();
    sleep(TTL * 2).await;
    for of in [&one, &two] {
        let told: Vec<_> = remarks(of).into_iter().filter(|(kind, _)| *kind == "restored").collect();
        assert_eq!(told, [("restored", "etcd has lost its data: epoch 1000 begins".to_owned())]);
        let kinds: Vec<_> = remarks(of).into_iter().map(|(kind, _)| kind).collect();
        let place = |kind| kinds.iter().position(|known| *known == kind);
        assert!(place("cut_off") < place("restored") && place("restored") < place("back"), "{kinds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_differ_are_told() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    let other = Rules { grace: SECOND * 9, notice: SECOND * 3, ..rules() };
    let two = Instance::start(simulated(&etcd, 0), "web-2", other.clone()).await;
    sleep(SECOND * 3).await;
    let differ = |of: &Instance| {
        let told = remarks(of).into_iter().filter(|(kind, _)| *kind == "settings_differ");
        told.map(|(_, message)| message).collect::<Vec<_>>()
    };
    assert_eq!(differ(&one), ["Settings differ from web-2: grace, notice"]);
    assert_eq!(differ(&two), ["Settings differ from web-1: grace, notice"]);
    let seen = one.switch.store().expect("it is shared").instances();
    assert_eq!(seen.instances[1].differs, ["grace", "notice"]);
    // A reload may bring them together, or further apart.
    two.switch.set_rules(Rules { notice: rules().notice, ..other });
    sleep(SECOND * 3).await;
    assert_eq!(differ(&one).last().map(String::as_str), Some("Settings differ from web-2: grace"));
}

#[tokio::test(start_paused = true)]
async fn namesakes_are_told() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    let _two = start(&etcd, 0, "web-1").await;
    sleep(TTL * 3).await;
    let told = messages(&one);
    let twice = told.iter().filter(|told| *told == "Two live instances are named web-1");
    assert_eq!(twice.count(), 1, "{told:?}");
}

/// The key of an instance that was killed stays until its lease is over.
#[tokio::test(start_paused = true)]
async fn restarted_instance_is_no_namesake() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    one.kill();
    let again = start(&etcd, 0, "web-1").await;
    sleep(TTL * 3).await;
    assert_eq!(messages(&again)[1..], ["Instance web-1 is gone: its lease is over"]);
}

#[tokio::test(start_paused = true)]
async fn instances_are_listed() {
    let etcd = Etcd::new(2);
    let one = start(&etcd, 0, "web-1").await;
    let two = start(&etcd, 1, "web-2").await;
    two.switch.store().expect("it is shared").set_admin(Some("10.0.0.2:50061".to_owned()));
    let _held = two.arrive(CallKind::Neutral, None, None).await.expect("it is let in");
    sleep(SECOND * 3).await;
    let store = one.switch.store().expect("it is shared");
    let seen = store.instances();
    assert_eq!((seen.agreed, seen.lag), ([2, 2, 2], Duration::ZERO));
    assert!(seen.lease_left > TTL / 2, "{:?}", seen.lease_left);
    let [here, there] = &seen.instances[..] else { panic!("{seen:?}") };
    assert_eq!((here.name.as_str(), here.is_here, here.is_live), ("web-1", true, true));
    assert_eq!((there.name.as_str(), there.is_here, there.is_live), ("web-2", false, true));
    assert_eq!((there.epoch, there.stage, there.is_quiet), (1, Stage::Closing, false));
    assert_eq!((there.requests, there.admin.as_deref()), (Some(1), Some("10.0.0.2:50061")));
    assert_eq!(there.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    two.kill();
    one.order(TransitionKind::Announce).await;
    let waited = |of: &Instance| {
        let all = of.switch.store().expect("it is shared").instances();
        let waited = all.instances.iter().filter(|instance| instance.is_waited_for);
        (all.agreed, waited.map(|instance| instance.name.clone()).collect::<Vec<_>>())
    };
    sleep(SECOND).await;
    assert_eq!(waited(&one), ([1, 0, 2], vec!["web-2".to_owned()]));
    sleep(TTL * 2).await;
    assert_eq!(waited(&one), ([1, 1, 1], vec![]));
    let seen = store.instances();
    assert_eq!(
        (seen.instances[1].name.as_str(), seen.instances[1].is_live),
        ("web-2", false),
        "for a minute"
    );
    sleep(SECOND * 60).await;
    assert_eq!(store.instances().instances.len(), 1);
}

/// It is written when it changed, once a second at most, and goes with the lease.
#[tokio::test(start_paused = true)]
async fn about_is_written_when_it_changed() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    let store = one.switch.store().expect("it is shared").clone();
    let written =
        || store.counters().durations(EtcdOp::About).drain().iter().map(|(_, count)| count).sum::<usize>();
    sleep(SECOND * 10).await;
    assert_eq!(written(), 1);
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(one.arrive(CallKind::Neutral, None, None).await.expect("it is let in"));
        sleep(SECOND / 10).await;
    }
    let changes = written();
    assert!((9..=11).contains(&changes), "{changes}");
    let client = etcd.client(etcd.settings());
    let range = teal_etcd::Range::new(teal_etcd::Keys::prefix("teal/about/"));
    let abouts = || client.range(&range);
    assert_eq!(abouts().await.expect("it is read").entries.len(), 1);
    leave(&one).await;
    assert!(abouts().await.expect("it is read").entries.is_empty());
}

/// Fields of a later version, and values that cannot be read, stop nobody.
#[tokio::test(start_paused = true)]
async fn abouts_of_others_are_read_leniently() {
    let etcd = Etcd::new(1);
    let one = start(&etcd, 0, "web-1").await;
    let store = one.switch.store().expect("it is shared");
    let lease = store.own().expect("it is live").lease;
    let client = etcd.client(etcd.settings());
    let key = format!("teal/about/{lease:016x}");
    let put = async |value: &str| {
        client.put(key.clone(), value.to_owned(), lease).await.expect("it is put");
        sleep(SECOND / 10).await;
    };
    put(r#"{"version":"9.9","moons":[1,2],"requests":3}"#).await;
    let seen = || store.instances().instances[0].clone();
    assert_eq!((seen().version.as_deref(), seen().requests), (Some("9.9"), Some(3)));
    put("no JSON").await;
    put(&format!("{{\"version\":\"{}\"}}", "9".repeat(20_000))).await;
    assert_eq!(seen().version.as_deref(), Some("9.9"));
    assert_eq!(store.counters().resyncs(ResyncReason::Watch), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_etcd_is_counted() {
    let etcd = Etcd::new(2);
    let one = start(&etcd, 0, "web-1").await;
    let two = start(&etcd, 1, "web-2").await;
    let [first, second] = [&one, &two].map(|of| of.switch.store().expect("it is shared").clone());
    etcd.lag(1, SECOND * 60);
    assert_eq!(one.begin(Blue, "a").await, Ok(Blue));
    assert_eq!(two.call(CallKind::Continue, Blue, "a").await, Ok(Blue));
    assert_eq!(second.counters().look_ups(LookUpReason::Unknown), 1);
    assert_eq!(first.counters().look_ups(LookUpReason::Unknown), 0);
    assert_eq!(first.counters().batches().drain(), [(1.0, 1)]);
    assert!(!first.counters().durations(EtcdOp::Record).drain().is_empty());
    assert_eq!(first.queries(), [1, 0]);
    one.order(TransitionKind::Announce).await;
    sleep(SECOND * 5).await;
    assert!(second.instances().lag > SECOND, "{:?}", second.instances().lag);
    assert_eq!(first.instances().lag, Duration::ZERO);
    etcd.lag(1, Duration::ZERO);
    (0..2).for_each(|member| etcd.stop(member));
    let one = Arc::new(one);
    let beginner = Arc::clone(&one);
    let waits = tokio::spawn(async move { beginner.begin(Blue, "b").await });
    sleep(SECOND).await;
    assert_eq!(first.counters().waiting(), 1);
    (0..2).for_each(|member| etcd.resume(member));
    assert_eq!(waits.await.expect("it ends"), Ok(Blue));
    sleep(SECOND * 10).await;
    assert_eq!((first.counters().waiting(), first.instances().lag), (0, Duration::ZERO));
}

/// Each instance hears of each transition; one of them has made it.
#[tokio::test(start_paused = true)]
async fn each_transition_is_one_instances_own() {
    let etcd = Etcd::new(2);
    let steps = Arc::<Mutex<Vec<_>>>::default();
    let mut all = Vec::new();
    for name in ["web-1", "web-2"] {
        let (switch, timer) = Switch::new(rules());
        let steps = Arc::clone(&steps);
        let timer = timer.observed_by(move |step| steps.lock().push((step.transition, step.is_own)));
        let timer = tokio::spawn(timer.run(|_| async { Ok(()) }));
        let task = switch.share(simulated(&etcd, 0), name, TTL).await.expect("it joins");
        all.push((switch, task, timer));
    }
    let [(one, ..), (two, ..)] = &all[..] else { unreachable!() };
    let order = async |of: &Switch, command| {
        of.order(command, Actor::Operator, None, |_| async { Ok(()) }).await.expect("it is carried out")
    };
    order(one, Command::Announce { to: None }).await;
    order(two, Command::Cutover { force: false }).await;
    sleep(SECOND * 5).await;
    assert_eq!(two.snapshot().phase.name(), PhaseName::Stable);
    let count = |is_own: bool, is_so: fn(&Transition) -> bool| {
        steps.lock().iter().filter(|(step, own)| *own == is_own && is_so(step)).count()
    };
    for is_so in [
        (|step| matches!(step, Transition::Announced { .. })) as fn(&Transition) -> bool,
        |step| matches!(step, Transition::CutOver { .. }),
        |step| matches!(step, Transition::Drained { .. }),
    ] {
        assert_eq!((count(true, is_so), count(false, is_so)), (1, 1), "{:?}", steps.lock());
    }
    all.iter().for_each(|(.., timer)| timer.abort());
}
