//! Built-in tables, whose rows are generated.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use datafusion::{
    arrow::{
        array::RecordBatch,
        datatypes::{Schema, SchemaRef},
    },
    catalog::{MemTable, Session, TableProvider},
    error::{DataFusionError, Result},
    logical_expr::{Expr, TableType},
    physical_plan::ExecutionPlan,
};

use super::{builtin::Spec, column::Column};

/// A built-in table. Its rows are generated on the first scan.
pub(crate) struct Made {
    path: Vec<String>,
    rows: usize,
    columns: fn() -> Vec<Column>,
    schema: SchemaRef,
    data: OnceLock<Arc<MemTable>>,
}

impl Made {
    pub(super) fn builtin(spec: &Spec) -> Self {
        Self::new(vec![spec.catalog.into(), spec.schema.into(), spec.name.into()], spec.rows, spec.columns)
    }

    fn new(path: Vec<String>, rows: usize, columns: fn() -> Vec<Column>) -> Self {
        let schema = Arc::new(Schema::new(columns().iter().map(Column::field).collect::<Vec<_>>()));
        Self { path, rows, columns, schema, data: OnceLock::new() }
    }

    fn data(&self, batch_rows: usize) -> Result<Arc<MemTable>> {
        if let Some(data) = self.data.get() {
            return Ok(Arc::clone(data));
        }
        let owner: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let arrays = (self.columns)().iter().map(|column| column.values(&owner, self.rows)).collect();
        let all = RecordBatch::try_new(Arc::clone(&self.schema), arrays)?;
        let starts = (0..self.rows).step_by(batch_rows.max(1));
        let batches = starts.map(|start| all.slice(start, batch_rows.min(self.rows - start))).collect();
        let table = Arc::new(MemTable::try_new(Arc::clone(&self.schema), vec![batches])?);
        Ok(Arc::clone(self.data.get_or_init(|| table)))
    }
}

#[async_trait]
impl TableProvider for Made {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let data = self.data(state.config().batch_size())?;
        data.scan(state, projection, filters, limit).await
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("path", &self.path).field("rows", &self.rows).finish_non_exhaustive()
    }
}
