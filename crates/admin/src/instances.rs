//! The instances that share a switch, as `GET /api/v1/state` has them.

use serde::{Deserialize, Serialize};
use switch::etcd;
use utoipa::ToSchema;

/// An instance that shares the switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// The name that `--instance` gives it.
    pub name: String,
    /// Its id. After it has lost etcd it joins with another one.
    pub id: String,
    /// Its version, once it has said that.
    #[schema(required)]
    pub version: Option<String>,
    /// The address of its admin API, if it has said that.
    #[schema(required)]
    pub admin: Option<String>,
    /// Whether it is live. An instance that is gone is listed for a minute.
    pub live: bool,
    /// The epoch that it has followed.
    pub epoch: u64,
    /// How far it is: `open` lets in both strategies, `telling` tells clients of the announced one, too, and `closing` rejects
    /// what the phase rejects.
    #[schema(pattern = "^(open|telling|closing)$")]
    pub stage: String,
    /// Whether it has reported that the old strategy is idle.
    pub quiet: bool,
    /// Its in-flight requests, as it has said last.
    #[schema(required)]
    pub requests: Option<u64>,
    /// Whether it is the one that answers this.
    pub here: bool,
    /// Whether the others wait for it.
    pub waited_for: bool,
    /// The settings in which it differs from the one that answers this.
    pub differs: Vec<String>,
}

/// How many instances agree on where the switch is headed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agreed {
    /// How many let in the strategy that the switch is headed for.
    pub open: usize,
    /// How many tell clients of it.
    pub telling: usize,
    /// How many are live.
    pub of: usize,
}

/// How the instance that answers stands with etcd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EtcdState {
    /// `joining`, `live`, `cut_off` or `leaving`.
    #[schema(pattern = "^(joining|live|cut_off|leaving)$")]
    pub state: String,
    /// Seconds by which what it knows of etcd is behind.
    pub lag_seconds: f64,
    /// Seconds until it is cut off, unless etcd answers before.
    pub lease_seconds: f64,
}

impl From<etcd::Instance> for Instance {
    fn from(instance: etcd::Instance) -> Self {
        Self {
            name: instance.name,
            id: instance.id,
            version: instance.version,
            admin: instance.admin,
            live: instance.is_live,
            epoch: instance.epoch,
            stage: instance.stage.to_string(),
            quiet: instance.is_quiet,
            requests: instance.requests,
            here: instance.is_here,
            waited_for: instance.is_waited_for,
            differs: instance.differs,
        }
    }
}

impl From<&etcd::Instances> for Agreed {
    fn from(instances: &etcd::Instances) -> Self {
        let [open, telling, of] = instances.agreed;
        Self { open, telling, of }
    }
}

impl From<&etcd::Instances> for EtcdState {
    fn from(instances: &etcd::Instances) -> Self {
        Self {
            state: instances.state.as_str().to_owned(),
            lag_seconds: instances.lag.as_secs_f64(),
            lease_seconds: instances.lease_left.as_secs_f64(),
        }
    }
}
