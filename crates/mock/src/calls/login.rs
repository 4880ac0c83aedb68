//! Login, logout, and information about a session.

use protocol::pb::{
    AuthenticateRequest, AuthenticateResponse, DropUserContextRequest, DropUserContextResponse,
    HealthCheckRequest, HealthCheckResponse, IdentifyPlannerRequest, IdentifyPlannerResponse,
    SetPropsRequest, SetPropsResponse, UpdateUsersRequest, UpdateUsersResponse,
    identify_planner_response::QueueMessage,
};

use super::{
    super::status::{EngineError, Refusal},
    Caller, Calls,
};

impl Calls {
    pub(super) async fn authenticate(
        &self,
        caller: Caller,
        request: AuthenticateRequest,
    ) -> Result<AuthenticateResponse, EngineError> {
        self.cluster.ready(caller.now)?;
        if request.user.is_empty() || request.password.is_empty() {
            return Err(Refusal::InvalidCredentials.into());
        }
        let (id, gone) = self.sessions.open(caller.now);
        self.end_all(gone);
        let user = request.user.escape_debug();
        tracing::info!(user = %user, session = %id, "Authenticated user '{user}', session {id}");
        Ok(AuthenticateResponse {
            session_id: id.to_string(),
            new_strategy: None,
            engine_ip: Some(self.engine_ip.clone()),
        })
    }

    pub(super) async fn identify_planner(
        &self,
        caller: Caller,
        request: IdentifyPlannerRequest,
    ) -> Result<IdentifyPlannerResponse, EngineError> {
        self.cluster.ready(caller.now)?;
        self.session(&request.session_id, &caller)?;
        Ok(IdentifyPlannerResponse {
            existing_query: request.existing_query,
            planner_ip: Some(self.engine_ip.clone()),
            queue_message: QueueMessage::GoAhead.into(),
            session_id: request.session_id,
        })
    }

    pub(super) async fn drop_user_context(
        &self,
        caller: Caller,
        request: DropUserContextRequest,
    ) -> Result<DropUserContextResponse, EngineError> {
        let session = self.session(&request.session_id, &caller)?;
        self.drop_session(&session);
        Ok(DropUserContextResponse {})
    }

    pub(super) async fn set_props(
        &self,
        caller: Caller,
        request: SetPropsRequest,
    ) -> Result<SetPropsResponse, EngineError> {
        let session = self.session(&request.session_id, &caller)?;
        session.set(session.settings().with(&request.props)?);
        Ok(SetPropsResponse {})
    }

    pub(super) async fn update_users(
        &self,
        _: Caller,
        _: UpdateUsersRequest,
    ) -> Result<UpdateUsersResponse, EngineError> {
        Ok(UpdateUsersResponse {})
    }

    pub(super) async fn health_check(
        &self,
        _: Caller,
        _: HealthCheckRequest,
    ) -> Result<HealthCheckResponse, EngineError> {
        Ok(HealthCheckResponse {})
    }
}
