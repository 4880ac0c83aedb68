//! The commands: `POST switch`, `cutover`, `abort`, `rollback` and `timer`.

use std::sync::Arc;

use axum::{Json, extract};
use clap::ValueEnum;
use protocol::Strategy;
use serde::{Deserialize, Serialize};
use switch::{Actor, Command, Done};
use utoipa::ToSchema;

use super::{Body, ErrorAnswer, Problem, Shared, State, check, extract::whole, paths};

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// The effect, in one sentence.
    #[schema(example = "green is announced; blue stays active until the cutover")]
    pub done: String,
    /// The id of the event it caused; `null` if it changed nothing.
    #[schema(required)]
    pub event: Option<u64>,
    /// The state right after the command.
    pub state: State,
}

/// Which strategy to switch to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SwitchOrder {
    /// The strategy to announce [default: the inactive one].
    to: Option<Strategy>,
    /// The epoch that the operator expects; the command is refused if the state has moved on.
    #[serde(default, deserialize_with = "whole")]
    epoch: Option<u64>,
}

/// A command without further parameters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// The epoch that the operator expects; the command is refused if the state has moved on.
    #[serde(default, deserialize_with = "whole")]
    epoch: Option<u64>,
}

/// How to cut over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CutoverOrder {
    /// Cut over even if the engine of the pending strategy is unhealthy.
    #[serde(default)]
    force: bool,
    /// The epoch that the operator expects; the command is refused if the state has moved on.
    #[serde(default, deserialize_with = "whole")]
    epoch: Option<u64>,
}

/// A command to the timer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TimerOrder {
    /// Pause the timer, or resume it with the time that is left.
    action: TimerAction,
    /// The epoch that the operator expects; the command is refused if the state has moved on.
    #[serde(default, deserialize_with = "whole")]
    epoch: Option<u64>,
}

/// An operation on the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TimerAction {
    /// Pause the timer
    Pause,
    /// Resume with the time that is left
    Resume,
}

type Answered = Result<Json<Answer>, Problem>;

/// Announce the other strategy. Requires phase STABLE and a healthy engine.
#[utoipa::path(post, path = paths::SWITCH, tag = "switch", request_body = Option<SwitchOrder>,
    responses((status = 200, body = Answer), (status = 404, description = "There is no switch", body = ErrorAnswer),
        (status = 409, description = "Refused: the reason names the phase", body = ErrorAnswer),
        (status = 503, description = "The instance has lost etcd", body = ErrorAnswer)))]
pub(super) async fn switch(
    extract::State(shared): extract::State<Arc<Shared>>,
    Body(SwitchOrder { to, epoch }): Body<SwitchOrder>,
) -> Answered {
    shared.command(Command::Announce { to }, epoch).await
}

/// Make the pending strategy active, whatever the age of the announcement. Requires phase ANNOUNCED, and a healthy
/// engine or `force`.
#[utoipa::path(post, path = paths::CUTOVER, tag = "switch", request_body = Option<CutoverOrder>,
    responses((status = 200, body = Answer), (status = 404, description = "There is no switch", body = ErrorAnswer),
        (status = 409, description = "Refused: the reason names the phase", body = ErrorAnswer),
        (status = 503, description = "The instance has lost etcd", body = ErrorAnswer)))]
pub(super) async fn cutover(
    extract::State(shared): extract::State<Arc<Shared>>,
    Body(CutoverOrder { force, epoch }): Body<CutoverOrder>,
) -> Answered {
    shared.command(Command::Cutover { force }, epoch).await
}

/// Withdraw the announcement, and drain clients that have adopted it. Requires phase ANNOUNCED.
#[utoipa::path(post, path = paths::ABORT, tag = "switch", request_body = Option<Order>,
    responses((status = 200, body = Answer), (status = 404, description = "There is no switch", body = ErrorAnswer),
        (status = 409, description = "Refused: the reason names the phase", body = ErrorAnswer),
        (status = 503, description = "The instance has lost etcd", body = ErrorAnswer)))]
pub(super) async fn abort(
    extract::State(shared): extract::State<Arc<Shared>>,
    Body(order): Body<Order>,
) -> Answered {
    shared.command(Command::Abort, order.epoch).await
}

/// Announce the old strategy again. Requires phase DRAINING and a healthy engine.
#[utoipa::path(post, path = paths::ROLLBACK, tag = "switch", request_body = Option<Order>,
    responses((status = 200, body = Answer), (status = 404, description = "There is no switch", body = ErrorAnswer),
        (status = 409, description = "Refused: the reason names the phase", body = ErrorAnswer),
        (status = 503, description = "The instance has lost etcd", body = ErrorAnswer)))]
pub(super) async fn rollback(
    extract::State(shared): extract::State<Arc<Shared>>,
    Body(order): Body<Order>,
) -> Answered {
    shared.command(Command::Rollback, order.epoch).await
}

/// Pause or resume the timer.
#[utoipa::path(post, path = paths::TIMER, tag = "switch", request_body = TimerOrder,
    responses((status = 200, body = Answer), (status = 404, description = "There is no switch", body = ErrorAnswer),
        (status = 409, description = "Refused: the reason names the phase", body = ErrorAnswer),
        (status = 503, description = "The instance has lost etcd", body = ErrorAnswer)))]
pub(super) async fn timer(
    extract::State(shared): extract::State<Arc<Shared>>,
    Body(order): Body<TimerOrder>,
) -> Answered {
    let command = match order.action {
        TimerAction::Pause => Command::PauseTimer,
        TimerAction::Resume => Command::ResumeTimer,
    };
    shared.command(command, order.epoch).await
}

impl Shared {
    async fn command(&self, command: Command, seen: Option<u64>) -> Answered {
        let ask = |strategy| check(self.admin.engines.clone(), strategy);
        let ordered = self.switch()?.order(command, Actor::Operator, seen, ask).await;
        let Done { what, event, view } = ordered?;
        Ok(Json(Answer { done: what, event, state: self.state(view) }))
    }
}
