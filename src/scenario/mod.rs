//! Scenarios: steps that wait for something to happen and then switch, announce, fail or suspend.

mod builtin;
mod file;
mod script;
mod step;

#[cfg(test)]
mod tests;

pub use self::{
    builtin::BUILT_IN,
    file::{BadScenario, Scenario, Settings},
    script::{Controls, Script},
    step::{Act, Event, Step},
};
