//! Heavy tests: the real binary under attack, under load, and between engines that die. They are a program of their own,
//! because cargo runs test programs one after the other, by name: this one comes after `it`, so that nothing else
//! takes the processor from them. Here each of them is [`alone`](support::alone) or [`beside`](support::beside) others of
//! its kind.
#![allow(missing_docs)]

/// The tests under load, by the `loads` of the module that calls this.
macro_rules! tests_under_load {
    () => {
        #[test]
        fn nothing_is_lost_under_fast_switches() {
            loads("drain", Pace::Fast);
        }

        #[test]
        fn nothing_is_lost_under_default_times() {
            loads("drain", Pace::Slow);
        }

        #[test]
        fn every_connector_recovers_from_strict_switches() {
            loads("strict", Pace::Fast);
        }
    };
}

mod attacks;
mod chaos;
mod dying;
mod many;
mod memory;
mod rehearsal;
#[path = "../it/support/mod.rs"]
mod support;
mod switching;
mod through;
