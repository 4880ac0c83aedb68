//! Scenarios: steps that wait for an event and then act, for example switch, inject a fault, or suspend the cluster.

mod builtin;
mod file;
mod script;
mod step;

#[cfg(test)]
mod tests;

pub use self::{
    builtin::BUILT_IN,
    file::{BadScenario, Scenario, Settings},
    script::{ScenarioContext, Script},
    step::{Act, Event, Step},
};
