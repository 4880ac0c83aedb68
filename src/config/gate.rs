//! Validates the settings of the gate and its switch.

use std::{fs, path::Path};

use protocol::{Protocol, Reflection};
use switch::StateFile;

use super::{BadSetting, GateConfig, instances::instances};
use crate::cli::{Instances, OnOff, Serve, SwitchRules, flags_of};

/// The flags that need the gate.
fn needs_gate() -> impl Iterator<Item = &'static str> {
    let others = [
        "blue",
        "green",
        "preview-listen",
        "initial",
        "state",
        "mismatch",
        "descriptor-set",
        "otlp-endpoint",
        "calls",
        "calls-memory",
        "calls-messages",
    ];
    flags_of::<SwitchRules>().into_iter().chain(others).chain(flags_of::<Instances>())
}

/// Reads the settings of the switch and the gate; `None` with `--gate off`.
pub(super) fn gate(serve: &Serve) -> Result<Option<GateConfig>, BadSetting> {
    let switching = &serve.switching;
    if switching.gate == OnOff::Off {
        let Some(flag) = needs_gate().find(|flag| serve.given.contains(flag)) else { return Ok(None) };
        let expected = format!("expected on, because {} is set", serve.effective.name(flag));
        return Err(BadSetting { flag: "gate", value: "off".to_owned(), expected });
    }
    let mut protocol = Protocol::default();
    if let Some(file) = &switching.descriptor_set {
        extend(&mut protocol, file, serve.operating.calls_messages.0 > 0)?;
    }
    let rules = switching.rules();
    if rules.failover.is_some() && !serve.engines.are_two() {
        let value = humantime::format_duration(switching.rules.failover).to_string();
        let expected = "expected two engines, in --blue and --green".to_owned();
        return Err(BadSetting { flag: "failover", value, expected });
    }
    let instance = instances(serve)?;
    let state = switching.state.as_deref().map(StateFile::open).transpose().map_err(|bad| BadSetting {
        flag: "state",
        value: switching.state.as_deref().unwrap_or(Path::new("")).display().to_string(),
        expected: bad.to_string(),
    })?;
    Ok(Some(GateConfig { rules, state, instance, mismatch: switching.mismatch, protocol }))
}

/// Adds the methods of a set. To decode their messages it must be complete.
fn extend(protocol: &mut Protocol, file: &Path, decodes: bool) -> Result<(), BadSetting> {
    let bad = |expected| BadSetting { flag: "descriptor-set", value: file.display().to_string(), expected };
    let descriptors = fs::read(file).map_err(|error| bad(format!("expected a readable file ({error})")))?;
    protocol.extend(&descriptors).map_err(|error| bad(error.to_string()))?;
    if decodes {
        Reflection::new(protocol).map_err(|error| bad(error.to_string()))?;
    }
    Ok(())
}
