//! The context for DataFusion's SQL planner: the functions of the session, and the tables of one statement.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    catalog::{TableFunctionArgs, cte_worktable::CteWorkTable},
    common::{
        DFSchema, TableReference,
        config::ConfigOptions,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    datasource::provider_as_source,
    error::{DataFusionError, Result as DataFusionResult},
    execution::context::SessionState,
    logical_expr::{
        AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
        expr::{Exists, InSubquery},
        planner::{
            ContextProvider, ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr,
            TypePlanner,
        },
        simplify::SimplifyContext,
    },
    optimizer::simplify_expressions::ExprSimplifier,
};

use super::{
    lookup::{Bindings, Bound},
    operators,
    types::Types,
};
use crate::{engine::Core, guard::Guarding};

/// The functions of the session, and the tables of one statement.
pub(super) struct Context<'a> {
    state: &'a SessionState,
    guarding: Guarding,
    types: Arc<dyn TypePlanner>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    sources: HashMap<TableReference, Arc<dyn TableSource>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(core: &'a Core, bindings: &Bindings) -> Self {
        let bound = bindings.values().filter_map(|bound| bound.as_ref().ok());
        let source =
            |bound: &Bound| (reference(&bound.path), provider_as_source(Arc::clone(&bound.provider)));
        let named: Arc<dyn ExprPlanner> = Arc::new(Named);
        let planners = std::iter::once(named).chain(core.state.expr_planners().iter().cloned());
        Self {
            state: &core.state,
            guarding: Guarding::new(core.memory.clone()),
            types: Arc::new(Types),
            planners: planners.collect(),
            sources: bound.map(source).collect(),
        }
    }
}

/// Converts a qualified table name to DataFusion's type.
pub(crate) fn reference(path: &[String]) -> TableReference {
    match path {
        [catalog, schema, table] => TableReference::full(catalog.as_str(), schema.as_str(), table.as_str()),
        [schema, table] => TableReference::partial(schema.as_str(), table.as_str()),
        [table] => TableReference::bare(table.as_str()),
        _ => TableReference::bare(path.join(".")),
    }
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> DataFusionResult<Arc<dyn TableSource>> {
        let missing = || DataFusionError::Plan(format!("table {name} not found"));
        self.sources.get(&name).cloned().ok_or_else(missing)
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> DataFusionResult<Arc<dyn TableSource>> {
        let functions = self.state.table_functions();
        let function = functions.get(name).ok_or_else(|| {
            let mut known: Vec<_> = functions.keys().map(String::as_str).collect();
            known.sort_unstable();
            DataFusionError::Plan(format!("table function {name} not found, known are {}", known.join(", ")))
        })?;
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(self.state.config_options()))
            .with_query_execution_start_time(self.state.execution_props().query_execution_start_time)
            .build();
        let simplifier = ExprSimplifier::new(context);
        let schema = DFSchema::empty();
        let simple = |arg| {
            let arg = self.guarding.expression(simplifier.coerce(arg, &schema)?, &schema)?;
            simplifier.simplify(arg)
        };
        let args = args.into_iter().map(simple).collect::<DataFusionResult<Vec<_>>>()?;
        let table = function.create_table_provider_with_args(TableFunctionArgs::new(&args, self.state))?;
        Ok(provider_as_source(table))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> DataFusionResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::clone(&self.types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

/// Names arguments that contain casts or subqueries, so that they differ from others: `max(x)` and `max(cast(x as
/// int))` are two columns, and so are the sums of two subqueries.
#[derive(Debug)]
struct Named;

fn named(args: &mut [Expr]) -> DataFusionResult<()> {
    for arg in args {
        if arg.exists(|expr| Ok(matches!(expr, Expr::Cast(_) | Expr::TryCast(_))))? {
            let name = arg.to_string();
            *arg = arg.clone().alias(name);
        }
        let mut subqueries = DefaultHasher::new();
        let mut there = false;
        arg.apply(|expr| {
            if let Expr::ScalarSubquery(subquery)
            | Expr::Exists(Exists { subquery, .. })
            | Expr::InSubquery(InSubquery { subquery, .. }) = expr
            {
                there = true;
                subquery.subquery.display_indent().to_string().hash(&mut subqueries);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if there {
            let name = format!("{arg} {:x}", subqueries.finish());
            *arg = arg.clone().alias(name);
        }
    }
    Ok(())
}

impl ExprPlanner for Named {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> DataFusionResult<PlannerResult<RawBinaryExpr>> {
        Ok(match operators::planned(&expr, schema) {
            Some(moved) => PlannerResult::Planned(moved),
            None => PlannerResult::Original(expr),
        })
    }

    fn plan_aggregate(
        &self,
        mut expr: RawAggregateExpr,
    ) -> DataFusionResult<PlannerResult<RawAggregateExpr>> {
        named(&mut expr.args)?;
        Ok(PlannerResult::Original(expr))
    }

    fn plan_window(&self, mut expr: RawWindowExpr) -> DataFusionResult<PlannerResult<RawWindowExpr>> {
        named(&mut expr.args)?;
        Ok(PlannerResult::Original(expr))
    }
}
