//! The methods of `QueryEngineService`, in one file per subject.

mod access;
mod catalog;
mod fetch;
mod frame;
mod login;
mod statement;

use std::{sync::Arc, time::Duration};

use protocol::pb::{self, query_engine_service_server::QueryEngineService};
use tokio::{runtime::Handle, time::Instant};
use tonic::{Request, Response, Status, metadata::MetadataMap};
use uuid::Uuid;

use super::{
    Options,
    cluster::Cluster,
    executor::Executor,
    query::Query,
    session::{Key, SessionStore},
    status::EngineError,
    ttl_cache::TtlCache,
};

/// The most sessions on record; beyond that the least recently used are evicted.
const MOST_SESSIONS: usize = 1_000_000;

/// The state shared by all calls.
#[derive(Debug)]
pub(crate) struct Calls {
    engine: sql::Engine,
    engine_ip: String,
    executor: Executor,
    cluster: Cluster,
    sessions: SessionStore,
    queries: TtlCache<Uuid, Arc<Query>>,
    query_ttl: Duration,
}

impl Calls {
    /// Creates the state, without sessions and queries.
    pub(crate) fn new(options: Options, engine: sql::Engine, runtime: Handle, cluster: Cluster) -> Self {
        Self {
            engine,
            engine_ip: options.engine_ip,
            executor: Executor::new(runtime),
            cluster,
            sessions: SessionStore::new(options.sessions, TtlCache::new(options.query_ttl, MOST_SESSIONS)),
            queries: TtlCache::new(options.query_ttl, options.max_queries),
            query_ttl: options.query_ttl,
        }
    }
}

/// The caller of a call, and its time.
#[derive(Clone, Copy, Debug)]
struct Caller {
    bearer: Option<Key>,
    now: Instant,
}

impl Caller {
    fn new(metadata: &MetadataMap, sessions: &SessionStore) -> Self {
        let token = metadata.get("authorization").and_then(|value| bearer_token(value.as_bytes()));
        Self { bearer: token.map(|token| sessions.bearer(token)), now: Instant::now() }
    }
}

/// The token in an `authorization` value `Bearer <token>`.
pub(crate) fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// Each method of the service is the method of the same name on [`Calls`].
macro_rules! methods {
    ($($method:ident: $request:ident => $response:ident;)*) => {
        #[tonic::async_trait]
        impl QueryEngineService for Calls {
            $(async fn $method(
                &self,
                request: Request<pb::$request>,
            ) -> Result<Response<pb::$response>, Status> {
                let caller = Caller::new(request.metadata(), &self.sessions);
                let answer: Result<pb::$response, EngineError> =
                    Calls::$method(self, caller, request.into_inner()).await;
                answer.map(Response::new).map_err(Status::from)
            })*
        }
    };
}

methods! {
    authenticate: AuthenticateRequest => AuthenticateResponse;
    identify_planner: IdentifyPlannerRequest => IdentifyPlannerResponse;
    prepare_statement: PrepareStatementRequest => PrepareStatementResponse;
    prepare_statement_v2: PrepareStatementV2Request => PrepareStatementResponse;
    execute_statement: ExecuteStatementRequest => ExecuteStatementResponse;
    execute_statement_v2: ExecuteStatementV2Request => ExecuteStatementResponse;
    get_result_metadata: GetResultMetadataRequest => GetResultMetadataResponse;
    get_dynamic_params: GetDynamicParamsRequest => GetDynamicParamsResponse;
    get_next_result_batch: GetNextResultBatchRequest => GetNextResultBatchResponse;
    get_next_result_batch_v2: GetNextResultBatchRequest => GetNextResultBatchV2Response;
    get_next_result_row: GetNextResultRowRequest => GetNextResultRowResponse;
    explain_analyze: ExplainAnalyzeRequest => ExplainAnalyzeResponse;
    clear: ClearRequest => ClearResponse;
    cancel_query: CancelQueryRequest => CancelQueryResponse;
    clear_or_cancel_query: ClearOrCancelQueryRequest => ClearOrCancelQueryResponse;
    sync_schemas: SyncSchemaRequest => SyncSchemaResponse;
    health_check: HealthCheckRequest => HealthCheckResponse;
    analyze_query: AnalyzeQueryRequest => AnalyzeQueryResponse;
    explain: ExplainRequest => ExplainResponse;
    status: StatusRequest => StatusResponse;
    add_catalogs: AddCatalogsRequest => AddCatalogsResponse;
    refresh_catalogs: RefreshCatalogsRequest => RefreshCatalogsResponse;
    get_add_catalogs_response: GetAddCatalogsRequest => GetAddCatalogsResponse;
    get_cataloges: GetCatalogesRequest => GetCatalogesResponse;
    get_schema_names: GetSchemaNamesRequest => GetSchemaNamesResponse;
    get_schema_names_v2: GetSchemaNamesV2Request => GetSchemaNamesResponse;
    get_tables: GetTablesRequest => GetTablesResponse;
    get_tables_v2: GetTablesV2Request => GetTablesResponse;
    get_columns: GetColumnsRequest => GetColumnsResponse;
    get_columns_v2: GetColumnsV2Request => GetColumnsResponse;
    update_users: UpdateUsersRequest => UpdateUsersResponse;
    set_props: SetPropsRequest => SetPropsResponse;
    dry_run: DryRunRequest => DryRunResponse;
    dry_run_v2: DryRunRequestV2 => DryRunResponse;
    get_next_remote_cached_chunk: RemoteChunkRequest => RemoteChunkResponse;
    create_data_frame: CreateDataFrameRequest => CreateDataFrameResponse;
    projection_on_data_frame: ProjectionOnDataFrameRequest => ProjectionOnDataFrameResponse;
    aggregate_on_data_frame: AggregateOnDataFrameRequest => AggregateOnDataFrameResponse;
    filter_on_data_frame: FilterOnDataFrameRequest => FilterOnDataFrameResponse;
    order_by_on_data_frame: OrderByOnDataFrameRequest => OrderByOnDataFrameResponse;
    limit_on_data_frame: LimitOnDataFrameRequest => LimitOnDataFrameResponse;
    execute_data_frame: ExecuteDataFrameRequest => ExecuteDataFrameResponse;
    drop_user_context: DropUserContextRequest => DropUserContextResponse;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_tokens_are_found_in_any_case() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("BEARER a b", Some("a b")),
            ("Bearer ", None),
            ("Bearer", None),
            ("Basic abcdef", None),
            ("", None),
        ] {
            assert_eq!(bearer_token(value.as_bytes()), token.map(str::as_bytes), "{value}");
        }
    }
}
