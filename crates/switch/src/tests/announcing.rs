//! The timer asks for an announcement, which may take its time, or not begin.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use tokio::{sync::oneshot, task::LocalSet};

use super::*;

/// Whom the timer asked, in order: when that was, in which epoch, and how to answer.
type Asked = Rc<RefCell<VecDeque<(Instant, u64, oneshot::Sender<bool>)>>>;

/// A switch whose timer asks the test, every `rules.switch_every`.
fn asking(set: impl FnOnce(&mut Rules)) -> (Switch, Asked) {
    let mut rules = Rules { switch_every: Some(secs(120)), ..Rules::default() };
    set(&mut rules);
    let (switch, timer) = Switch::new(rules);
    let asked = Asked::default();
    tokio::task::spawn_local({
        let (switch, asked) = (switch.clone(), asked.clone());
        timer.run(move |strategy| {
            assert_eq!(strategy, switch.snapshot().phase.active().other());
            let (answer, answered) = oneshot::channel();
            asked.borrow_mut().push_back((Instant::now(), switch.snapshot().epoch, answer));
            async move { if answered.await.unwrap_or(false) { Ok(()) } else { Err("it is down".to_owned()) } }
        })
    });
    (switch, asked)
}

fn take(asked: &Asked) -> Option<(Instant, u64, oneshot::Sender<bool>)> {
    asked.borrow_mut().pop_front()
}

#[tokio::test(start_paused = true)]
async fn failed_announcements_are_retried_every_5_s() {
    LocalSet::new()
        .run_until(async {
            let start = Instant::now();
            let (switch, asked) = asking(|_| {});
            pass(secs(119)).await;
            assert!(take(&asked).is_none());
            pass(secs(1)).await;
            for (seconds, takes) in [(120, 0), (125, 2), (130, 1)] {
                let (at, epoch, answer) = take(&asked).unwrap();
                assert_eq!((at - start, epoch), (secs(seconds), 0));
                pass(secs(takes)).await;
                answer.send(false).unwrap();
                pass(secs(5 - takes)).await;
                assert_eq!(switch.phase(), (Stable, Strategy::Blue));
            }
            // It is noted once: what else has happened is not to leave the journal for it.
            assert_eq!(switch.event_log().next(), 2);
            let order =
                Order::by(Actor::Operator).found(Instant::now().into_std(), Err("it is down".to_owned()));
            switch.command(Command::Announce { to: None }, order).unwrap_err();
            assert_eq!(switch.event_log().next(), 3);
            take(&asked).unwrap().2.send(true).unwrap();
            pass(secs(0)).await;
            assert_eq!(switch.phase(), (Announced, Strategy::Blue));
            // The next one is due as if nothing had been.
            switch.operate(Command::Cutover { force: false }).unwrap();
            pass(secs(119)).await;
            assert!(take(&asked).is_none());
            pass(secs(1)).await;
            assert_eq!(take(&asked).unwrap().1, switch.snapshot().epoch);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_kept_while_an_engine_is_asked() {
    LocalSet::new()
        .run_until(async {
            let (switch, asked) = asking(|rules| rules.announce_timeout = Some(secs(1)));
            pass(secs(120)).await;
            let (_, _, answer) = take(&asked).unwrap();
            switch.operate(Command::Announce { to: None }).unwrap();
            let heading = || switch.shared.heading.get().0;
            assert_eq!(heading(), Strategy::Green);
            pass(secs(1)).await;
            // Read without moving the switch on: the timer has to have done it.
            assert!(matches!(switch.lock().machine.phase(), Phase::Draining { .. }));
            assert!(answer.is_closed(), "what an operator has announced is not waited for");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_timer_announces_no_checked_switch() {
    LocalSet::new()
        .run_until(async {
            let (switch, asked) = asking(|_| {});
            pass(secs(120)).await;
            let (_, _, answer) = take(&asked).unwrap();
            assert!(switch.operates(Command::PauseTimer));
            pass(secs(0)).await;
            assert!(answer.is_closed(), "nobody waits for the answer");
            pass(secs(600)).await;
            assert!(take(&asked).is_none());
            assert!(switch.operates(Command::ResumeTimer));
            pass(secs(0)).await;
            assert_eq!(take(&asked).unwrap().1, 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn announcements_are_dropped_once_the_state_moved() {
    LocalSet::new()
        .run_until(async {
            let (switch, asked) = asking(|_| {});
            pass(secs(120)).await;
            let (_, epoch, answer) = take(&asked).unwrap();
            // There and back again, before the timer looks.
            switch.operate(Command::Announce { to: None }).unwrap();
            answer.send(true).unwrap();
            switch.operate(Command::Abort).unwrap();
            pass(secs(0)).await;
            assert_eq!(switch.snapshot().epoch, epoch + 2);
        })
        .await;
}
