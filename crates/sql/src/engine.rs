//! The engine: the catalogs, and the DataFusion session to plan and run queries over them.

use std::{num::NonZeroUsize, panic::AssertUnwindSafe, path::PathBuf, sync::Arc};

use datafusion::{
    arrow::datatypes::{Schema, SchemaRef},
    catalog::TableProvider,
    execution::{
        SessionStateBuilder,
        context::SessionState,
        memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool},
        runtime_env::RuntimeEnvBuilder,
    },
    logical_expr::registry::FunctionRegistry,
    optimizer::OptimizerRule,
    prelude::SessionConfig,
};
use futures::FutureExt;

use crate::{
    Catalog, Error, Frame, NewCatalog, Scope, Statement, UnknownTables,
    catalog::{Catalogs, Found, Guessed, Guesses, MadePath, Snapshot, Table, Tables, check_name, find_plain},
    functions,
    guard::{GiveUp, Guarding, Memory, apart},
    rules, sql,
};

/// How an [`Engine`] is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory `<catalog>/<schema>/<table>.{csv,parquet,json}`; `None` for the built-in tables.
    pub data: Option<PathBuf>,
    /// How to treat tables that are not in the catalog.
    pub unknown_tables: UnknownTables,
    /// Bytes that all queries together may use before they spill to the temporary folder.
    pub memory_limit: usize,
    /// The most rows in a record batch.
    pub batch_rows: usize,
}

/// The catalogs and the means to query them. Clones share their state.
#[derive(Clone, Debug)]
pub struct Engine {
    core: Arc<Core>,
}

/// The state that statements and frames share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) state: SessionState,
    pub(crate) catalogs: Catalogs,
    pub(crate) unknown_tables: UnknownTables,
    /// The columns that queries used of generated tables.
    pub(crate) guesses: Guesses,
    pub(crate) batch_rows: usize,
    pub(crate) memory: Memory,
}

impl Engine {
    /// Opens the catalogs. This is fast: rows are generated, and files read, on first use.
    pub fn open(options: Options) -> Result<Self, Error> {
        let batch_rows = options.batch_rows.max(1);
        let catalogs = Catalogs::open(options.data.as_deref())?;
        let (state, memory) = state(options.memory_limit, batch_rows)?;
        let unknown_tables = options.unknown_tables;
        let guesses = Guesses::default();
        let core = Core { state, catalogs, unknown_tables, guesses, batch_rows, memory };
        Ok(Self { core: Arc::new(core) })
    }

    /// All catalogs, by name.
    pub fn catalogs(&self) -> Vec<Catalog> {
        let snapshot = self.core.shown();
        let catalog = |name: &String| Catalog { name: name.clone(), is_default: *name == snapshot.default };
        snapshot.by_name.keys().map(catalog).collect()
    }

    /// The schemas of a catalog (an empty name means the default one); empty if it is unknown.
    pub fn schemas(&self, catalog: &str) -> Vec<String> {
        let snapshot = self.core.shown();
        let scope = Scope { catalog: catalog.to_owned(), schema: String::new() };
        let found = schemas(&snapshot, &scope);
        found.map(|schemas| schemas.by_name.keys().cloned().collect()).unwrap_or_default()
    }

    /// The tables of a schema; empty if catalog or schema is unknown.
    pub fn tables(&self, scope: &Scope) -> Vec<String> {
        let snapshot = self.core.shown();
        tables(&snapshot, scope).map(|tables| tables.keys().cloned().collect()).unwrap_or_default()
    }

    /// The columns of a table as an Arrow schema, without fields if the table is unknown.
    pub async fn columns(&self, scope: &Scope, table: &str) -> Result<SchemaRef, Error> {
        let found = find_table(&self.core.shown(), scope, table);
        match found {
            Some((found, _)) => Ok(found.provider(&self.core.state).await?.schema()),
            None => Ok(Arc::new(Schema::empty())),
        }
    }

    /// Adds one catalog from below the data directory.
    pub async fn add_catalog(&self, new: &NewCatalog) -> Result<(), Error> {
        let (core, new) = (Arc::clone(&self.core), new.clone());
        blocking(move || core.catalogs.add(&new)).await
    }

    /// Reads the data directory again.
    pub async fn refresh(&self) -> Result<(), Error> {
        let core = Arc::clone(&self.core);
        blocking(move || core.catalogs.refresh()).await
    }

    /// Parses and plans one query. Dropping the future cancels it.
    pub async fn plan(&self, scope: &Scope, sql: &str) -> Result<Statement, Error> {
        let started = std::time::Instant::now();
        let (core, scope, sql) = (Arc::clone(&self.core), scope.clone(), sql.to_owned());
        apart(async move {
            let planned = sql::plan(&core, &scope, &sql).await?;
            Statement::new(core, planned, started)
        })
        .await
    }

    /// A DataFrame over a table.
    pub async fn table_frame(&self, scope: &Scope, table: &str) -> Result<Frame, Error> {
        let snapshot = self.core.catalogs.snapshot();
        let (name, provider) = match find_table(&snapshot, scope, table) {
            Some((found, name)) => (name, found.provider(&self.core.state).await?),
            None if self.core.unknown_tables == UnknownTables::Generate => {
                let made = self.core.made_path(&snapshot, scope, &[table.to_lowercase()])?;
                let known = self.core.guesses.columns(&made).unwrap_or_default();
                (table.to_owned(), Arc::new(Guessed::remembered(table, &known)) as Arc<dyn TableProvider>)
            }
            None => return Err(Error::invalid(format!("table {table} not found"))),
        };
        self.frame(&name, provider)
    }

    /// A DataFrame over a Parquet file below the data directory.
    pub async fn parquet_frame(&self, path: &str) -> Result<Frame, Error> {
        let provider = self.core.catalogs.parquet(path, &self.core.state).await?;
        let stem = PathBuf::from(path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        self.frame(&stem.unwrap_or_else(|| "parquet".into()), provider)
    }

    fn frame(&self, name: &str, provider: Arc<dyn TableProvider>) -> Result<Frame, Error> {
        Frame::over(Arc::clone(&self.core), name, provider)
    }
}

impl Core {
    /// The catalogs to show, including generated tables.
    pub(crate) fn shown(&self) -> Arc<Snapshot> {
        self.guesses.shown(self.catalogs.snapshot())
    }

    /// The path of a generated table, from a name with or without qualifiers.
    pub(crate) fn made_path(
        &self,
        snapshot: &Snapshot,
        scope: &Scope,
        name: &[String],
    ) -> Result<MadePath, Error> {
        let default = match scope.catalog.as_str() {
            "" => snapshot.default.clone(),
            catalog => catalog.to_owned(),
        };
        let (catalog, schema, table) = match name {
            [catalog, schema, table] => (catalog.clone(), schema.clone(), table),
            [schema, table] => (default, schema.clone(), table),
            [.., table] => {
                let of = |catalog: &str| {
                    let catalog = Scope { catalog: catalog.to_owned(), schema: String::new() };
                    Some(schemas(snapshot, &catalog)?.default_schema()?.to_owned())
                };
                let schema = match scope.schema.as_str() {
                    "" => of(&default).unwrap_or_else(|| "default".to_owned()),
                    schema => schema.to_owned(),
                };
                (default, schema, table)
            }
            [] => return Err(Error::invalid("a table needs a name")),
        };
        let path = [catalog, schema, table.clone()];
        path.iter().try_for_each(|part| check_name(part))?;
        Ok(path)
    }
}

/// Runs work that reads folders on a blocking thread.
async fn blocking(work: impl FnOnce() -> Result<(), Error> + Send + 'static) -> Result<(), Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.to_string()))?
}

/// Turns a panic in `work` into an error.
pub(crate) async fn guarded<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|payload| Err(Error::panic(payload.as_ref())))
}

/// Creates the session for all queries. Each query runs in one partition: rows come in the same order on every run,
/// nothing is left running when its task ends, and queries share the cores.
fn state(memory_limit: usize, batch_rows: usize) -> Result<(SessionState, Memory), Error> {
    let mut config = SessionConfig::new()
        .with_batch_size(batch_rows)
        .with_target_partitions(1)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = false;
    // For a CASE whose conditions exclude NULL, the logical plan knows that and the physical plan does not.
    options.execution.skip_physical_aggregate_schema_check = true;
    // A sort's reservation for merging must fit beside the data it sorts.
    let reserve = &mut options.execution.sort_spill_reservation_bytes;
    *reserve = (*reserve).min(memory_limit / 16);
    let shown = NonZeroUsize::MIN.saturating_add(2);
    let pool: Arc<dyn MemoryPool> =
        Arc::new(TrackConsumersPool::new(FairSpillPool::new(memory_limit), shown));
    let memory = Memory::new(Arc::clone(&pool), memory_limit, batch_rows);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc()?;
    let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime);
    // Check for cancellation between any two rules of the optimizer.
    let give_up: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(GiveUp);
    let rules = rules::optimizer().into_iter().flat_map(|rule| [Arc::clone(&give_up), rule]);
    let builder = builder.with_default_features().with_optimizer_rules(rules.collect());
    let builder = builder.with_physical_optimizer_rules(rules::physical());
    let builder = builder.with_analyzer_rules(rules::analyzer());
    let builder = builder.with_analyzer_rule(Arc::new(Guarding::new(memory.clone())));
    let mut state = builder.build();
    for function in functions::scalar() {
        state.register_udf(function)?;
    }
    for function in functions::higher_order() {
        state.register_higher_order_function(function)?;
    }
    for function in functions::window() {
        state.register_udwf(function)?;
    }
    Ok((state, memory))
}

fn schemas<'a>(snapshot: &'a Snapshot, scope: &Scope) -> Option<&'a crate::catalog::Schemas> {
    if scope.catalog.is_empty() {
        return snapshot.by_name.get(&snapshot.default);
    }
    match find_plain(&scope.catalog, snapshot.by_name.keys().map(String::as_str)) {
        Found::One(name) => snapshot.by_name.get(name),
        _ => None,
    }
}

fn tables<'a>(snapshot: &'a Snapshot, scope: &Scope) -> Option<&'a Tables> {
    let schemas = schemas(snapshot, scope)?;
    if scope.schema.is_empty() {
        return schemas.by_name.get(schemas.default_schema()?);
    }
    match find_plain(&scope.schema, schemas.by_name.keys().map(String::as_str)) {
        Found::One(name) => schemas.by_name.get(name),
        _ => None,
    }
}

fn find_table(snapshot: &Snapshot, scope: &Scope, table: &str) -> Option<(Arc<Table>, String)> {
    let tables = tables(snapshot, scope)?;
    match find_plain(table, tables.keys().map(String::as_str)) {
        Found::One(name) => Some((Arc::clone(tables.get(name)?), name.to_owned())),
        _ => None,
    }
}
