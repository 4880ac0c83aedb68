//! Runs SQL from standard input: one JSON string per line in, one JSON object per line out, with `rows` (NULL as
//! null, everything else as text) or `error`. The argument is a data directory. For tests with many queries.

use std::io::{BufRead, Write};

use futures::StreamExt;
use serde_json::{Value, json};
use sql::{
    Engine, Error, Options, Scope, UnknownTables,
    arrow::{
        array::Array,
        util::display::{ArrayFormatter, FormatOptions},
    },
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options {
        data: std::env::args().nth(1).map(Into::into),
        unknown_tables: UnknownTables::Error,
        memory_limit: 512 << 20,
        batch_rows: 8192,
    };
    let engine = Engine::open(options)?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let sql = serde_json::from_str::<String>(&line).unwrap_or(line);
        let answer = match ask(&engine, &sql).await {
            Ok(rows) => json!({ "rows": rows }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

async fn ask(engine: &Engine, sql: &str) -> Result<Vec<Vec<Value>>, Error> {
    let statement = engine.plan(&Scope::default(), sql).await?;
    let mut batches = statement.execute(&[]).await?;
    let (format, mut rows) = (FormatOptions::default(), Vec::new());
    let failed = |error: &dyn std::fmt::Display| Error::Internal(error.to_string());
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let value = |column: &sql::arrow::array::ArrayRef| {
                if column.is_null(row) {
                    return Ok(Value::Null);
                }
                let text = ArrayFormatter::try_new(column, &format).map_err(|error| failed(&error))?;
                Ok(Value::String(text.value(row).to_string()))
            };
            rows.push(batch.columns().iter().map(value).collect::<Result<_, Error>>()?);
        }
    }
    Ok(rows)
}
