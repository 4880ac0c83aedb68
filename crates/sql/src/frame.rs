//! DataFrames: plans that are built step by step, with SQL only in filters. Names are matched as in SQL: without
//! regard to case, but exactly if two differ only in case.

use std::{sync::Arc, time::Instant};

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    catalog::TableProvider,
    common::{Column, TableReference, tree_node::TreeNode},
    datasource::provider_as_source,
    functions_aggregate::expr_fn::{count, count_distinct, sum},
    logical_expr::{
        Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, lit,
        utils::{find_aggregate_exprs, find_window_exprs},
    },
};

use crate::{
    Error, Statement,
    engine::Core,
    sql::{Planned, column_name, frame_expression},
};

/// An aggregate function for [`Frame::aggregate`].
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

/// A DataFrame under construction. Each step returns a new one.
#[derive(Clone, Debug)]
pub struct Frame {
    core: Arc<Core>,
    plan: LogicalPlan,
}

impl Frame {
    pub(crate) fn over(core: Arc<Core>, name: &str, provider: Arc<dyn TableProvider>) -> Result<Self, Error> {
        let source = provider_as_source(provider);
        let plan = LogicalPlanBuilder::scan(TableReference::bare(name), source, None)?.build()?;
        Ok(Self { core, plan })
    }

    /// Keeps the named fields.
    pub fn project(&self, fields: &[String]) -> Result<Frame, Error> {
        if fields.is_empty() {
            return Err(Error::invalid("a projection needs at least one field"));
        }
        let fields = self.fields(fields)?;
        self.step(|plan| Ok(plan.project(fields)?))
    }

    /// Groups by `group_by` and computes each aggregate of its field.
    pub fn aggregate(&self, aggregates: &[(String, Aggregate)], group_by: &[String]) -> Result<Frame, Error> {
        if aggregates.is_empty() && group_by.is_empty() {
            return Err(Error::invalid("an aggregation needs at least one field"));
        }
        let group = self.fields(group_by)?;
        let aggregates = aggregates
            .iter()
            .map(|(field, what)| self.computed(field, *what))
            .collect::<Result<Vec<_>, _>>()?;
        self.step(|plan| Ok(plan.aggregate(group, aggregates)?))
    }

    /// Keeps the rows for which a SQL expression is true.
    pub fn filter(&self, expression: &str) -> Result<Frame, Error> {
        let predicate = frame_expression(&self.core, self.plan.schema(), expression)?;
        if !find_aggregate_exprs([&predicate]).is_empty() {
            return Err(Error::invalid("a filter can't have aggregates"));
        }
        if !find_window_exprs([&predicate]).is_empty() {
            return Err(Error::invalid("a filter can't have window functions"));
        }
        if predicate.exists(|expr| Ok(matches!(expr, Expr::Unnest(_))))? {
            return Err(Error::invalid("a filter can't have unnest"));
        }
        let data_type = predicate.get_type(self.plan.schema())?;
        if !matches!(data_type, DataType::Boolean | DataType::Null) {
            return Err(Error::invalid(format!("a filter is true or false, {expression} is {data_type}")));
        }
        self.step(|plan| Ok(plan.filter(predicate)?))
    }

    /// Sorts by fields; true is descending.
    pub fn order_by(&self, fields: &[(String, bool)]) -> Result<Frame, Error> {
        let sort =
            |(field, descending): &(String, bool)| Ok(self.field(field)?.sort(!descending, *descending));
        let sorts = fields.iter().map(sort).collect::<Result<Vec<_>, Error>>()?;
        if sorts.is_empty() {
            return Err(Error::invalid("an order needs at least one field"));
        }
        self.step(|plan| Ok(plan.sort(sorts)?))
    }

    /// Keeps the first `rows` rows.
    pub fn limit(&self, rows: usize) -> Result<Frame, Error> {
        self.step(|plan| Ok(plan.limit(0, Some(rows))?))
    }

    /// The frame as a query that can be executed.
    pub fn statement(&self) -> Result<Statement, Error> {
        let titles = self.schema().fields().iter().map(|field| field.name().clone()).collect();
        let planned = Planned { plan: self.plan.clone(), titles, placeholders: Vec::new() };
        Statement::new(Arc::clone(&self.core), planned, Instant::now())
    }

    fn step(
        &self,
        next: impl FnOnce(LogicalPlanBuilder) -> Result<LogicalPlanBuilder, Error>,
    ) -> Result<Frame, Error> {
        let plan = next(LogicalPlanBuilder::from(self.plan.clone()))?.build()?;
        Ok(Self { core: Arc::clone(&self.core), plan })
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(self.plan.schema().inner())
    }

    fn fields(&self, names: &[String]) -> Result<Vec<Expr>, Error> {
        names.iter().map(|name| self.field(name)).collect()
    }

    fn field(&self, name: &str) -> Result<Expr, Error> {
        let name = column_name(&self.schema(), name)?;
        let (qualifier, field) = self.plan.schema().qualified_field_with_unqualified_name(&name)?;
        Ok(Expr::Column(Column::from((qualifier, field))))
    }

    fn computed(&self, field: &str, what: Aggregate) -> Result<Expr, Error> {
        if what == Aggregate::CountStar {
            return Ok(count(lit(1_i64)).alias("count(*)"));
        }
        let column = self.field(field)?;
        let name = column_name(&self.schema(), field)?;
        let data_type = column.get_type(self.plan.schema())?;
        Ok(match what {
            Aggregate::Sum if !(data_type.is_numeric() || data_type == DataType::Null) => {
                return Err(Error::invalid(format!("sum({name}): {name} is {data_type}, not a number")));
            }
            Aggregate::Sum => sum(column).alias(format!("sum({name})")),
            Aggregate::Count => count(column).alias(format!("count({name})")),
            Aggregate::CountDistinct => count_distinct(column).alias(format!("count(distinct {name})")),
            Aggregate::CountStar => unreachable!("was answered above"),
        })
    }
}
