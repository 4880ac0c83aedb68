//! `GET /api/v1/state`: who is served, where the work is headed, and until when.

use std::sync::Arc;

use axum::{Json, extract};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use protocol::Strategy;
use proxy::{telemetry::Each, upstream::EngineStatus};
use serde::{Deserialize, Serialize};
use switch::{Cutover, Phase, PhaseName, View};
use utoipa::ToSchema;

use super::{Problem, Shared, paths};

/// The state of the switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct State {
    /// The phase.
    pub phase: PhaseName,
    /// The strategy that new work belongs to.
    pub active: Strategy,
    /// The strategy that is announced to become active.
    #[schema(required)]
    pub pending: Option<Strategy>,
    /// The strategy that is being drained.
    #[schema(required)]
    pub old: Option<Strategy>,
    /// How many transitions there have been: a command may name the one it has seen.
    pub epoch: u64,
    /// When the phase began.
    #[schema(format = DateTime)]
    pub since: String,
    /// How long ago that was.
    pub phase_seconds: f64,
    /// How long until something happens by itself, as far as is known now.
    pub deadlines: Deadlines,
    /// Queries on record, or begun and not yet answered.
    pub queries: Each,
    /// Requests in progress.
    pub requests: Each,
    /// Queries that drains have left behind at their timeout, since the start.
    pub abandoned: u64,
    /// What the timer is doing.
    pub timer: TimerState,
    /// The engines that calls are forwarded to; none where the built-in one answers.
    pub engines: Vec<EngineStatus>,
    /// Why the last announcement that was due did not begin.
    #[schema(required)]
    pub last_refusal: Option<LastRefusal>,
    /// What becomes of the old strategy's queries: `drain` or `strict`.
    #[schema(pattern = "^(drain|strict)$")]
    pub cutover: String,
    /// When this server was started.
    #[schema(format = DateTime)]
    pub started: String,
    /// The version of this server.
    pub version: String,
}

/// Seconds from now; `null` where nothing is due.
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

/// What the timer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimerState {
    /// From a strategy becoming active to the announcement of the other one; `null` is never.
    #[schema(required)]
    pub every_seconds: Option<f64>,
    /// Whether it is frozen.
    pub paused: bool,
    /// What is left of it, while it is running down or paused.
    #[schema(required)]
    pub left_seconds: Option<f64>,
}

/// Why an announcement did not begin.
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
    /// What operators are told of a view.
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
        let age = TimeDelta::from_std(view.age).unwrap_or_default();
        State {
            phase: phase.name(),
            active,
            pending,
            old,
            epoch: view.now.epoch,
            since: told(Utc::now() - age),
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
            engines: self.handles.engines.as_ref().map(|engines| engines.status()).unwrap_or_default(),
            last_refusal: view
                .last_refusal
                .map(|refusal| LastRefusal { time: told(refusal.time), reason: refusal.why }),
            cutover: match view.cutover {
                Cutover::Drain => "drain".to_owned(),
                Cutover::Strict => "strict".to_owned(),
            },
            started: told(self.handles.journal.started()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// A moment, as RFC 3339 has it.
pub(super) fn told(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
