//! Metadata calls: catalogs, schemas, tables and columns.

use protocol::pb::{
    AddCatalogsRequest, AddCatalogsResponse, CatalogResponse, GFieldInfo, GetAddCatalogsRequest,
    GetAddCatalogsResponse, GetCatalogesRequest, GetCatalogesResponse, GetColumnsRequest, GetColumnsResponse,
    GetColumnsV2Request, GetSchemaNamesRequest, GetSchemaNamesResponse, GetSchemaNamesV2Request,
    GetTablesRequest, GetTablesResponse, GetTablesV2Request, RefreshCatalogsRequest, RefreshCatalogsResponse,
    SyncSchemaRequest, SyncSchemaResponse,
};
use sql::Scope;

use super::{
    super::{catalogs, results::field_type, status::EngineError},
    Caller, Calls,
};

impl Calls {
    pub(super) async fn get_cataloges(
        &self,
        _: Caller,
        _: GetCatalogesRequest,
    ) -> Result<GetCatalogesResponse, EngineError> {
        let catalogs = self.engine.catalogs().into_iter();
        let responses =
            catalogs.map(|catalog| CatalogResponse { name: catalog.name, is_default: catalog.is_default });
        Ok(GetCatalogesResponse { catalog_responses: responses.collect() })
    }

    pub(super) async fn get_schema_names(
        &self,
        caller: Caller,
        request: GetSchemaNamesRequest,
    ) -> Result<GetSchemaNamesResponse, EngineError> {
        self.schemas(&caller, request.session_id, "")
    }

    pub(super) async fn get_schema_names_v2(
        &self,
        caller: Caller,
        request: GetSchemaNamesV2Request,
    ) -> Result<GetSchemaNamesResponse, EngineError> {
        self.schemas(&caller, request.session_id, &request.catalog)
    }

    pub(super) async fn get_tables(
        &self,
        caller: Caller,
        request: GetTablesRequest,
    ) -> Result<GetTablesResponse, EngineError> {
        self.tables(&caller, request.session_id, "", &request.schema)
    }

    pub(super) async fn get_tables_v2(
        &self,
        caller: Caller,
        request: GetTablesV2Request,
    ) -> Result<GetTablesResponse, EngineError> {
        self.tables(&caller, request.session_id, &request.catalog, &request.schema)
    }

    pub(super) async fn get_columns(
        &self,
        caller: Caller,
        request: GetColumnsRequest,
    ) -> Result<GetColumnsResponse, EngineError> {
        self.columns(&caller, request.session_id, ("", &request.schema), request.table).await
    }

    pub(super) async fn get_columns_v2(
        &self,
        caller: Caller,
        request: GetColumnsV2Request,
    ) -> Result<GetColumnsResponse, EngineError> {
        self.columns(&caller, request.session_id, (&request.catalog, &request.schema), request.table).await
    }

    pub(super) async fn add_catalogs(
        &self,
        caller: Caller,
        request: AddCatalogsRequest,
    ) -> Result<AddCatalogsResponse, EngineError> {
        self.cluster.ready(caller.now)?;
        let session = self.session(&request.session_id, &caller)?;
        let elements = catalogs::read(&request.json)?;
        let engine = self.engine.clone();
        let outcome = self.executor.run(async move { Ok(catalogs::add(&engine, elements).await) }).await?;
        session.set_catalogs(outcome);
        Ok(AddCatalogsResponse { session_id: request.session_id })
    }

    pub(super) async fn get_add_catalogs_response(
        &self,
        caller: Caller,
        request: GetAddCatalogsRequest,
    ) -> Result<GetAddCatalogsResponse, EngineError> {
        let session = self.session(&request.session_id, &caller)?;
        let (status, failures) = match session.catalogs() {
            Some(outcome) => (outcome.status(), outcome.failures.clone()),
            None => ("NONE", Vec::new()),
        };
        Ok(GetAddCatalogsResponse { status: status.to_owned(), failures, session_id: request.session_id })
    }

    pub(super) async fn refresh_catalogs(
        &self,
        caller: Caller,
        request: RefreshCatalogsRequest,
    ) -> Result<RefreshCatalogsResponse, EngineError> {
        self.cluster.ready(caller.now)?;
        self.session(&request.session_id, &caller)?;
        self.refresh().await?;
        Ok(RefreshCatalogsResponse { session_id: request.session_id })
    }

    pub(super) async fn sync_schemas(
        &self,
        caller: Caller,
        _: SyncSchemaRequest,
    ) -> Result<SyncSchemaResponse, EngineError> {
        self.cluster.ready(caller.now)?;
        self.refresh().await?;
        Ok(SyncSchemaResponse {})
    }

    fn schemas(
        &self,
        caller: &Caller,
        session_id: String,
        catalog: &str,
    ) -> Result<GetSchemaNamesResponse, EngineError> {
        let scope = self.scope(&session_id, caller, catalog, "")?;
        Ok(GetSchemaNamesResponse {
            schemas: self.engine.schemas(&scope.catalog),
            session_id,
            new_strategy: None,
        })
    }

    fn tables(
        &self,
        caller: &Caller,
        session_id: String,
        catalog: &str,
        schema: &str,
    ) -> Result<GetTablesResponse, EngineError> {
        let scope = self.scope(&session_id, caller, catalog, schema)?;
        Ok(GetTablesResponse { tables: self.engine.tables(&scope), session_id, new_strategy: None })
    }

    async fn columns(
        &self,
        caller: &Caller,
        session_id: String,
        (catalog, schema): (&str, &str),
        table: String,
    ) -> Result<GetColumnsResponse, EngineError> {
        let scope = self.scope(&session_id, caller, catalog, schema)?;
        let engine = self.engine.clone();
        let columns = self.executor.run(async move { Ok(engine.columns(&scope, &table).await?) }).await?;
        let info = columns.fields().iter().map(|field| GFieldInfo {
            field_name: field.name().clone(),
            field_type: field_type(field.data_type()),
        });
        Ok(GetColumnsResponse { field_info: info.collect(), session_id, new_strategy: None })
    }

    fn scope(
        &self,
        session_id: &str,
        caller: &Caller,
        catalog: &str,
        schema: &str,
    ) -> Result<Scope, EngineError> {
        Ok(self.session(session_id, caller)?.settings().scope(catalog, schema))
    }

    async fn refresh(&self) -> Result<(), EngineError> {
        let engine = self.engine.clone();
        self.executor.run(async move { Ok(engine.refresh().await?) }).await
    }
}
