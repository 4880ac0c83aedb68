//! Parquet files as a table. Schema and row counts come from the footers; rows are read batch by batch on blocking
//! threads.

use std::{fs::File, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::RecordBatch,
        datatypes::{DataType, FieldRef, Schema, SchemaRef},
    },
    catalog::{Session, TableProvider},
    common::plan_err,
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableType},
    physical_plan::{ExecutionPlan, stream::RecordBatchStreamAdapter},
};
use futures::stream;
use parquet::arrow::{
    ARROW_SCHEMA_META_KEY, ProjectionMask,
    arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    },
};
use tokio::task::spawn_blocking;

use super::{files::named, folder};
use crate::{
    Error,
    exec::{FileExec, Open},
};

#[derive(Clone, Debug)]
struct Part {
    label: String,
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

/// A Parquet file, or several of the same schema.
#[derive(Debug)]
pub(super) struct Parquet {
    label: String,
    schema: SchemaRef,
    parts: Vec<Part>,
}

impl Parquet {
    /// Reads the footers.
    pub(super) async fn open(label: String, files: Vec<(String, PathBuf)>) -> Result<Self, Error> {
        let read = move || files.into_iter().map(footer).collect::<Result<Vec<_>, Error>>();
        let parts = spawn_blocking(read).await.map_err(|error| Error::Internal(error.to_string()))??;
        let first = parts.first().ok_or_else(|| Error::invalid(format!("{label}: no Parquet files")))?;
        let schema = Arc::clone(first.metadata.schema());
        let differs = |part: &&Part| part.metadata.schema().fields() != schema.fields();
        if let Some(other) = parts.iter().find(differs) {
            return Err(Error::invalid(format!("{}: has other columns than {}", other.label, first.label)));
        }
        Ok(Self { label, schema, parts })
    }

    /// Refuses intervals without a known unit, because the reader would drop their months.
    fn whole_intervals(&self, schema: &Schema) -> Result<()> {
        let interval = |field: &&FieldRef| matches!(field.data_type(), DataType::Interval(_));
        let Some(column) = schema.fields().iter().find(interval) else { return Ok(()) };
        let told = |part: &Part| {
            let pairs = part.metadata.metadata().file_metadata().key_value_metadata();
            pairs.is_some_and(|pairs| pairs.iter().any(|pair| pair.key == ARROW_SCHEMA_META_KEY))
        };
        match self.parts.iter().all(told) {
            true => Ok(()),
            false => plan_err!(
                "{}: column {} is an INTERVAL of Parquet, which can't be read: leave it out",
                self.label,
                column.name()
            ),
        }
    }

    fn rows(&self) -> usize {
        let rows = |part: &Part| part.metadata.metadata().file_metadata().num_rows();
        self.parts.iter().map(|part| usize::try_from(rows(part)).unwrap_or(0)).sum()
    }
}

fn footer((label, path): (String, PathBuf)) -> Result<Part, Error> {
    let file = File::open(&path).map_err(|error| Error::invalid(format!("{label}: {error}")))?;
    folder::unmoved(&label, &path)?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
        .map_err(|error| Error::invalid(format!("{label}: {error}")))?;
    Ok(Part { label, path, metadata })
}

#[async_trait]
impl TableProvider for Parquet {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        self.whole_intervals(&schema)?;
        let rows = limit.map_or(self.rows(), |limit| limit.min(self.rows()));
        let scan = Scan {
            parts: self.parts.clone(),
            schema: Arc::clone(&schema),
            projection: projection.cloned(),
            rows,
        };
        Ok(Arc::new(FileExec::new(self.label.clone(), schema, Some(rows), Arc::new(scan))))
    }
}

/// The scan of one query.
#[derive(Debug)]
struct Scan {
    parts: Vec<Part>,
    schema: SchemaRef,
    projection: Option<Vec<usize>>,
    rows: usize,
}

impl Open for Scan {
    fn open(&self, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batch_rows = context.session_config().batch_size();
        let state = Reading {
            parts: self.parts.clone().into_iter(),
            schema: Arc::clone(&self.schema),
            projection: self.projection.clone(),
            left: self.rows,
            batch_rows,
            current: None,
        };
        let batches = stream::try_unfold(state, |state| async move {
            // Read one batch at a time, so that a query that is not fetched blocks no thread.
            let step = move || {
                let mut state = state;
                Ok(state.next()?.map(|batch| (batch, state)))
            };
            spawn_blocking(step).await.map_err(|error| DataFusionError::Execution(error.to_string()))?
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}

struct Reading {
    parts: std::vec::IntoIter<Part>,
    schema: SchemaRef,
    projection: Option<Vec<usize>>,
    left: usize,
    batch_rows: usize,
    current: Option<(String, ParquetRecordBatchReader)>,
}

impl Reading {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        while self.left > 0 {
            let Some((label, reader)) = &mut self.current else {
                let Some(part) = self.parts.next() else { return Ok(None) };
                self.current = Some((
                    part.label.clone(),
                    self.reader(&part).map_err(|error| named(&part.label, error))?,
                ));
                continue;
            };
            match reader.next() {
                Some(batch) => {
                    let mut batch = batch.map_err(|error| named(label, Error::invalid(error.to_string())))?;
                    self.left -= batch.num_rows().min(self.left);
                    if let Some(columns) = &self.projection {
                        // The reader returns columns in file order.
                        let before = |column: usize| columns.iter().filter(|other| **other < column).count();
                        let order: Vec<usize> = columns.iter().map(|column| before(*column)).collect();
                        batch = batch.project(&order)?;
                    }
                    return Ok(Some(batch.with_schema(Arc::clone(&self.schema))?));
                }
                None => self.current = None,
            }
        }
        Ok(None)
    }

    fn reader(&self, part: &Part) -> Result<ParquetRecordBatchReader, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::invalid(error.to_string());
        let file = File::open(&part.path).map_err(|error| failed(&error))?;
        folder::unmoved(&part.label, &part.path)?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, part.metadata.clone());
        if let Some(columns) = &self.projection {
            let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(mask);
        }
        builder.with_batch_size(self.batch_rows).with_limit(self.left).build().map_err(|error| failed(&error))
    }
}
