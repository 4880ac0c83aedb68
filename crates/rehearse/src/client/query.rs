//! One query of the application: execute, fetch to the end, explain, clear; and the schema calls between.

use std::time::Duration;

use protocol::{
    CallKind, Strategy,
    pb::{
        ClearOrCancelQueryRequest, ClearOrCancelQueryResponse, ExecuteStatementRequest,
        ExecuteStatementResponse, ExecuteStatementV2Request, ExplainAnalyzeRequest, ExplainAnalyzeResponse,
        GetColumnsRequest, GetColumnsResponse, GetColumnsV2Request, GetNextResultBatchRequest,
        GetNextResultBatchResponse, GetResultMetadataRequest, GetResultMetadataResponse,
        GetSchemaNamesRequest, GetSchemaNamesResponse, GetSchemaNamesV2Request, GetTablesRequest,
        GetTablesResponse, GetTablesV2Request, PrepareStatementRequest, PrepareStatementResponse,
        PrepareStatementV2Request, StatusRequest, StatusResponse,
    },
    results::{Cell, Metadata, Unreadable, read_chunk, read_metadata},
};
use tokio::time::{sleep, timeout};
use tonic::Status;

use super::{BEGINNINGS, Client, Open, Tally, session::Method};
use crate::{
    line::CallError,
    query::{Query, differs},
};

macro_rules! method {
    ($name:literal, $kind:ident) => {
        Method::new(concat!("/QueryEngineService/", $name), CallKind::$kind)
    };
}

const PREPARE: Method = method!("prepareStatement", Begin);
const PREPARE_V2: Method = method!("prepareStatementV2", Begin);
const EXECUTE: Method = method!("executeStatement", Continue);
const EXECUTE_V2: Method = method!("executeStatementV2", Continue);
const METADATA: Method = method!("getResultMetadata", Continue);
const BATCH: Method = method!("getNextResultBatch", Continue);
const EXPLAIN_ANALYZE: Method = method!("explainAnalyze", Continue);
const STATUS: Method = method!("status", Continue);
const CLEAR: Method = method!("clearOrCancelQuery", End);
const SCHEMAS: Method = method!("getSchemaNames", Neutral);
const SCHEMAS_V2: Method = method!("getSchemaNamesV2", Neutral);
const TABLES: Method = method!("getTables", Neutral);
const TABLES_V2: Method = method!("getTablesV2", Neutral);
const COLUMNS: Method = method!("getColumns", Neutral);
const COLUMNS_V2: Method = method!("getColumnsV2", Neutral);

/// The number of attempts of `Cursor.execute`.
const TRIES: u32 = 5;
/// The pause before it logs in again after `Access denied`.
const DENIED: Duration = Duration::from_millis(200);

/// Builds a message with the fields common to all calls about a query.
macro_rules! about {
    ($kind:ident, $client:ident, $open:ident $(, $field:ident: $value:expr)*) => {
        $kind {
            engine_ip: $open.engine.clone(),
            session_id: $client.session_id(),
            query_id: $open.id.clone(),
            $($field: $value,)*
        }
    };
}

impl Client {
    fn session_id(&self) -> String {
        self.session.clone().unwrap_or_default()
    }

    /// Runs a query to its end. Returns false if the client left in the middle, on purpose.
    pub(super) async fn one_query(&mut self, turn: u64, tally: &mut Tally) -> Result<bool, CallError> {
        let queries = self.common.plan.queries.clone();
        let query = queries.next(self.number, turn, &mut self.random);
        let (open, metadata) = self.execute(&query.sql, tally).await?;
        if self.vanishes() {
            self.vanish(&open).await;
            return Ok(false);
        }
        let done = self.read(&open, &metadata, &query, tally).await;
        // The application closes its cursor, whatever went wrong.
        let cleared = self.clear(&open).await;
        done.and(cleared).map(|()| true)
    }

    /// `Cursor.execute`, with the retries of connectors.
    async fn execute(&mut self, sql: &str, tally: &mut Tally) -> Result<(Open, Metadata), CallError> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let error = match self.try_execute(sql).await {
                Ok((open, metadata)) => {
                    tally.strategy = open.strategy;
                    return Ok((open, metadata));
                }
                Err(error) => error,
            };
            let has_token = self.common.plan.login.is_token();
            if error.is_suspended(has_token) {
                self.wake_cluster().await?;
            } else if error.is_refused() && self.behaviour.recovers() {
                if has_token && (tally.retries > 0 || !self.turns(&error)) {
                    return Err(error);
                }
                tally.retries += 1;
                if !has_token {
                    self.process.forget();
                    self.start_anew();
                }
            } else if error.is_access_denied() && !has_token {
                sleep(DENIED).await;
                self.session = None;
            } else {
                return Err(error);
            }
            if tries == 0 {
                return Err(error);
            }
        }
    }

    /// With a token, changes to the other strategy if preparing a query was rejected.
    fn turns(&self, error: &CallError) -> bool {
        let turns = error.is_refused_to_a_token() && BEGINNINGS.contains(&error.call);
        if turns {
            self.process.settle(error.strategy.map_or(Strategy::Blue, Strategy::other));
        }
        turns
    }

    async fn try_execute(&mut self, sql: &str) -> Result<(Open, Metadata), CallError> {
        self.be_ready().await?;
        let number = self.common.recorder.next_query();
        let strategy = self.process.active();
        let (schema, query_string) = (self.common.plan.schema.clone(), sql.to_owned());
        let (session_id, planner_ip) = (self.session_id(), self.planner.clone());
        let prepared: PrepareStatementResponse = match self.common.plan.catalog.clone() {
            Some(catalog) => {
                let request = PrepareStatementV2Request {
                    session_id,
                    schema,
                    catalog,
                    query_string,
                    planner_ip,
                    ..PrepareStatementV2Request::default()
                };
                self.call(PREPARE_V2, Some(number), request).await?
            }
            None => {
                let request = PrepareStatementRequest {
                    session_id,
                    schema,
                    query_string,
                    planner_ip,
                    ..PrepareStatementRequest::default()
                };
                self.call(PREPARE, Some(number), request).await?
            }
        };
        if prepared.query_id.is_empty() || prepared.engine_ip.is_empty() {
            return Err(wrong(PREPARE, "an answer without query id or engine"));
        }
        self.planner = Some(prepared.engine_ip.clone());
        let open = Open { number, id: prepared.query_id, engine: prepared.engine_ip, strategy };
        self.process.opened();
        match self.start(&open).await {
            Ok(metadata) => Ok((open, metadata)),
            Err(error) => {
                // The first error is what the application sees.
                let _ = self.clear(&open).await;
                Err(error)
            }
        }
    }

    async fn start(&mut self, open: &Open) -> Result<Metadata, CallError> {
        self.be_ready().await?;
        let _: ExecuteStatementResponse = match self.common.plan.catalog {
            Some(_) => {
                self.call_about(EXECUTE_V2, open, about!(ExecuteStatementV2Request, self, open, should_not_cache: false, params: Vec::new())).await?
            }
            None => self.call_about(EXECUTE, open, about!(ExecuteStatementRequest, self, open, should_not_cache: false)).await?,
        };
        self.be_ready().await?;
        let answer: GetResultMetadataResponse =
            self.call_about(METADATA, open, about!(GetResultMetadataRequest, self, open)).await?;
        read_metadata(&answer.result_meta_data).map_err(|error| unreadable(METADATA, &error))
    }

    async fn read(
        &mut self,
        open: &Open,
        metadata: &Metadata,
        query: &Query,
        tally: &mut Tally,
    ) -> Result<(), CallError> {
        self.hold(open).await?;
        let rows = self.fetch(open, metadata).await?;
        if let Some(difference) = differs(query, &rows) {
            return Err(wrong(BATCH, &difference));
        }
        tally.rows = rows.len() as u64;
        self.be_ready().await?;
        let explained: ExplainAnalyzeResponse =
            self.call_about(EXPLAIN_ANALYZE, open, about!(ExplainAnalyzeRequest, self, open)).await?;
        drop(explained);
        Ok(())
    }

    async fn fetch(&mut self, open: &Open, metadata: &Metadata) -> Result<Vec<Vec<Cell>>, CallError> {
        let mut rows = Vec::new();
        loop {
            self.be_ready().await?;
            let answer: GetNextResultBatchResponse = self
                .call_about(BATCH, open, about!(GetNextResultBatchRequest, self, open, as_row_data: false))
                .await?;
            if answer.result_batch.is_empty() {
                break;
            }
            let batch = read_chunk(&answer.result_batch).map_err(|error| unreadable(BATCH, &error))?;
            if batch.iter().any(|row| row.len() != metadata.columns.len()) {
                let columns = metadata.columns.len();
                return Err(wrong(BATCH, &format!("rows do not have the {columns} announced columns")));
            }
            if batch.is_empty() {
                break;
            }
            rows.extend(batch);
        }
        match metadata.rows {
            Some(announced) if announced != rows.len() as u64 => {
                Err(wrong(BATCH, &format!("{} rows where {announced} were announced", rows.len())))
            }
            _ => Ok(rows),
        }
    }

    async fn clear(&mut self, open: &Open) -> Result<(), CallError> {
        let done = self.try_clear(open).await;
        if let Some(adoption) = self.process.closed() {
            self.note(adoption);
        }
        done
    }

    async fn try_clear(&mut self, open: &Open) -> Result<(), CallError> {
        self.be_ready().await?;
        let _: ClearOrCancelQueryResponse = self
            .call_about(CLEAR, open, about!(ClearOrCancelQueryRequest, self, open, is_done: None))
            .await?;
        Ok(())
    }

    /// Returns whether the response announces a switch.
    pub(super) async fn status(&mut self, open: &Open) -> Result<bool, CallError> {
        self.be_ready().await?;
        let answer: StatusResponse = self.call_about(STATUS, open, about!(StatusRequest, self, open)).await?;
        Ok(answer.new_strategy.is_some())
    }

    /// Leaves during a call, and comes back as a new client.
    async fn vanish(&mut self, open: &Open) {
        const SOON: Duration = Duration::from_micros(500);
        let request = about!(GetNextResultBatchRequest, self, open, as_row_data: false);
        let answer = self.call_about::<_, GetNextResultBatchResponse>(BATCH, open, request);
        let _ = timeout(SOON, answer).await;
        let _ = self.process.closed();
        self.process.forget();
        self.start_anew();
    }

    /// Makes one of the calls outside of queries.
    pub(super) async fn call_schema(&mut self, turn: u64) {
        if let Err(error) = self.try_call_schema(turn).await
            && (self.behaviour.recovers() || !error.is_refused())
        {
            tracing::warn!("Call failed: {} {}", error.call, error.message);
            let is_broken = error.is_broken;
            self.common.recorder.failure(self.failure(error), is_broken);
        }
    }

    async fn try_call_schema(&mut self, turn: u64) -> Result<(), CallError> {
        self.be_ready().await?;
        let (session_id, schema) = (self.session_id(), self.common.plan.schema.clone());
        let catalog = self.common.plan.catalog.clone();
        // Columns are requested of an existing table.
        let (turn, table) = match (turn / super::SCHEMA_EVERY % 3, self.table.clone()) {
            (2, None) => (1, String::new()),
            (turn, table) => (turn, table.unwrap_or_default()),
        };
        match (turn, catalog) {
            (0, None) => {
                let request = GetSchemaNamesRequest { session_id };
                self.call::<_, GetSchemaNamesResponse>(SCHEMAS, None, request).await.map(drop)
            }
            (0, Some(catalog)) => {
                let request = GetSchemaNamesV2Request { session_id, catalog };
                self.call::<_, GetSchemaNamesResponse>(SCHEMAS_V2, None, request).await.map(drop)
            }
            (1, None) => {
                let request = GetTablesRequest { session_id, schema };
                let answer: GetTablesResponse = self.call(TABLES, None, request).await?;
                self.table = answer.tables.into_iter().next();
                Ok(())
            }
            (1, Some(catalog)) => {
                let request = GetTablesV2Request { session_id, schema, catalog };
                let answer: GetTablesResponse = self.call(TABLES_V2, None, request).await?;
                self.table = answer.tables.into_iter().next();
                Ok(())
            }
            (_, None) => {
                let request = GetColumnsRequest { session_id, schema, table };
                self.call::<_, GetColumnsResponse>(COLUMNS, None, request).await.map(drop)
            }
            (_, Some(catalog)) => {
                let request = GetColumnsV2Request { session_id, schema, table, catalog };
                self.call::<_, GetColumnsResponse>(COLUMNS_V2, None, request).await.map(drop)
            }
        }
    }
}

/// The error for a successful response with wrong content.
fn wrong(method: Method, what: &str) -> CallError {
    CallError { code: None, ..CallError::of(method.name(), &Status::data_loss(what)) }
}

fn unreadable(method: Method, error: &Unreadable) -> CallError {
    wrong(method, &error.to_string())
}
