//! When engines are asked how they are, and what an answer is worth by then.

use std::{cell::RefCell, rc::Rc};

use futures::FutureExt;
use protocol::Strategy::{Blue, Green};
use tokio::task::LocalSet;

use super::{
    health::{ANNOUNCE, CUTOVER, DEAD, between},
    *,
};

#[tokio::test(start_paused = true)]
async fn answers_from_before_due_cutovers_are_ignored() {
    let switch = between(|_| {});
    switch.operate(ANNOUNCE).unwrap();
    switch.begin("a", BLUE);
    let asked = Instant::now();
    pass(millis(500)).await;
    switch.end("a");
    switch.hear(Green, Ok(()), asked);
    pass(secs(1)).await;
    assert_eq!(switch.phase(), (Announced, Blue), "it may hang since it was asked");
    switch.hears(Green, Ok(()));
    assert_eq!(switch.phase(), (Draining, Green));
}

#[tokio::test(start_paused = true)]
async fn engines_hanging_before_cutover_are_not_used() {
    let switch = between(|_| {});
    switch.operate(ANNOUNCE).unwrap();
    pass(millis(500)).await;
    switch.call(LOG_IN, GREEN).answered(true);
    let asked = Instant::now();
    pass(secs(2)).await;
    switch.hear(Green, Err("gives no answer".to_owned()), asked);
    pass(secs(3)).await;
    assert_eq!(switch.phase(), (Draining, Blue));
}

#[tokio::test(start_paused = true)]
async fn an_ordered_cutover_asks_its_engine_unless_forced() {
    let switch = between(|_| {});
    switch.operate(ANNOUNCE).unwrap();
    let order = async |command, answer: Result<(), &str>| {
        let answer = answer.map_err(str::to_owned);
        let ask = |named| {
            assert_eq!(named, Green);
            std::future::ready(answer.clone())
        };
        switch.order(command, Actor::Operator, None, ask).await
    };
    let refusal = order(CUTOVER, Err("it hangs")).await.unwrap_err();
    assert_eq!(refusal.why, "cannot cut over in phase ANNOUNCED: it hangs");
    let forced = switch.order(Command::Cutover { force: true }, Actor::Operator, None, async |_| panic!());
    forced.await.unwrap();
    assert_eq!(switch.phase(), (Draining, Green));
}

#[tokio::test(start_paused = true)]
async fn drains_leave_old_engines_that_stay_unhealthy() {
    for command in [Command::Abort, CUTOVER] {
        let switch = between(|_| {});
        switch.operate(ANNOUNCE).unwrap();
        let (old, header) = if command == CUTOVER { (Blue, BLUE) } else { (Green, GREEN) };
        let waiting = switch.call(BEGIN, header);
        let others = switch.call(NEUTRAL, header);
        switch.operate(command).unwrap();
        let is_left = || waiting.left().unwrap().wait().now_or_never().is_some();
        switch.hears(old, DEAD);
        pass(millis(4_999)).await;
        assert!(!is_left(), "it may come back");
        pass(millis(1)).await;
        assert!(is_left());
        assert!(others.left().is_none(), "what continues goes on waiting");
        assert!(switch.try_call(LOG_IN, header).is_err());
        let event = switch.event_log().after(0, KEPT).pop().unwrap();
        assert_eq!(
            (event.note.kind, event.note.details["strategy"].as_str()),
            ("engine_left", Some(old.as_str()))
        );
        switch.hears(old, Ok(()));
        assert!(switch.is_let_in(LOG_IN, header));
    }
}

#[tokio::test(start_paused = true)]
async fn engines_are_asked_each_second_while_needed() {
    let rules = Rules { switch_every: None, ..Rules::default() };
    let (switch, timer) = Switch::start(rules, Start { has_engines: true, ..Start::default() }).unwrap();
    let (alarm, alarmed) = tokio::sync::watch::channel(());
    let asked = Rc::new(RefCell::new(Vec::new()));
    let count = || asked.borrow_mut().drain(..).collect::<Vec<_>>();
    LocalSet::new()
        .run_until(async {
            tokio::task::spawn_local({
                let asked = asked.clone();
                timer.alarmed_by(alarmed).run(move |strategy| {
                    asked.borrow_mut().push(strategy);
                    std::future::ready(Ok(()))
                })
            });
            pass(secs(10)).await;
            assert_eq!(count(), [], "in STABLE nothing depends on it");
            switch
                .command(ANNOUNCE, Order::by(Actor::Operator).found(Instant::now().into_std(), Ok(())))
                .unwrap();
            pass(millis(0)).await;
            assert_eq!(count(), [Green]);
            for _ in 0..3 {
                pass(secs(1)).await;
                assert_eq!(count(), [Green]);
            }
            pass(millis(200)).await;
            alarm.send_replace(());
            pass(millis(0)).await;
            assert_eq!(count(), [Green]);
            // Not more often than every 100 ms, however often connections fail.
            for _ in 0..100 {
                alarm.send_replace(());
                pass(millis(1)).await;
            }
            assert!(count().len() <= 2);
            switch.operate(Command::Abort).unwrap();
            pass(secs(10)).await;
            assert!(count().iter().all(|asked| *asked == Green));
            assert_eq!(switch.phase(), (Stable, Blue));
            pass(secs(10)).await;
            assert_eq!(count(), []);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_due_cutover_asks_its_engine_first() {
    let rules = Rules { switch_every: None, notice: secs(1), ..Rules::default() };
    let (switch, timer) = Switch::start(rules, Start { has_engines: true, ..Start::default() }).unwrap();
    tokio::spawn(timer.run(|_| std::future::ready(Ok(()))));
    switch.command(ANNOUNCE, Order::by(Actor::Operator).found(Instant::now().into_std(), Ok(()))).unwrap();
    pass(millis(300)).await;
    switch.begin("a", BLUE);
    switch.end("a");
    pass(millis(699)).await;
    assert_eq!(switch.phase(), (Announced, Blue));
    pass(millis(1)).await;
    assert_eq!(switch.phase(), (Draining, Green));
    switch.operate(Command::Rollback).unwrap();
    pass(millis(1_250)).await;
    switch.call(LOG_IN, BLUE).answered(true);
    pass(millis(0)).await;
    assert_eq!(switch.phase(), (Draining, Blue), "in the middle of two regular questions");
}
