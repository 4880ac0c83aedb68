//! Creating the truth and moving it.

use teal_etcd::{Keys, Range};

use super::{SOON, TTL, World, both, kept, status, truth};

use crate::{
    Actor,
    etcd::{BadKey, Deadline, StoreError, Written},
};

both! {
    truth_is_created_once other_programs_keys_are_refused newer_format_is_refused transition_is_made_once
    change_of_an_instance_stops_a_transition joined_instance_stops_a_transition vanished_instance_stops_none
    vanished_instance_stops_one_by_health
    stranger_moves_nothing timer_is_set_in_any_company
}

async fn truth_is_created_once(world: World) {
    world.store.check().await.expect("there is nothing yet");
    let first = world.store.create(&truth(1)).await.expect("it is created");
    let second = world.store.create(&truth(4)).await.expect("it is there");
    assert_eq!((&kept(&first).value, kept(&second)), (&truth(1), kept(&first)));
    world.store.check().await.expect("these are a switch's keys");
}

async fn other_programs_keys_are_refused(world: World) {
    for (name, before) in [("app", true), ("queriez", false), ("state.old", false)] {
        if !before {
            world.store.create(&truth(1)).await.expect("it is created");
        }
        world.client.put(world.key(name), "x", 0).await.expect("it is put");
        let error = world.store.check().await.expect_err("another program's key is there");
        assert!(matches!(error, StoreError::Bad(BadKey::Foreign { .. })), "{error:?}");
        let words = error.to_string();
        assert!(words.starts_with(&world.key(name)) && !words.contains('\n'), "{words}");
        world.client.delete(Keys::prefix(world.key(""))).await.expect("they are deleted");
    }
}

async fn newer_format_is_refused(world: World) {
    world.client.put(world.key("format"), "2", 0).await.expect("it is put");
    world.client.put(world.key("unknown"), "", 0).await.expect("it is put");
    let error = world.store.check().await.expect_err("it is newer");
    assert!(matches!(error, StoreError::Bad(BadKey::Format { found: 2, .. })), "{error:?}");
    let page = world.client.range(&Range::new(Keys::prefix(world.key("")))).await.expect("it is read");
    assert_eq!(page.count, 2, "nothing was written");
}

async fn transition_is_made_once(world: World) {
    let (own, board) = world.joined().await;
    let next = truth(2);
    let written = world.store.propose(own, &board, kept(&board), &next).await.expect("it is answered");
    let Written::Done(after) = written else { panic!("{written:?}") };
    assert_eq!((kept(&after).modified, &kept(&after).value), (after.revision, &next));
    let again = world.store.propose(own, &board, kept(&board), &truth(3)).await.expect("it is answered");
    let Written::Lost(found) = again else { panic!("{again:?}") };
    assert_eq!(
        (found.truth, found.instances),
        (after.truth, after.instances),
        "the loser learns what came first"
    );
}

async fn change_of_an_instance_stops_a_transition(world: World) {
    let (own, board) = world.joined().await;
    world.store.publish(own, &board, kept(&board), &status(1)).await.expect("it is answered");
    let lost = world.store.propose(own, &board, kept(&board), &truth(2)).await.expect("it is answered");
    let Written::Lost(newer) = lost else { panic!("{lost:?}") };
    assert_eq!(newer.own(own.lease, own.created), Some(&status(1)));
    let won = world.store.propose(own, &newer, kept(&newer), &truth(2)).await.expect("it is answered");
    assert!(matches!(won, Written::Done(_)), "{won:?}");
}

async fn joined_instance_stops_a_transition(world: World) {
    let (own, board) = world.joined().await;
    world.store.join(&status(0), TTL, &Deadline::over()).await.expect("it joins");
    let lost = world.store.propose(own, &board, kept(&board), &truth(2)).await.expect("it is answered");
    assert!(matches!(&lost, Written::Lost(newer) if newer.instances.len() == 2), "{lost:?}");
}

async fn vanished_instance_stops_none(world: World) {
    let (own, _) = world.joined().await;
    let other = world.store.join(&status(0), TTL, &Deadline::over()).await.expect("it joins");
    let board = world.read().await;
    world.store.leave(other, &Deadline::over()).await.expect("it leaves");
    let won = world.store.propose(own, &board, kept(&board), &truth(2)).await.expect("it is answered");
    assert!(matches!(won, Written::Done(_)), "{won:?}");
}

async fn vanished_instance_stops_one_by_health(world: World) {
    let (own, _) = world.joined().await;
    let other = world.store.join(&status(0), TTL, &Deadline::over()).await.expect("it joins");
    let before = world.read().await;
    world.store.leave(other, &Deadline::over()).await.expect("it leaves");
    let mut next = truth(2);
    next.stamp.why = Actor::Health;
    let lost = world.store.propose(own, &before, kept(&before), &next).await.expect("it is answered");
    let Written::Lost(now) = lost else { panic!("{lost:?}") };
    let won = world.store.propose(own, &now, kept(&now), &next).await.expect("it is answered");
    assert!(matches!(won, Written::Done(_)), "{won:?}");
}

async fn stranger_moves_nothing(world: World) {
    let (own, board) = world.joined().await;
    world.store.leave(own, &Deadline::over()).await.expect("it leaves");
    let (store, kept) = (&world.store, kept(&board));
    for written in [
        store.propose(own, &board, kept, &truth(2)).await,
        store.set_timer(own, kept, &truth(1)).await,
        store.publish(own, &board, kept, &status(1)).await,
    ] {
        let written = written.expect("it is answered");
        assert!(matches!(&written, Written::Lost(newer) if newer.instances.is_empty()), "{written:?}");
    }
    assert_eq!(super::kept(&world.read().await), kept);
}

async fn timer_is_set_in_any_company(world: World) {
    let (own, board) = world.joined().await;
    world.store.join(&status(0), TTL, &Deadline::over()).await.expect("it joins");
    let paused = truth(1).with_timer(crate::course::TimerState::Left(3), truth(1).stamp);
    let set = world.store.set_timer(own, kept(&board), &paused).await.expect("it is answered");
    assert!(matches!(set, Written::Done(_)), "{set:?}");
    assert_eq!(kept(&world.read().await).value, paused);
    let late = world.store.set_timer(own, kept(&board), &truth(1)).await.expect("it is answered");
    assert!(matches!(late, Written::Lost(_)), "{late:?}");
}

/// A transition whose answer is lost is sent again: then the truth is the writer's already.
#[tokio::test(start_paused = true)]
async fn lost_answer_is_no_lost_transition() {
    let world = World::simulated();
    let (own, board) = world.joined().await;
    let etcd = world.etcd.as_ref().expect("it is simulated");
    for member in 0..3 {
        etcd.lose_answers(member, 1);
    }
    let store = super::store(&world.client.within(SOON), "teal/");
    let won = store.propose(own, &board, kept(&board), &truth(2)).await.expect("it is answered");
    assert_eq!(won, Written::Done(world.read().await));
}
