//! Engines for tests, and results as text.

use std::path::Path;

use futures::StreamExt;
use sql::{
    Engine, Error, Options, Parameter, Rows, Scope, Statement, UnknownTables,
    arrow::{
        array::RecordBatch,
        datatypes::DataType,
        util::display::{ArrayFormatter, FormatOptions},
    },
};

/// A builder of engines.
pub(crate) struct Builder(Options);

/// An engine with the built-in tables and ample memory.
pub(crate) fn engine() -> Builder {
    Builder(Options {
        data: None,
        unknown_tables: UnknownTables::Error,
        memory_limit: 256 << 20,
        batch_rows: 8192,
    })
}

impl Builder {
    pub(crate) fn data(mut self, folder: &Path) -> Self {
        self.0.data = Some(folder.to_owned());
        self
    }

    pub(crate) fn generating(mut self) -> Self {
        self.0.unknown_tables = UnknownTables::Generate;
        self
    }

    pub(crate) fn memory(mut self, bytes: usize) -> Self {
        self.0.memory_limit = bytes;
        self
    }

    pub(crate) fn batch_rows(mut self, rows: usize) -> Self {
        self.0.batch_rows = rows;
        self
    }

    pub(crate) fn open(self) -> Opened {
        Opened { engine: Engine::open(self.0).expect("opens"), scope: Scope::default() }
    }
}

/// An open engine, and the scope of its queries.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) scope: Scope,
}

impl Opened {
    pub(crate) fn within(mut self, catalog: &str, schema: &str) -> Self {
        self.scope = scope(catalog, schema);
        self
    }

    pub(crate) async fn plan(&self, sql: &str) -> Statement {
        self.engine.plan(&self.scope, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The rows of a result, as text.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<Vec<String>> {
        let rows = self.plan(sql).await.execute(&[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        text(&batches(rows).await.unwrap_or_else(|error| panic!("{sql}: {error}")))
    }

    /// The first value of a result.
    pub(crate) async fn one(&self, sql: &str) -> String {
        self.ask(sql).await[0][0].clone()
    }

    /// The column names of a result.
    pub(crate) async fn names(&self, sql: &str) -> Vec<String> {
        self.plan(sql).await.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The error of a statement that cannot be planned.
    pub(crate) async fn refused(&self, sql: &str) -> Error {
        match self.engine.plan(&self.scope, sql).await {
            Ok(_) => panic!("{sql}: was planned"),
            Err(error) => error,
        }
    }

    /// The error of a statement that fails during execution.
    pub(crate) async fn failed(&self, sql: &str) -> Error {
        match self.plan(sql).await.execute(&[]).await {
            Ok(rows) => batches(rows).await.expect_err(sql),
            Err(error) => error,
        }
    }
}

pub(crate) fn scope(catalog: &str, schema: &str) -> Scope {
    Scope { catalog: catalog.into(), schema: schema.into() }
}

pub(crate) fn parameter(index: usize, data_type: DataType, value: &str) -> Parameter {
    Parameter { index, data_type: Some(data_type), value: Some(value.into()) }
}

pub(crate) async fn batches(mut rows: Rows) -> Result<Vec<RecordBatch>, Error> {
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

pub(crate) fn text(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("null");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("a text"))
            .collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()),
        );
    }
    rows
}
