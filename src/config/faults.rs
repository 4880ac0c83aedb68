//! Validates fault rules and the scenario.

use proxy::fault::rule::Setting;
use switch::Cutover;

use super::{BadSetting, FaultConfig};
use crate::{
    cli::{OnOff, Serve},
    scenario::{BadScenario, Scenario},
};

/// Reads the rules and the scenario, which may change settings of the switch.
pub(super) fn faults(serve: &mut Serve) -> Result<FaultConfig, BadSetting> {
    let scenario = match serve.faults.scenario.clone() {
        None => None,
        Some(name) => {
            let bad = |error: &BadScenario| BadSetting {
                flag: "scenario",
                value: name.clone(),
                expected: error.to_string(),
            };
            let scenario = Scenario::open(&name).map_err(|error| bad(&error))?;
            serve.adopt(&scenario.settings)?;
            let has_engine =
                serve.engines.upstream.is_none() && serve.engines.blue.is_none() && cfg!(feature = "mock");
            scenario.fits(setting(serve), has_engine).map_err(|error| bad(&error))?;
            Some(scenario)
        }
    };
    let setting = setting(serve);
    for rule in &serve.faults.fault {
        rule.fits(setting).map_err(|bad| BadSetting {
            flag: "fault",
            value: rule.to_string(),
            expected: bad.to_string(),
        })?;
    }
    let rules = std::mem::take(&mut serve.faults.fault);
    for (at, rule) in rules.iter().enumerate() {
        if rule.id.is_some() && rules[..at].iter().any(|before| before.id == rule.id) {
            let expected = "expected an id that no other rule has".to_owned();
            return Err(BadSetting { flag: "fault", value: rule.to_string(), expected });
        }
    }
    Ok(FaultConfig { rules, by_header: serve.faults.fault_header == OnOff::On, scenario })
}

fn setting(serve: &Serve) -> Setting {
    let has_gate = serve.switching.gate == OnOff::On;
    Setting { has_gate, has_drain: has_gate && serve.switching.rules.cutover == Cutover::Drain }
}
