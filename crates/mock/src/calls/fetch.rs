//! Results, status and progress of a query.

use protocol::pb::{
    ExplainAnalyzeRequest, ExplainAnalyzeResponse, ExplainRequest, ExplainResponse,
    GetNextResultBatchRequest, GetNextResultBatchResponse, GetNextResultBatchV2Response,
    GetNextResultRowRequest, GetNextResultRowResponse, GetResultMetadataRequest, GetResultMetadataResponse,
    RemoteChunkRequest, RemoteChunkResponse, StatusRequest, StatusResponse,
};
use sql::Statement;

use super::{
    super::{
        query::{Query, Work},
        status::{EngineError, Refusal, whole_millis},
    },
    Caller, Calls,
};

impl Calls {
    pub(super) async fn get_result_metadata(
        &self,
        caller: Caller,
        request: GetResultMetadataRequest,
    ) -> Result<GetResultMetadataResponse, EngineError> {
        let query = self.query(&request.query_id, &request.session_id, &caller)?;
        let execution = query.execution()?;
        let result_meta_data = self.attended(&query, execution.metadata()).await?;
        Ok(GetResultMetadataResponse { result_meta_data, session_id: request.session_id, new_strategy: None })
    }

    pub(super) async fn get_next_result_batch(
        &self,
        caller: Caller,
        request: GetNextResultBatchRequest,
    ) -> Result<GetNextResultBatchResponse, EngineError> {
        let query = self.query(&request.query_id, &request.session_id, &caller)?;
        let execution = query.execution()?;
        let result_batch = self.attended(&query, execution.chunk()).await?;
        Ok(GetNextResultBatchResponse { result_batch, session_id: request.session_id, new_strategy: None })
    }

    pub(super) async fn get_next_result_batch_v2(
        &self,
        caller: Caller,
        request: GetNextResultBatchRequest,
    ) -> Result<GetNextResultBatchV2Response, EngineError> {
        let query = self.query(&request.query_id, &request.session_id, &caller)?;
        let execution = query.execution()?;
        let (result_batches, end_of_stream) = self.attended(&query, execution.chunks()).await?;
        Ok(GetNextResultBatchV2Response {
            result_batches,
            session_id: request.session_id,
            new_strategy: None,
            end_of_stream,
        })
    }

    pub(super) async fn get_next_result_row(
        &self,
        caller: Caller,
        request: GetNextResultRowRequest,
    ) -> Result<GetNextResultRowResponse, EngineError> {
        let query = self.query(&request.query_id, &request.session_id, &caller)?;
        let execution = query.execution()?;
        let result_row = self.attended(&query, execution.row()).await?;
        Ok(GetNextResultRowResponse { result_row, new_strategy: None })
    }

    /// Reports errors in the response, not as a status.
    pub(super) async fn get_next_remote_cached_chunk(
        &self,
        caller: Caller,
        request: RemoteChunkRequest,
    ) -> Result<RemoteChunkResponse, EngineError> {
        let chunk = async {
            let query = self.held_query(&request.original_query_id, caller.now);
            let query = query.ok_or_else(|| Refusal::UnknownQuery(request.original_query_id.clone()))?;
            let execution = query.execution()?;
            self.attended(&query, execution.chunk()).await
        };
        Ok(match chunk.await {
            Ok(chunk) => RemoteChunkResponse { error: String::new(), chunk },
            Err(fault) => RemoteChunkResponse { error: fault.to_string(), chunk: Vec::new() },
        })
    }

    pub(super) async fn status(
        &self,
        caller: Caller,
        request: StatusRequest,
    ) -> Result<StatusResponse, EngineError> {
        let query = self.query(&request.query_id, &request.session_id, &caller)?;
        let progress = query.running().map(|execution| execution.progress()).unwrap_or_default();
        Ok(StatusResponse {
            status: progress.finished,
            row_count: i64::try_from(progress.rows).unwrap_or(i64::MAX),
            session_id: request.session_id,
            new_strategy: None,
        })
    }

    pub(super) async fn explain(
        &self,
        caller: Caller,
        request: ExplainRequest,
    ) -> Result<ExplainResponse, EngineError> {
        let query = self.query(&request.query_id, &request.session_id, &caller)?;
        let explain = self.executor.run(async move { Ok(statement(&query).await?.explain().await?) }).await?;
        Ok(ExplainResponse { explain, session_id: request.session_id, new_strategy: None })
    }

    pub(super) async fn explain_analyze(
        &self,
        caller: Caller,
        request: ExplainAnalyzeRequest,
    ) -> Result<ExplainAnalyzeResponse, EngineError> {
        let execution = self.query(&request.query_id, &request.session_id, &caller)?.execution()?;
        let (measured, total) = execution.measured().await;
        let progress = execution.progress();
        let millis = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
        let measured = measured.ok_or(EngineError::Bug("the query ended without a measurement"))?;
        let report = serde_json::json!({
            "plan": measured.plan,
            "total_query_time": millis(total),
            "executionQueueingTime": millis(execution.plan.queued),
            "parsingTime": millis(execution.plan.planning),
            "computeTime": millis(measured.compute),
            "rowCount": progress.rows,
            "outputRows": measured.output_rows,
            "spilledBytes": measured.spilled_bytes,
            "finished": progress.finished,
        });
        Ok(ExplainAnalyzeResponse {
            explain_analyze: report.to_string(),
            is_cached: false,
            parsing_time: whole_millis(execution.plan.planning),
            queueing_time: whole_millis(execution.plan.queued),
            session_id: request.session_id,
            new_strategy: None,
        })
    }
}

/// The work of a query as a statement.
async fn statement(query: &Query) -> Result<Statement, EngineError> {
    match &query.work {
        Work::Statement(statement) => Ok(statement.clone()),
        Work::Frame(frame) => Ok(frame.steps.lock().await.frame.statement()?),
    }
}
