//! A planned query: its columns, its parameters, and its execution.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use datafusion::{
    arrow::{
        array::ArrayRef,
        datatypes::{DataType, SchemaRef},
    },
    common::{
        ParamValues, ScalarValue,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    execution::TaskContext,
    logical_expr::{Expr, LogicalPlan},
    physical_plan::{ExecutionPlan, displayable},
};

use crate::{
    Error, Parameter, Rows,
    engine::{Core, guarded},
    guard::apart,
    params,
    rows::titled,
    sql::Planned,
};

/// Larger constants, in bytes, make batches smaller.
const LARGE: usize = 1 << 10;
/// The most bytes of large constants, over all rows of a batch.
const REPEATED: usize = 16 << 20;

/// A planned query. Clones share the plan.
#[derive(Clone, Debug)]
pub struct Statement {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    plan: LogicalPlan,
    /// The plan after type coercion, which defines the result's columns.
    analyzed: LogicalPlan,
    titles: Vec<String>,
    schema: SchemaRef,
    parameters: Vec<Parameter>,
    planning_time: Duration,
}

/// A planned execution.
pub(crate) struct Run {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) context: Arc<TaskContext>,
    /// The most rows in a batch, if constants are large.
    pub(crate) rows: Option<usize>,
}

impl Statement {
    pub(crate) fn new(core: Arc<Core>, planned: Planned, started: Instant) -> Result<Self, Error> {
        let Planned { plan, titles, placeholders } = planned;
        let parameters = parameters(&plan, placeholders)?;
        let analyzed = match &plan {
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => plan.clone(),
            _ => {
                let checked = core.state.analyzer().execute_and_check(
                    plan.clone(),
                    core.state.config_options(),
                    |_, _| {},
                );
                match checked {
                    // Placeholders without a known type are checked when they are bound.
                    Err(_) if !parameters.is_empty() => plan.clone(),
                    checked => checked?,
                }
            }
        };
        let schema = titled(analyzed.schema().as_arrow(), &titles);
        let planning_time = started.elapsed();
        Ok(Self {
            inner: Arc::new(Inner { core, plan, analyzed, titles, schema, parameters, planning_time }),
        })
    }

    /// The columns of the result.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.inner.schema)
    }

    /// One entry per column: an array of length 1 if the column is a literal in the final projection.
    pub fn constants(&self) -> Vec<Option<ArrayRef>> {
        let fields = self.inner.schema.fields().iter().enumerate();
        let array = |(at, data_type): (usize, &DataType)| {
            let value = constant(&self.inner.analyzed, at)?;
            let value =
                if value.data_type() == *data_type { value } else { value.cast_to(data_type).ok()? };
            value.to_array().ok()
        };
        fields.map(|(at, field)| array((at, field.data_type()))).collect()
    }

    /// The placeholders in order, without values.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.inner.parameters.clone()
    }

    /// The plan as text.
    pub async fn explain(&self) -> Result<String, Error> {
        let inner = Arc::clone(&self.inner);
        apart(async move {
            let mut state = inner.core.state.clone();
            state.mark_start_execution();
            let plan = match &inner.plan {
                LogicalPlan::Explain(explain) => explain.plan.as_ref(),
                LogicalPlan::Analyze(analyze) => analyze.input.as_ref(),
                plan => plan,
            };
            let logical = state.optimize(plan)?;
            let logical_text = logical.display_indent().to_string();
            if !inner.parameters.is_empty() {
                return Ok(format!("Logical plan\n{logical_text}\n"));
            }
            let physical = state.query_planner().create_physical_plan(&logical, &state).await?;
            let physical = displayable(physical.as_ref()).indent(false).to_string();
            Ok(format!("Logical plan\n{logical_text}\n\nPhysical plan\n{physical}"))
        })
        .await
    }

    /// How long parsing and planning took.
    pub fn planning_time(&self) -> Duration {
        self.inner.planning_time
    }

    /// Binds the parameters and starts an execution. All placeholders must be bound.
    pub async fn execute(&self, parameters: &[Parameter]) -> Result<Rows, Error> {
        let values = params::bind(&self.inner.parameters, parameters)?;
        let inner = Arc::clone(&self.inner);
        let run = apart(async move { inner.run(values).await }).await?;
        guarded(async { Rows::start(run, &self.inner.titles, &self.inner.core) }).await
    }
}

impl Inner {
    /// Plans an execution.
    async fn run(&self, values: Vec<ScalarValue>) -> Result<Run, Error> {
        let mut state = self.core.state.clone();
        state.mark_start_execution();
        let plan = match values.is_empty() {
            true => self.plan.clone(),
            false => self.plan.clone().with_param_values(ParamValues::from(values))?,
        };
        let plan = state.optimize(&plan)?;
        // A constant is repeated for each row of a batch.
        let rows = (REPEATED / constants(&plan)?.max(1)).max(1);
        let rows = Some(rows).filter(|rows| *rows < self.core.batch_rows);
        if let Some(rows) = rows {
            *state.config_mut() = state.config().clone().with_batch_size(rows);
        }
        let plan = state.query_planner().create_physical_plan(&plan, &state).await?;
        Ok(Run { plan, context: state.task_ctx(), rows })
    }
}

/// The total size of a plan's large constants, in bytes.
fn constants(plan: &LogicalPlan) -> Result<usize, Error> {
    let mut bytes = 0;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Literal(value, _) = expr {
                    bytes += Some(value.size()).filter(|size| *size > LARGE).unwrap_or(0);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(bytes)
}

/// The placeholders, with types from the plan.
fn parameters(plan: &LogicalPlan, placeholders: Vec<usize>) -> Result<Vec<Parameter>, Error> {
    if placeholders.is_empty() {
        return Ok(Vec::new());
    }
    let types = plan.get_parameter_types()?;
    let counts = limits(plan)?;
    let typed = |index: usize| {
        let name = format!("${index}");
        let counted = counts.contains(&name).then_some(DataType::Int64);
        counted.or_else(|| types.get(&name).cloned().flatten())
    };
    let parameter = |index| Parameter {
        index,
        data_type: typed(index).filter(|own| *own != DataType::Null),
        value: None,
    };
    Ok(placeholders.into_iter().map(parameter).collect())
}

/// The placeholders in LIMIT and OFFSET, for which DataFusion infers no type.
fn limits(plan: &LogicalPlan) -> Result<HashSet<String>, Error> {
    let mut names = HashSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for count in [&limit.skip, &limit.fetch].into_iter().flatten() {
                if let Expr::Placeholder(placeholder) = count.as_ref() {
                    names.insert(placeholder.id.clone());
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(names)
}

/// The literal value of a column, if it is one.
fn constant(plan: &LogicalPlan, at: usize) -> Option<ScalarValue> {
    match plan {
        LogicalPlan::Projection(projection) => value(projection.expr.get(at)?).or_else(|| {
            let column = column(projection.expr.get(at)?)?;
            constant(&projection.input, projection.input.schema().maybe_index_of_column(column)?)
        }),
        LogicalPlan::Sort(sort) => constant(&sort.input, at),
        LogicalPlan::Limit(limit) => constant(&limit.input, at),
        LogicalPlan::Filter(filter) => constant(&filter.input, at),
        LogicalPlan::SubqueryAlias(alias) => constant(&alias.input, at),
        _ => None,
    }
}

fn value(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Alias(alias) => value(&alias.expr),
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Cast(cast) => value(&cast.expr)?.cast_to(cast.field.data_type()).ok(),
        Expr::Negative(inner) => value(inner)?.arithmetic_negate().ok(),
        _ => None,
    }
}

fn column(expr: &Expr) -> Option<&datafusion::common::Column> {
    match expr {
        Expr::Alias(alias) => column(&alias.expr),
        Expr::Column(column) => Some(column),
        _ => None,
    }
}
