//! A generated table as one query sees it: 1000 rows, generated at each scan, always the same.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions},
        datatypes::{Field, Schema, SchemaRef},
    },
    catalog::{Session, TableProvider},
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableType},
    physical_plan::{ExecutionPlan, stream::RecordBatchStreamAdapter},
};
use futures::{StreamExt, stream};

use super::{Kind, Remembered, defaults, values::array};
use crate::exec::{FileExec, Open};

/// The number of rows of a generated table.
pub(super) const ROWS: usize = 1000;
/// A generated column as one query sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The name that its texts start with: that of a column it is compared with, or its own.
    pub(crate) domain: String,
    /// The values it is compared with.
    pub(crate) examples: Vec<String>,
}

impl Asked {
    pub(crate) fn plain(column: &Remembered) -> Self {
        let domain = column.name.to_lowercase();
        Self { name: column.name.clone(), kind: column.kind, domain, examples: Vec::new() }
    }
}

/// A generated table as one query sees it.
#[derive(Clone)]
pub(crate) struct Guessed {
    table: String,
    columns: Vec<Asked>,
    schema: SchemaRef,
}

impl Guessed {
    pub(crate) fn new(table: &str, columns: Vec<Asked>) -> Self {
        let field = |column: &Asked| Field::new(&column.name, column.kind.data_type(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        Self { table: table.to_lowercase(), columns, schema }
    }

    /// The table with all remembered columns.
    pub(crate) fn remembered(table: &str, columns: &[Remembered]) -> Self {
        let columns = match columns {
            [] => defaults().iter().map(Asked::plain).collect(),
            known => known.iter().map(Asked::plain).collect(),
        };
        Self::new(table, columns)
    }
}

impl fmt::Debug for Guessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guessed").field("table", &self.table).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Guessed {
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
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let columns: Vec<Asked> = match projection {
            Some(kept) => kept.iter().map(|at| self.columns[*at].clone()).collect(),
            None => self.columns.clone(),
        };
        let own = Self::new(&self.table, columns);
        let (label, schema) = (self.table.clone(), Arc::clone(&own.schema));
        Ok(Arc::new(FileExec::new(label, schema, Some(ROWS), Arc::new(own))))
    }
}

impl Open for Guessed {
    fn open(&self, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (own, most) = (self.clone(), context.session_config().batch_size().max(1));
        // Generated when the first batch is fetched.
        let batches = stream::once(async move { own.batch() });
        let sliced = batches.flat_map(move |batch| {
            stream::iter(match batch {
                Ok(all) => (0..ROWS).step_by(most).map(|at| Ok(all.slice(at, most.min(ROWS - at)))).collect(),
                Err(error) => vec![Err(error)],
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), sliced)))
    }
}

impl Guessed {
    fn batch(&self) -> Result<RecordBatch> {
        let arrays =
            self.columns.iter().map(|column| array(&self.table, column)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(ROWS));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }
}
