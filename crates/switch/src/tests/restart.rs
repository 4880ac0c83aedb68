//! The clause Restart: what is kept, and what a later run makes of it.

use std::path::Path;

use protocol::Strategy::{Blue, Green};

use super::*;

impl Switch {
    /// Returns once its state is in the file. On the test's clock no time passes.
    fn kept_now(&self) {
        let kept = self.lock().state_writer.clone().unwrap().flush();
        std::thread::spawn(|| kept.blocking_recv()).join().unwrap().unwrap();
    }
}

fn start(path: &Path, set: impl FnOnce(&mut Rules)) -> Switch {
    let mut rules = Rules::default();
    set(&mut rules);
    let state = Some(StateFile::open(path).unwrap());
    let (switch, timer) = Switch::start(rules, Start { state, ..Start::default() }).unwrap();
    tokio::spawn(timer.run(|_| std::future::ready(Ok(()))));
    switch
}

#[tokio::test(start_paused = true)]
async fn restarts_restore_phase_colours_epoch_and_timer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let still = |rules: &mut Rules| (rules.notice, rules.announce_timeout) = (secs(0), None);
    let first = start(&path, still);
    assert!(path.exists(), "it is written at the start");
    pass(secs(20)).await;
    assert!(first.operates(Command::PauseTimer));
    first.operate(Command::Announce { to: None }).unwrap();
    first.kept_now();
    let second = start(&path, still);
    assert_eq!((second.phase(), second.snapshot().epoch), ((Announced, Blue), 1));
    assert_eq!(second.heading(), Notice { strategy: Green, announcement: 1 });
    let timer = second.view().timer;
    assert_eq!((timer.is_paused, timer.left), (true, Some(secs(100))));
    second.operate(Command::Cutover { force: false }).unwrap();
    second.kept_now();
    let third = start(&path, still);
    assert_eq!((third.phase(), third.snapshot().epoch), ((Draining, Green), 2));
    assert!(third.is_let_in(continues("begun before"), BLUE));
    drop(third.call(NEUTRAL, BLUE));
    pass(millis(4_999)).await;
    assert_eq!(third.phase(), (Draining, Green), "with the grace from the start on");
    pass(millis(1)).await;
    assert_eq!(third.phase(), (Stable, Green));
    third.kept_now();
    let fourth = start(&path, |rules| rules.initial = Blue);
    assert_eq!((fourth.phase(), fourth.snapshot().epoch), ((Stable, Green), 3));
}

#[tokio::test(start_paused = true)]
async fn a_strict_switch_takes_up_no_drain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let first = start(&path, |_| {});
    first.operate(Command::Announce { to: None }).unwrap();
    first.operate(Command::Cutover { force: false }).unwrap();
    first.kept_now();
    let second = start(&path, |rules| rules.cutover = Cutover::Strict);
    assert_eq!(second.phase(), (Stable, Green));
}

#[tokio::test(start_paused = true)]
async fn an_unwritable_state_file_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let switch = start(&below.join("state"), |_| {});
    std::fs::remove_dir_all(&below).unwrap();
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.kept_now();
    assert_eq!(switch.phase(), (Announced, Blue));
    std::fs::create_dir(&below).unwrap();
    switch.operate(Command::Abort).unwrap();
    switch.kept_now();
    assert!(below.join("state").exists(), "written again as soon as it can be");
}
