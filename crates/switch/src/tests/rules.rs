//! Rules that change while the switch moves.

use super::*;

/// Changes some of the rules.
fn set(switch: &Switch, change: impl FnOnce(&mut Rules)) {
    let mut rules = switch.rules();
    change(&mut rules);
    switch.set_rules(rules);
}

#[tokio::test(start_paused = true)]
async fn shortened_times_already_past_end_at_once() {
    let switch = switch(|rules| rules.switch_every = Some(secs(120)));
    pass(secs(30)).await;
    set(&switch, |rules| rules.switch_every = Some(secs(20)));
    pass(secs(0)).await;
    assert_eq!(switch.phase(), (Announced, Strategy::Blue));
    pass(secs(10)).await;
    set(&switch, |rules| rules.announce_timeout = Some(secs(5)));
    assert_eq!(switch.phase(), (Draining, Strategy::Green));
}

#[tokio::test(start_paused = true)]
async fn a_longer_time_is_waited_for() {
    let switch = switch(|rules| rules.switch_every = Some(secs(120)));
    pass(secs(119)).await;
    set(&switch, |rules| rules.switch_every = Some(secs(200)));
    pass(secs(80)).await;
    assert_eq!(switch.phase(), (Stable, Strategy::Blue));
    pass(secs(1)).await;
    assert_eq!(switch.phase(), (Announced, Strategy::Blue));
    set(&switch, |rules| {
        rules.switch_every = None;
        rules.announce_timeout = None;
    });
    pass(secs(1000)).await;
    assert_eq!(switch.phase(), (Announced, Strategy::Blue));
}

#[tokio::test(start_paused = true)]
async fn what_happened_under_the_rules_before_stays_so() {
    let switch = switch(|rules| rules.drain_timeout = None);
    switch.begin("q", BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    pass(secs(60)).await;
    assert_eq!(switch.phase(), (Draining, Strategy::Green));
    let epoch = switch.snapshot().epoch;
    set(&switch, |rules| rules.announce_timeout = Some(secs(600)));
    assert_eq!((switch.snapshot().epoch, switch.queries(Strategy::Blue)), (epoch, 1));
    assert_eq!(switch.on_record(10, None).1, 1);
    assert!(switch.is_let_in(continues("q"), BLUE));
}

#[tokio::test(start_paused = true)]
async fn cutovers_by_new_rules_happen_now() {
    let switch = switch(|_| {});
    switch.operate(Command::Announce { to: None }).unwrap();
    pass(secs(50)).await;
    // Lets in without the lock, so that no moment is kept of it.
    drop(switch.call(NEUTRAL, BLUE));
    set(&switch, |rules| rules.announce_timeout = Some(secs(1)));
    assert_eq!(switch.phase(), (Draining, Strategy::Green), "the whole grace is still to come");
    assert!(switch.is_let_in(NEUTRAL, BLUE));
    pass(secs(4)).await;
    assert_eq!(switch.phase(), (Draining, Strategy::Green));
    pass(secs(1)).await;
    assert_eq!(switch.phase(), (Stable, Strategy::Green));
}

#[tokio::test(start_paused = true)]
async fn silent_drains_too_old_by_new_rules_complete() {
    let switch = switch(|rules| rules.grace = secs(100));
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    pass(secs(50)).await;
    set(&switch, |rules| {
        rules.grace = secs(30);
        rules.drain_timeout = Some(secs(10));
    });
    let last = switch.event_log().after(0, KEPT).pop().unwrap();
    assert_eq!((last.note.kind, switch.snapshot().forgotten), ("drained", 0));
}

#[tokio::test(start_paused = true)]
async fn shorter_drain_timeouts_give_up_the_rest() {
    let switch = switch(|_| {});
    switch.begin("q", BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    pass(secs(50)).await;
    set(&switch, |rules| rules.drain_timeout = Some(secs(20)));
    assert_eq!((switch.phase(), switch.snapshot().forgotten), ((Stable, Strategy::Green), 1));
}

#[tokio::test(start_paused = true)]
async fn drains_continue_when_the_next_is_strict() {
    let switch = switch(|_| {});
    switch.begin("q", BLUE);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    set(&switch, |rules| rules.cutover = Cutover::Strict);
    assert!(switch.is_let_in(continues("q"), BLUE));
    switch.end("q");
    pass(secs(5)).await;
    assert_eq!(switch.phase(), (Stable, Strategy::Green));
    switch.begin("r", GREEN);
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Cutover { force: false }).unwrap();
    assert_eq!(switch.phase(), (Stable, Strategy::Blue));
    assert!(!switch.is_let_in(continues("r"), GREEN));
}

#[tokio::test(start_paused = true)]
async fn longer_notices_hold_for_adopted_announcements() {
    let switch = switch(|rules| rules.notice = secs(10));
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.begin("q", GREEN);
    set(&switch, |rules| rules.notice = secs(20));
    pass(secs(19)).await;
    assert_eq!(switch.phase(), (Announced, Strategy::Blue));
    pass(secs(1)).await;
    assert_eq!(switch.phase(), (Draining, Strategy::Green));
}

#[tokio::test(start_paused = true)]
async fn a_paused_timer_keeps_its_elapsed_time() {
    let switch = switch(|rules| rules.switch_every = Some(secs(120)));
    let left = || switch.view().timer.left;
    pass(secs(30)).await;
    assert!(switch.operates(Command::PauseTimer));
    set(&switch, |rules| rules.switch_every = Some(secs(100)));
    assert_eq!(left(), Some(secs(70)));
    set(&switch, |rules| rules.switch_every = Some(secs(20)));
    assert_eq!(left(), Some(secs(0)));
    set(&switch, |rules| rules.switch_every = None);
    assert_eq!(left(), None);
    set(&switch, |rules| rules.switch_every = Some(secs(40)));
    assert_eq!(left(), Some(secs(40)));
    assert!(switch.operates(Command::ResumeTimer));
    pass(secs(39)).await;
    assert_eq!(switch.phase(), (Stable, Strategy::Blue));
    pass(secs(1)).await;
    assert_eq!(switch.phase(), (Announced, Strategy::Blue));
}

#[tokio::test(start_paused = true)]
async fn announcements_no_longer_due_are_not_made() {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let rules = Rules { switch_every: Some(secs(120)), ..Rules::default() };
    let (switch, timer) = Switch::new(rules);
    let (asking, answered) = (std::sync::Arc::new(Notify::new()), Mutex::new(Some(answered)));
    let asked = asking.clone();
    tokio::spawn(timer.run(move |_| {
        asked.notify_one();
        let answered = answered.lock().take();
        async move { answered.expect("it is asked once").await.map_err(|_| "it is down".to_owned()) }
    }));
    pass(secs(120)).await;
    asking.notified().await;
    set(&switch, |rules| rules.switch_every = Some(secs(200)));
    // The answer is there before the timer has looked.
    answer.send(()).ok();
    pass(secs(0)).await;
    assert_eq!(switch.phase(), (Stable, Strategy::Blue));
}

#[tokio::test(start_paused = true)]
async fn the_initial_strategy_is_what_it_was() {
    let switch = switch(|_| {});
    set(&switch, |rules| rules.initial = Strategy::Green);
    assert_eq!((switch.rules().initial, switch.phase()), (Strategy::Blue, (Stable, Strategy::Blue)));
}
