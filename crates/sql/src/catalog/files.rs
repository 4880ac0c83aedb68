//! A table in files: CSV with a header, newline-delimited JSON, Parquet, or a folder of Parquet files. Files are
//! opened when the table is used, and again after they have changed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableProvider},
    datasource::{
        file_format::{FileFormat, csv::CsvFormat, json::JsonFormat},
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    error::Result as DataFusionResult,
    execution::{SendableRecordBatchStream, TaskContext, context::SessionState},
    logical_expr::{Expr, TableType},
    physical_plan::{ExecutionPlan, execute_stream},
};
use parking_lot::Mutex;
use url::Url;

use super::{folder, parquet::Parquet};
use crate::{
    Error,
    exec::{FileExec, Open},
};

/// The number of rows from which column types are inferred: all, because any row may have the first fraction.
const INFERRED_ROWS: usize = usize::MAX;

/// The location of a table: a label for people, and the path.
type Place = (String, PathBuf);

/// The state of the files; a difference means that they have changed.
type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// One table's files.
#[derive(Debug)]
pub(crate) struct Files {
    places: Vec<Place>,
    opened: Mutex<Option<(Stamp, Arc<dyn TableProvider>)>>,
}

impl Files {
    /// Normally one place. Two places of the same name are an error when the table is used.
    pub(super) fn new(places: Vec<Place>) -> Self {
        Self { places, opened: Mutex::new(None) }
    }

    pub(super) fn parquet(label: String, path: PathBuf) -> Self {
        Self::new(vec![(label, path)])
    }

    pub(super) async fn provider(&self, state: &SessionState) -> Result<Arc<dyn TableProvider>, Error> {
        let [(label, path)] = self.places.as_slice() else {
            let labels: Vec<_> = self.places.iter().map(|(label, _)| label.as_str()).collect();
            return Err(Error::invalid(format!(
                "several files have the name of one table: {}",
                labels.join(", ")
            )));
        };
        let failed = |error: Error| named(label, error);
        folder::unmoved(label, path)?;
        let files = parts(label, path)?;
        let stamp = stamp(&files).map_err(|error| failed(Error::invalid(error.to_string())))?;
        if let Some((before, provider)) = &*self.opened.lock()
            && *before == stamp
        {
            return Ok(Arc::clone(provider));
        }
        let kind = if path.is_dir() { Some("parquet") } else { folder::extension(&path.to_string_lossy()) };
        let provider: Arc<dyn TableProvider> = match kind {
            Some("csv") => {
                let format =
                    CsvFormat::default().with_has_header(true).with_schema_infer_max_rec(INFERRED_ROWS);
                Arc::new(listing(label, path, Arc::new(format), state).await.map_err(failed)?)
            }
            Some("json") => {
                let format = JsonFormat::default().with_schema_infer_max_rec(INFERRED_ROWS);
                Arc::new(listing(label, path, Arc::new(format), state).await.map_err(failed)?)
            }
            _ => Arc::new(Parquet::open(label.clone(), files).await?),
        };
        *self.opened.lock() = Some((stamp, Arc::clone(&provider)));
        Ok(provider)
    }
}

/// Lists the file itself, or the Parquet files of a folder.
fn parts(label: &str, path: &Path) -> Result<Vec<Place>, Error> {
    if !path.is_dir() {
        return Ok(vec![(label.to_owned(), path.to_owned())]);
    }
    let within = path.parent().unwrap_or(path);
    let entries = folder::entries(within, path)?.into_iter();
    let parquet = entries.filter(|(name, path)| folder::extension(name) == Some("parquet") && path.is_file());
    Ok(parquet.map(|(name, path)| (format!("{label}/{name}"), path)).collect())
}

fn stamp(files: &[Place]) -> std::io::Result<Stamp> {
    let of = |(_, path): &Place| {
        let metadata = fs::metadata(path)?;
        Ok((path.clone(), metadata.len(), metadata.modified().ok()))
    };
    files.iter().map(of).collect()
}

/// Prefixes an error with the file's name.
pub(crate) fn named(label: &str, error: Error) -> Error {
    match error {
        Error::Exhausted(_) | Error::Forbidden(_) => error,
        Error::Internal(text) | Error::Invalid(text) if !text.starts_with(label) => {
            Error::Invalid(format!("{label}: {text}"))
        }
        other => other,
    }
}

async fn listing(
    label: &str,
    path: &Path,
    format: Arc<dyn FileFormat>,
    state: &SessionState,
) -> Result<Listing, Error> {
    let url = Url::from_file_path(path).map_err(|()| Error::invalid("no absolute path"))?;
    let url = ListingTableUrl::try_new(url, None)?;
    let options = ListingOptions::new(format).with_file_extension("");
    let schema = options.infer_schema(state, &url).await?;
    if schema.fields().is_empty() {
        return Err(Error::invalid("has no columns"));
    }
    let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema);
    Ok(Listing { label: label.to_owned(), path: path.to_owned(), table: ListingTable::try_new(config)? })
}

/// Scans a CSV or JSON file, with errors that name it.
#[derive(Debug)]
struct Listing {
    label: String,
    path: PathBuf,
    table: ListingTable,
}

#[async_trait]
impl TableProvider for Listing {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let inner = self.table.scan(state, projection, &[], limit).await?;
        let place = (self.label.clone(), self.path.clone());
        Ok(Arc::new(FileExec::new(
            self.label.clone(),
            inner.schema(),
            None,
            Arc::new(Listed { place, inner }),
        )))
    }
}

/// The opened file.
#[derive(Debug)]
struct Listed {
    place: Place,
    inner: Arc<dyn ExecutionPlan>,
}

impl Open for Listed {
    fn open(&self, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let (label, path) = &self.place;
        folder::unmoved(label, path)?;
        execute_stream(Arc::clone(&self.inner), context)
    }
}
