//! SQL in, Arrow record batches out: catalogs, tables and queries on DataFusion, behind a narrow interface. Knows
//! nothing of protobuf, gRPC or sessions.
//!
//! A query passes through the modules in this order: `sql` turns the text into a plan over tables from `catalog`;
//! [`Statement`] holds that plan; [`Rows`] is one execution of it, and ends when it is dropped. [`Frame`] builds
//! plans without SQL. `guard` and `exec` keep plans within their memory limit.
//!
//! Columns have the types of the plan: Parquet files may contain `Utf8View`, `LargeUtf8` or dictionaries, and some
//! functions return `Utf8View`. Literals, casts, CSV, JSON and the built-in tables are `Utf8`.
//!
//! ```no_run
//! use teal_sql::{Engine, Options, Scope, UnknownTables};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let options = Options { data: None, unknown_tables: UnknownTables::Error, memory_limit: 1 << 28, batch_rows: 1024 };
//! let engine = Engine::open(options)?;
//! let scope = Scope { catalog: "default".into(), schema: "sales".into() };
//! let statement = engine.plan(&scope, "SELECT count(*) FROM orders").await?;
//! println!("{}", statement.schema());
//! # Ok::<_, teal_sql::Error>(())
//! # }).unwrap();
//! ```

mod catalog;
mod engine;
mod error;
mod exec;
mod frame;
mod functions;
mod guard;
mod messages;
mod params;
mod rows;
mod rules;
mod sql;
mod statement;

pub use catalog::{Catalog, NewCatalog, Scope, UnknownTables};
pub use datafusion::arrow;
pub use engine::{Engine, Options};
pub use error::Error;
pub use frame::{Aggregate, Frame};
pub use params::Parameter;
/// The reader of Parquet files; tests write with it too.
pub use parquet;
pub use rows::{Measured, Rows};
pub use statement::Statement;
