//! Heavy tests: the real binary under attack, under load, and between engines that die. They are a program of their own,
//! because cargo runs test programs one after the other, by name: this one comes after `it`, so that nothing else
//! takes the processor from them. Here each of them is [`alone`](support::alone) or [`beside`](support::beside) others of
//! its kind.
#![allow(missing_docs)]

mod attacks;
mod chaos;
mod dying;
mod memory;
mod rehearsal;
#[path = "../it/support/mod.rs"]
mod support;
mod switching;
mod through;
