//! `GET /api/v1/state`: the state of the switch.

use std::sync::Arc;

use axum::{Json, extract};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use protocol::Strategy;
use proxy::{telemetry::Each, upstream::EngineStatus};
use serde::{Deserialize, Serialize};
use switch::{Cutover, Phase, PhaseName, View};
use utoipa::ToSchema;

use super::{Agreed, EtcdState, Instance, Problem, Shared, paths};

/// The state of the switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct State {
    /// The phase.
    pub phase: PhaseName,
    /// The strategy that serves new queries.
    pub active: Strategy,
    /// The announced strategy, in phase ANNOUNCED.
    #[schema(required)]
    pub pending: Option<Strategy>,
    /// The strategy that is draining.
    #[schema(required)]
    pub old: Option<Strategy>,
    /// The number of transitions so far. A command may name the epoch it expects.
    pub epoch: u64,
    /// When the phase began.
    #[schema(format = DateTime)]
    pub since: String,
    /// Seconds since the phase began.
    pub phase_seconds: f64,
    /// When the next automatic transitions are due.
    pub deadlines: Deadlines,
    /// Queries on record, or begun and not yet answered.
    pub queries: Each,
    /// In-flight requests.
    pub requests: Each,
    /// Queries abandoned by drain timeouts, since the start.
    pub abandoned: u64,
    /// The state of the timer.
    pub timer: TimerState,
    /// The engines that calls are forwarded to; empty with the built-in engine.
    pub engines: Vec<EngineStatus>,
    /// Why the last announcement that was due was not made.
    #[schema(required)]
    pub last_refusal: Option<LastRefusal>,
    /// How the old strategy's queries end: `drain` or `strict`.
    #[schema(pattern = "^(drain|strict)$")]
    pub cutover: String,
    /// When this server started.
    #[schema(format = DateTime)]
    pub started: String,
    /// The version of this server.
    pub version: String,
    /// The instances that share the switch, the eldest first; only with `--etcd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub instances: Option<Vec<Instance>>,
    /// How many of them agree; only with `--etcd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub agreed: Option<Agreed>,
    /// How this server stands with etcd; only with `--etcd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub etcd: Option<EtcdState>,
}

/// Deadlines in seconds from now; `null` if nothing is due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Deadlines {
    /// Until the timer announces the other strategy.
    #[schema(required)]
    pub announcement_seconds: Option<f64>,
    /// Until the pending strategy becomes active.
    #[schema(required)]
    pub cutover_seconds: Option<f64>,
    /// Until the drain is over.
    #[schema(required)]
    pub drain_seconds: Option<f64>,
}

/// The state of the timer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimerState {
    /// Seconds from a cutover to the next announcement; `null` means never.
    #[schema(required)]
    pub every_seconds: Option<f64>,
    /// Whether the timer is paused.
    pub paused: bool,
    /// Seconds left, while the timer runs or is paused.
    #[schema(required)]
    pub left_seconds: Option<f64>,
}

/// An announcement that was due and was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastRefusal {
    /// When it was due.
    #[schema(format = DateTime)]
    pub time: String,
    /// The reason.
    pub reason: String,
}

/// The state of the switch.
#[utoipa::path(get, path = paths::STATE, tag = "switch",
    responses((status = 200, body = State), (status = 404, description = "There is no switch", body = super::ErrorAnswer)))]
pub(super) async fn state(
    extract::State(shared): extract::State<Arc<Shared>>,
) -> Result<Json<State>, Problem> {
    let view = shared.switch()?.view();
    Ok(Json(shared.state(view)))
}

impl Shared {
    /// Converts a snapshot of the switch to the API's type.
    pub(super) fn state(&self, view: View) -> State {
        let phase = view.now.phase;
        let (active, seconds) = (phase.active(), view.ends_in.map(|left| left.as_secs_f64()));
        let none = Deadlines { announcement_seconds: None, cutover_seconds: None, drain_seconds: None };
        let (pending, old, deadlines) = match phase {
            Phase::Stable { .. } => (None, None, Deadlines { announcement_seconds: seconds, ..none }),
            Phase::Announced { .. } => {
                (Some(active.other()), None, Deadlines { cutover_seconds: seconds, ..none })
            }
            Phase::Draining { .. } => {
                (None, Some(active.other()), Deadlines { drain_seconds: seconds, ..none })
            }
        };
        let store = self.admin.switch.as_ref().and_then(|switch| switch.store());
        let shared = store.map(|store| store.instances());
        let age = TimeDelta::from_std(view.age).unwrap_or_default();
        State {
            phase: phase.name(),
            active,
            pending,
            old,
            epoch: view.now.epoch,
            since: rfc3339(Utc::now() - age),
            phase_seconds: view.age.as_secs_f64(),
            deadlines,
            queries: view.now.queries.into(),
            requests: view.now.requests.into(),
            abandoned: view.now.forgotten,
            timer: TimerState {
                every_seconds: view.timer.every.map(|every| every.as_secs_f64()),
                paused: view.timer.is_paused,
                left_seconds: view.timer.left.map(|left| left.as_secs_f64()),
            },
            engines: self.admin.engines.as_ref().map(|engines| engines.status()).unwrap_or_default(),
            last_refusal: view
                .last_refusal
                .map(|refusal| LastRefusal { time: rfc3339(refusal.time), reason: refusal.why }),
            cutover: match view.cutover {
                Cutover::Drain => "drain".to_owned(),
                Cutover::Strict => "strict".to_owned(),
            },
            started: rfc3339(self.admin.event_log.started()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            agreed: shared.as_ref().map(Agreed::from),
            etcd: shared.as_ref().map(EtcdState::from),
            instances: shared.map(|shared| shared.instances.into_iter().map(Instance::from).collect()),
        }
    }
}

/// Formats a time as the API does: as in RFC 3339, in milliseconds.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
