//! Statements: prepared, executed, explained, cleared.

use std::{collections::HashSet, fmt::Write, sync::Arc};

use protocol::pb::{
    AnalyzeQueryRequest, AnalyzeQueryResponse, CancelQueryRequest, CancelQueryResponse,
    ClearOrCancelQueryRequest, ClearOrCancelQueryResponse, ClearRequest, ClearResponse, DryRunRequest,
    DryRunRequestV2, DryRunResponse, ExecuteStatementRequest, ExecuteStatementResponse,
    ExecuteStatementV2Request, GetDynamicParamsRequest, GetDynamicParamsResponse, ParameterValue,
    PrepareStatementRequest, PrepareStatementResponse, PrepareStatementV2Request,
};
use sql::{Parameter, Scope, Statement};
use tokio::time::Instant;

use super::{
    super::{
        execution::{Execution, Plan},
        query::{Query, Work},
        results::{field_type, parameter_name, parameter_type},
        status::EngineError,
    },
    Caller, Calls,
};

impl Calls {
    pub(super) async fn prepare_statement(
        &self,
        caller: Caller,
        request: PrepareStatementRequest,
    ) -> Result<PrepareStatementResponse, EngineError> {
        self.prepare(&caller, request.session_id, ("", &request.schema), request.query_string).await
    }

    pub(super) async fn prepare_statement_v2(
        &self,
        caller: Caller,
        request: PrepareStatementV2Request,
    ) -> Result<PrepareStatementResponse, EngineError> {
        let scope = (request.catalog.as_str(), request.schema.as_str());
        self.prepare(&caller, request.session_id, scope, request.query_string).await
    }

    pub(super) async fn execute_statement(
        &self,
        caller: Caller,
        request: ExecuteStatementRequest,
    ) -> Result<ExecuteStatementResponse, EngineError> {
        self.execute(&caller, request.session_id, &request.query_id, Vec::new()).await
    }

    pub(super) async fn execute_statement_v2(
        &self,
        caller: Caller,
        request: ExecuteStatementV2Request,
    ) -> Result<ExecuteStatementResponse, EngineError> {
        self.execute(&caller, request.session_id, &request.query_id, request.params).await
    }

    pub(super) async fn get_dynamic_params(
        &self,
        caller: Caller,
        request: GetDynamicParamsRequest,
    ) -> Result<GetDynamicParamsResponse, EngineError> {
        let query = self.query(&request.query_id, &request.session_id, &caller)?;
        let parameters = match &query.work {
            Work::Statement(statement) => statement.parameters(),
            Work::Frame(_) => Vec::new(),
        };
        let params = parameters.into_iter().map(|parameter| ParameterValue {
            index: i32::try_from(parameter.index).unwrap_or(i32::MAX),
            r#type: parameter_name(parameter.data_type.as_ref()),
            value: parameter.value.unwrap_or_default(),
        });
        Ok(GetDynamicParamsResponse { params: params.collect(), session_id: request.session_id })
    }

    pub(super) async fn dry_run(
        &self,
        caller: Caller,
        request: DryRunRequest,
    ) -> Result<DryRunResponse, EngineError> {
        self.columns_of(&caller, &request.session_id, ("", &request.schema), request.query_string).await
    }

    pub(super) async fn dry_run_v2(
        &self,
        caller: Caller,
        request: DryRunRequestV2,
    ) -> Result<DryRunResponse, EngineError> {
        let scope = (request.catalog.as_str(), request.schema.as_str());
        self.columns_of(&caller, &request.session_id, scope, request.query_string).await
    }

    pub(super) async fn analyze_query(
        &self,
        caller: Caller,
        request: AnalyzeQueryRequest,
    ) -> Result<AnalyzeQueryResponse, EngineError> {
        self.cluster.ready(caller.now)?;
        self.plan(Scope { catalog: request.catalog, schema: request.schema }, request.query).await?;
        Ok(AnalyzeQueryResponse {})
    }

    pub(super) async fn clear(
        &self,
        caller: Caller,
        request: ClearRequest,
    ) -> Result<ClearResponse, EngineError> {
        self.end_query(&caller, &request.session_id, &request.query_id);
        Ok(ClearResponse { session_id: request.session_id, new_strategy: None })
    }

    pub(super) async fn cancel_query(
        &self,
        caller: Caller,
        request: CancelQueryRequest,
    ) -> Result<CancelQueryResponse, EngineError> {
        self.end_query(&caller, &request.session_id, &request.query_id);
        Ok(CancelQueryResponse { session_id: request.session_id, new_strategy: None })
    }

    pub(super) async fn clear_or_cancel_query(
        &self,
        caller: Caller,
        request: ClearOrCancelQueryRequest,
    ) -> Result<ClearOrCancelQueryResponse, EngineError> {
        self.end_query(&caller, &request.session_id, &request.query_id);
        Ok(ClearOrCancelQueryResponse { session_id: request.session_id, new_strategy: None })
    }

    /// Ends a query for any caller. The session is only kept alive.
    fn end_query(&self, caller: &Caller, session_id: &str, query_id: &str) {
        let _ = self.session(session_id, caller);
        self.release(query_id);
    }

    async fn prepare(
        &self,
        caller: &Caller,
        session_id: String,
        (catalog, schema): (&str, &str),
        sql: String,
    ) -> Result<PrepareStatementResponse, EngineError> {
        self.cluster.ready(caller.now)?;
        let session = self.session(&session_id, caller)?;
        let scope = session.settings().scope(catalog, schema);
        let statement = self.plan(scope, sql).await?;
        let query = self.begin(session, Work::Statement(statement))?;
        tracing::info!(query.id = %query.id, session = %query.session.key, "Prepared query {}", query.id);
        Ok(PrepareStatementResponse {
            engine_ip: self.engine_ip.clone(),
            query_id: query.id.to_string(),
            session_id,
            new_strategy: None,
        })
    }

    async fn plan(&self, scope: Scope, sql: String) -> Result<Statement, EngineError> {
        let (catalog, schema) = (&scope.catalog, &scope.schema);
        tracing::debug!(catalog, schema, "Planning in catalog {catalog:?}, schema {schema:?}: {sql:?}");
        let engine = self.engine.clone();
        self.executor.run(async move { Ok(engine.plan(&scope, &sql).await?) }).await
    }

    async fn execute(
        &self,
        caller: &Caller,
        session_id: String,
        query_id: &str,
        params: Vec<ParameterValue>,
    ) -> Result<ExecuteStatementResponse, EngineError> {
        self.cluster.ready(caller.now)?;
        let query = self.query(query_id, &session_id, caller)?;
        let Work::Statement(statement) = &query.work else {
            return Err(EngineError::invalid(format!(
                "query '{query_id}' is a DataFrame: call executeDataFrame"
            )));
        };
        self.start(&query, statement.clone(), parameters(params)?).await?;
        Ok(ExecuteStatementResponse { session_id, new_strategy: None })
    }

    /// Runs a statement as the query's current execution, and ends the previous one.
    pub(super) async fn start(
        &self,
        query: &Arc<Query>,
        statement: Statement,
        parameters: Vec<Parameter>,
    ) -> Result<(), EngineError> {
        let arrived = Instant::now();
        let id = query.id.to_string();
        let most_rows = query.session.settings().batch_rows.unwrap_or(usize::MAX);
        let executor = self.executor.clone();
        let work = async move {
            let queued = arrived.elapsed();
            let rows = statement.execute(&parameters).await?;
            let plan = Plan {
                query: id,
                schema: rows.schema(),
                constants: statement.constants().iter().map(Option::is_some).collect(),
                exact_rows: rows.exact_rows(),
                most_rows,
                planning: statement.planning_time(),
                queued,
            };
            Ok(Execution::start(rows, plan, &executor))
        };
        query.install(self.attended(query, self.executor.run(work)).await?)?;
        tracing::info!(query.id = %query.id, session = %query.session.key, "Executed query {}", query.id);
        Ok(())
    }

    async fn columns_of(
        &self,
        caller: &Caller,
        session_id: &str,
        (catalog, schema): (&str, &str),
        sql: String,
    ) -> Result<DryRunResponse, EngineError> {
        self.cluster.ready(caller.now)?;
        let scope = self.session(session_id, caller)?.settings().scope(catalog, schema);
        let columns = self.plan(scope, sql).await?.schema();
        let mut text = String::new();
        for field in columns.fields() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {}", field.name(), field_type(field.data_type()));
        }
        if text.is_empty() {
            text.push_str("no columns\n");
        }
        text.pop();
        Ok(DryRunResponse { dryrun_value: text, new_strategy: None })
    }
}

/// The values for the placeholders.
fn parameters(params: Vec<ParameterValue>) -> Result<Vec<Parameter>, EngineError> {
    let mut seen = HashSet::new();
    let read = |param: ParameterValue| {
        let index = usize::try_from(param.index).ok().filter(|index| *index > 0);
        let index = index.ok_or_else(|| {
            EngineError::invalid(format!(
                "parameter index {}: expected 1 for the first placeholder",
                param.index
            ))
        })?;
        if !seen.insert(index) {
            return Err(EngineError::invalid(format!("parameter {index} is given twice")));
        }
        let null = param.r#type.trim().eq_ignore_ascii_case("null");
        Ok(Parameter {
            index,
            data_type: parameter_type(&param.r#type, &param.value)?,
            value: (!null).then_some(param.value),
        })
    };
    params.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use sql::arrow::datatypes::DataType;

    use super::*;

    fn param(index: i32, kind: &str, value: &str) -> ParameterValue {
        ParameterValue { index, r#type: kind.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn parameters_are_read_by_index_and_type() {
        let read = parameters(vec![param(2, "LONG", "7"), param(1, "NULL", "")]).unwrap();
        assert_eq!(
            read[0],
            Parameter { index: 2, data_type: Some(DataType::Int64), value: Some("7".into()) }
        );
        assert_eq!(read[1], Parameter { index: 1, data_type: None, value: None });
    }

    #[test]
    fn impossible_parameters_are_refused() {
        for params in [
            vec![param(0, "LONG", "7")],
            vec![param(-1, "LONG", "7")],
            vec![param(1, "QUUX", "7")],
            vec![param(1, "LONG", "7"), param(1, "LONG", "8")],
        ] {
            assert!(parameters(params).is_err());
        }
    }
}
