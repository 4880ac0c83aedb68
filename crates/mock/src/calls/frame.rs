//! DataFrames: built step by step, then executed and fetched like any query.

use std::{collections::HashMap, sync::Arc};

use protocol::pb::{
    AggregateFunction, AggregateOnDataFrameRequest, AggregateOnDataFrameResponse, CreateDataFrameRequest,
    CreateDataFrameResponse, ExecuteDataFrameRequest, ExecuteDataFrameResponse, FilterOnDataFrameRequest,
    FilterOnDataFrameResponse, LimitOnDataFrameRequest, LimitOnDataFrameResponse, OrderByOnDataFrameRequest,
    OrderByOnDataFrameResponse, ProjectionOnDataFrameRequest, ProjectionOnDataFrameResponse, SortDirection,
};
use sql::{Aggregate, Frame, Scope};
use tokio::sync::Mutex;

use super::{
    super::{
        query::{FrameWork, Query, Steps, Work},
        status::EngineError,
    },
    Caller, Calls,
};

impl Calls {
    pub(super) async fn create_data_frame(
        &self,
        caller: Caller,
        request: CreateDataFrameRequest,
    ) -> Result<CreateDataFrameResponse, EngineError> {
        self.cluster.ready(caller.now)?;
        let session = self.session(&request.session_id, &caller)?;
        let scope = session.settings().scope(&request.catalog, &request.schema);
        let engine = self.engine.clone();
        let number = request.dataframe_number;
        let frame = self.executor.run(async move { create(&engine, &scope, &request).await }).await?;
        let steps = Mutex::new(Steps { frame, executed: false });
        let query = self.begin(session, Work::Frame(Box::new(FrameWork { number, steps })))?;
        tracing::info!(query.id = %query.id, session = %query.session.key, "Prepared query {}", query.id);
        Ok(CreateDataFrameResponse { query_id: query.id.to_string() })
    }

    pub(super) async fn projection_on_data_frame(
        &self,
        caller: Caller,
        request: ProjectionOnDataFrameRequest,
    ) -> Result<ProjectionOnDataFrameResponse, EngineError> {
        let query = self.frame(&request.query_id, &request.session_id, &caller)?;
        let step = move |frame: &Frame| Ok(frame.project(&request.field)?);
        self.step(query, request.dataframe_number, step).await?;
        Ok(ProjectionOnDataFrameResponse {})
    }

    pub(super) async fn aggregate_on_data_frame(
        &self,
        caller: Caller,
        request: AggregateOnDataFrameRequest,
    ) -> Result<AggregateOnDataFrameResponse, EngineError> {
        let query = self.frame(&request.query_id, &request.session_id, &caller)?;
        let step = move |frame: &Frame| {
            let mut aggregates = Vec::new();
            for (field, function) in in_frame_order(frame, &request.aggregate_function_map)? {
                aggregates.push((field, aggregate(function)?));
            }
            Ok(frame.aggregate(&aggregates, &request.group_by)?)
        };
        self.step(query, request.dataframe_number, step).await?;
        Ok(AggregateOnDataFrameResponse {})
    }

    pub(super) async fn filter_on_data_frame(
        &self,
        caller: Caller,
        request: FilterOnDataFrameRequest,
    ) -> Result<FilterOnDataFrameResponse, EngineError> {
        let query = self.frame(&request.query_id, &request.session_id, &caller)?;
        let step = move |frame: &Frame| Ok(frame.filter(&request.where_clause)?);
        self.step(query, request.dataframe_number, step).await?;
        Ok(FilterOnDataFrameResponse {})
    }

    pub(super) async fn order_by_on_data_frame(
        &self,
        caller: Caller,
        request: OrderByOnDataFrameRequest,
    ) -> Result<OrderByOnDataFrameResponse, EngineError> {
        let query = self.frame(&request.query_id, &request.session_id, &caller)?;
        let step = move |frame: &Frame| {
            let mut fields = Vec::new();
            for (field, direction) in in_frame_order(frame, &request.order_by_field_map)? {
                fields.push((field, descending(direction)?));
            }
            Ok(frame.order_by(&fields)?)
        };
        self.step(query, request.dataframe_number, step).await?;
        Ok(OrderByOnDataFrameResponse {})
    }

    pub(super) async fn limit_on_data_frame(
        &self,
        caller: Caller,
        request: LimitOnDataFrameRequest,
    ) -> Result<LimitOnDataFrameResponse, EngineError> {
        let query = self.frame(&request.query_id, &request.session_id, &caller)?;
        let limit = request.fetch_limit;
        let step = move |frame: &Frame| {
            let rows = usize::try_from(limit).map_err(|_| {
                EngineError::invalid(format!("limit is {limit}: expected a number of at least 0"))
            })?;
            Ok(frame.limit(rows)?)
        };
        self.step(query, request.dataframe_number, step).await?;
        Ok(LimitOnDataFrameResponse {})
    }

    pub(super) async fn execute_data_frame(
        &self,
        caller: Caller,
        request: ExecuteDataFrameRequest,
    ) -> Result<ExecuteDataFrameResponse, EngineError> {
        let query = self.frame(&request.query_id, &request.session_id, &caller)?;
        let work = frame_work(&query, request.dataframe_number)?;
        let mut steps = work.steps.lock().await;
        let frame = steps.frame.clone();
        let statement = self.executor.run(async move { Ok(frame.statement()?) }).await?;
        self.start(&query, statement, Vec::new()).await?;
        steps.executed = true;
        Ok(ExecuteDataFrameResponse {})
    }

    /// The query that a DataFrame call names.
    fn frame(&self, query_id: &str, session_id: &str, caller: &Caller) -> Result<Arc<Query>, EngineError> {
        self.cluster.ready(caller.now)?;
        self.query(query_id, session_id, caller)
    }

    /// Adds a step to a DataFrame.
    async fn step(
        &self,
        query: Arc<Query>,
        number: i32,
        step: impl FnOnce(&Frame) -> Result<Frame, EngineError> + Send + 'static,
    ) -> Result<(), EngineError> {
        let mut steps = frame_work(&query, number)?.steps.lock().await;
        if steps.executed {
            return Err(EngineError::invalid(format!(
                "DataFrame {number} of query '{}' was executed: no step can follow",
                query.id
            )));
        }
        let frame = steps.frame.clone();
        steps.frame = self.executor.run(async move { step(&frame) }).await?;
        Ok(())
    }
}

async fn create(
    engine: &sql::Engine,
    scope: &Scope,
    request: &CreateDataFrameRequest,
) -> Result<Frame, EngineError> {
    if request.create_from_parquet {
        if request.parquet_file_path.is_empty() {
            return Err(EngineError::invalid(
                "parquetFilePath is empty: expected a file below the data directory",
            ));
        }
        return Ok(engine.parquet_frame(&request.parquet_file_path).await?);
    }
    if request.table.is_empty() {
        return Err(EngineError::invalid(
            "table is empty: expected a table, or createFromParquet with a parquetFilePath",
        ));
    }
    Ok(engine.table_frame(scope, &request.table).await?)
}

fn frame_work(query: &Query, number: i32) -> Result<&FrameWork, EngineError> {
    match &query.work {
        Work::Frame(frame) if frame.number == number => Ok(frame),
        Work::Frame(frame) => Err(EngineError::invalid(format!(
            "query '{}' has no DataFrame {number}: it has DataFrame {}; call createDataFrame first",
            query.id, frame.number
        ))),
        Work::Statement(_) => Err(EngineError::invalid(format!(
            "query '{}' is a prepared statement, not a DataFrame: call createDataFrame first",
            query.id
        ))),
    }
}

/// Orders the entries of a map, whose order is lost on the wire: by the frame's columns, then by name.
fn in_frame_order(frame: &Frame, map: &HashMap<String, i32>) -> Result<Vec<(String, i32)>, EngineError> {
    let columns = frame.statement()?.schema();
    let position = |name: &str| {
        let same = |field: &Arc<sql::arrow::datatypes::Field>| field.name().eq_ignore_ascii_case(name);
        columns.fields().iter().position(same).unwrap_or(usize::MAX)
    };
    let mut entries: Vec<(String, i32)> = map.iter().map(|(name, value)| (name.clone(), *value)).collect();
    entries.sort_by_cached_key(|(name, _)| (position(name), name.clone()));
    Ok(entries)
}

fn aggregate(number: i32) -> Result<Aggregate, EngineError> {
    match AggregateFunction::try_from(number) {
        Ok(AggregateFunction::Sum) => Ok(Aggregate::Sum),
        Ok(AggregateFunction::Count) => Ok(Aggregate::Count),
        Ok(AggregateFunction::CountStar) => Ok(Aggregate::CountStar),
        Ok(AggregateFunction::CountDistinct) => Ok(Aggregate::CountDistinct),
        Err(_) => Err(EngineError::invalid(format!(
            "aggregate function {number}: expected SUM, COUNT, COUNT_STAR or COUNT_DISTINCT"
        ))),
    }
}

fn descending(number: i32) -> Result<bool, EngineError> {
    match SortDirection::try_from(number) {
        Ok(direction) => Ok(direction == SortDirection::Desc),
        Err(_) => Err(EngineError::invalid(format!("sort direction {number}: expected ASC or DESC"))),
    }
}
