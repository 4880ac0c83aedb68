//! SQL in, Arrow record batches out: catalogs, tables and queries on DataFusion, behind a narrow
//! interface. Knows nothing of protobuf, gRPC or sessions.

use std::{
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

pub use datafusion::arrow;

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{DataType, SchemaRef},
};
use futures::Stream;

/// How an [`Engine`] is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory `<catalog>/<schema>/<table>.{csv,parquet,json}`; `None` for the built-in tables.
    pub data: Option<PathBuf>,
    /// What a table that isn't in the catalog means.
    pub unknown_tables: UnknownTables,
    /// Bytes that all queries together may hold before they spill to the temporary folder.
    pub memory_limit: usize,
    /// Rows of a record batch at most.
    pub batch_rows: usize,
}

/// What a name that no catalog knows means in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownTables {
    /// The query is refused.
    Error,
    /// A table is made up: id LONG, name STRING, amount DOUBLE, created_at TIMESTAMP.
    Generate,
}

/// What went wrong, by whose fault it is.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The text doesn't parse, names what isn't there, or cannot be computed (a division by zero).
    #[error("{0}")]
    Invalid(String),
    /// A statement that is no query, or reads outside the data directory.
    #[error("{0}")]
    Forbidden(String),
    /// The memory limit was reached and there was nothing left to spill.
    #[error("{0}")]
    Exhausted(String),
    /// The engine's own failure.
    #[error("{0}")]
    Internal(String),
}

/// Where names without a qualifier are looked up. An empty part is the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The catalog.
    pub catalog: String,
    /// The schema in it.
    pub schema: String,
}

/// A catalog's name, and whether it is the default one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The name.
    pub name: String,
    /// True for the one that an empty catalog name means.
    pub is_default: bool,
}

/// One element of a request to add catalogs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCatalog {
    /// The name it gets.
    pub name: String,
    /// Its folder, relative to the data directory.
    pub path: String,
    /// Whether it becomes the default.
    pub default: bool,
}

/// A value for a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// 1-based position among the placeholders (`$1`, or the first `?`).
    pub index: usize,
    /// The type its text is cast to; `None` where the plan doesn't tell.
    pub data_type: Option<DataType>,
    /// The text; `None` is NULL.
    pub value: Option<String>,
}

/// What `aggregate` computes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// `sum(field)`
    Sum,
    /// `count(field)`
    Count,
    /// `count(*)`
    CountStar,
    /// `count(distinct field)`
    CountDistinct,
}

/// The catalogs and the means to query them. A clone is the same engine.
#[derive(Clone, Debug)]
pub struct Engine {}

impl Engine {
    /// Opens the catalogs. Fast: rows are made, and files read, when they are first asked for.
    pub fn open(_options: Options) -> Result<Self, Error> {
        todo!()
    }
    /// All catalogs, by name.
    pub fn catalogs(&self) -> Vec<Catalog> {
        todo!()
    }
    /// The schemas of a catalog (empty: the default one); empty where it is unknown.
    pub fn schemas(&self, _catalog: &str) -> Vec<String> {
        todo!()
    }
    /// The tables of a schema; empty where anything is unknown.
    pub fn tables(&self, _scope: &Scope) -> Vec<String> {
        todo!()
    }
    /// The columns of a table: an Arrow schema without fields where anything is unknown.
    pub async fn columns(&self, _scope: &Scope, _table: &str) -> Result<SchemaRef, Error> {
        todo!()
    }
    /// Adds one catalog from below the data directory.
    pub async fn add_catalog(&self, _new: &NewCatalog) -> Result<(), Error> {
        todo!()
    }
    /// Looks at the data directory again.
    pub async fn refresh(&self) -> Result<(), Error> {
        todo!()
    }
    /// Parses and plans one query.
    pub async fn plan(&self, _scope: &Scope, _sql: &str) -> Result<Statement, Error> {
        todo!()
    }
    /// A DataFrame over a table.
    pub async fn table_frame(&self, _scope: &Scope, _table: &str) -> Result<Frame, Error> {
        todo!()
    }
    /// A DataFrame over a Parquet file below the data directory.
    pub async fn parquet_frame(&self, _path: &str) -> Result<Frame, Error> {
        todo!()
    }
}

/// A planned query. A clone is the same plan.
#[derive(Clone, Debug)]
pub struct Statement {}

impl Statement {
    /// The columns it yields.
    pub fn schema(&self) -> SchemaRef {
        todo!()
    }
    /// One entry a column: the value (an array of length 1) where it is a literal in the final projection.
    pub fn constants(&self) -> Vec<Option<ArrayRef>> {
        todo!()
    }
    /// Its placeholders in order, without values.
    pub fn parameters(&self) -> Vec<Parameter> {
        todo!()
    }
    /// The plan as text.
    pub async fn explain(&self) -> Result<String, Error> {
        todo!()
    }
    /// How long parsing and planning took.
    pub fn planning_time(&self) -> Duration {
        todo!()
    }
    /// Binds the parameters and starts it. All placeholders must be bound.
    pub async fn execute(&self, _parameters: &[Parameter]) -> Result<Rows, Error> {
        todo!()
    }
}

/// The rows of a running query, as a stream of non-empty batches. Dropping it stops the work.
pub struct Rows {}

impl Rows {
    /// The columns, as the batches have them.
    pub fn schema(&self) -> SchemaRef {
        todo!()
    }
    /// How many rows there will be, where the plan knows.
    pub fn exact_rows(&self) -> Option<u64> {
        todo!()
    }
    /// The physical plan with what its execution has measured so far.
    pub fn measured(&self) -> Measured {
        todo!()
    }
}

/// What an execution has measured so far.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The physical plan as text, with metrics.
    pub plan: String,
    /// Nanoseconds of computing, over all operators.
    pub compute: Duration,
    /// Rows that left the plan so far.
    pub output_rows: u64,
    /// Bytes spilled to the temporary folder.
    pub spilled_bytes: u64,
}

impl Stream for Rows {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        todo!()
    }
}

/// A DataFrame under construction: each step gives a new one. A clone is the same frame.
#[derive(Clone, Debug)]
pub struct Frame {}

impl Frame {
    /// Keeps the named fields.
    pub fn project(&self, _fields: &[String]) -> Result<Frame, Error> {
        todo!()
    }
    /// Groups by `group_by` and computes each aggregate of its field.
    pub fn aggregate(&self, _aggregates: &[(String, Aggregate)], _group_by: &[String]) -> Result<Frame, Error> {
        todo!()
    }
    /// Keeps the rows for which a SQL expression is true.
    pub fn filter(&self, _expression: &str) -> Result<Frame, Error> {
        todo!()
    }
    /// Sorts by fields; true is descending.
    pub fn order_by(&self, _fields: &[(String, bool)]) -> Result<Frame, Error> {
        todo!()
    }
    /// Keeps the first `rows` rows.
    pub fn limit(&self, _rows: usize) -> Result<Frame, Error> {
        todo!()
    }
    /// The frame as a query that can be executed.
    pub fn statement(&self) -> Result<Statement, Error> {
        todo!()
    }
}
