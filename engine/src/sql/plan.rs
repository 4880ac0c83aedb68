//! The plan of a statement: DataFusion's SQL planner over the tables that the statement's names mean.

use std::{collections::HashMap, ops::ControlFlow, sync::Arc};

use datafusion::{
    arrow::datatypes::DataType,
    catalog::{TableFunctionArgs, cte_worktable::CteWorkTable},
    common::{DFSchema, TableReference, config::ConfigOptions},
    datasource::provider_as_source,
    error::{DataFusionError, Result as DataFusionResult},
    execution::context::{SQLOptions, SessionState},
    logical_expr::{
        AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
        planner::{ContextProvider, ExprPlanner},
        simplify::SimplifyContext,
    },
    optimizer::simplify_expressions::ExprSimplifier,
    sql::{
        parser::Statement as DFStatement,
        planner::{ParserOptions, PlannerContext, SqlToRel},
        sqlparser::ast::{ExprWithAlias, Ident, ObjectName, Query, Statement, visit_relations},
    },
};

use super::{
    parse::{self, Parsed},
    resolve::{Bindings, Bound, Resolver, spelled},
    scope::{Column, Columns, Relation, ambiguous},
    titles::Titles,
};
use crate::{
    Error, Scope, UnknownTables,
    catalog::{Found, Snapshot, find, find_plain, made_up},
    engine::Core,
};

/// Operators of one plan at most, with those of the tables that WITH names counted at each use.
const OPERATORS: usize = 20_000;
/// Operators in each other at most.
const DEPTH: usize = 1200;

/// A planned statement.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    /// What the columns are called in the result.
    pub(crate) titles: Vec<String>,
    /// The numbers of the placeholders, in order.
    pub(crate) placeholders: Vec<usize>,
}

/// Parses and plans one query.
pub(crate) async fn plan(core: &Core, scope: &Scope, sql: &str) -> Result<Planned, Error> {
    let Parsed { mut statement, placeholders } = parse::statement(sql)?;
    let bindings = bind(core, scope, &statement).await;
    let mut titles = Titles::default();
    let mut resolver = Resolver::new(&bindings);
    match target(&mut statement)? {
        Target::Query(query) => titles = spell(resolver, query)?,
        Target::Explained(query) => {
            spell(resolver, query)?;
        }
        Target::Table(name) => {
            resolver.table(name)?;
        }
    }
    let context = Context::new(&core.state, &bindings);
    let planner = SqlToRel::new_with_options(&context, options(&core.state));
    let plan = planner.statement_to_plan(statement)?;
    measure(&plan)?;
    if let Some(name) = plan.get_parameter_names()?.iter().find(|name| !name.starts_with('$')) {
        return Err(Error::invalid(format!("placeholder {name}: expected ? or $1, $2 …")));
    }
    let readonly = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    readonly.verify_plan(&plan).map_err(|error| Error::Forbidden(Error::from(error).to_string()))?;
    let names = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
    Ok(Planned { plan, titles: titles.of(names), placeholders })
}

/// The expression of a SQL text over the columns of a plan.
pub(crate) fn frame_expression(core: &Core, schema: &DFSchema, sql: &str) -> Result<Expr, Error> {
    let ExprWithAlias { mut expr, .. } = parse::expression(sql)?;
    let bindings = Bindings::new();
    let mut relations: Vec<Relation> = Vec::new();
    for (qualifier, field) in schema.iter() {
        let path = qualifier.map(TableReference::to_vec).unwrap_or_default();
        let column = Column { name: field.name().clone(), data_type: Some(field.data_type().clone()) };
        match relations.iter_mut().find(|relation| relation.path == path) {
            Some(relation) => relation.columns.known.push(column),
            None => relations.push(Relation { path, columns: Columns { known: vec![column], open: false } }),
        }
    }
    Resolver::new(&bindings).expression(&mut expr, relations)?;
    let context = Context::new(&core.state, &bindings);
    let planner = SqlToRel::new_with_options(&context, options(&core.state));
    Ok(planner.sql_to_expr(expr, schema, &mut PlannerContext::new())?)
}

enum Target<'a> {
    Query(&'a mut Query),
    Explained(&'a mut Query),
    Table(&'a mut ObjectName),
}

/// What the names of a statement are in.
fn target(statement: &mut DFStatement) -> Result<Target<'_>, Error> {
    let (mut statement, mut explained) = (statement, false);
    while let DFStatement::Explain(explain) = statement {
        (statement, explained) = (explain.statement.as_mut(), true);
    }
    let DFStatement::Statement(statement) = statement else {
        return Err(Error::forbidden("only queries are allowed"));
    };
    let mut statement = statement.as_mut();
    loop {
        match statement {
            Statement::Explain { statement: inner, .. } => (statement, explained) = (inner.as_mut(), true),
            Statement::Query(query) => {
                return Ok(if explained { Target::Explained(query) } else { Target::Query(query) });
            }
            Statement::ExplainTable { table_name, .. } => return Ok(Target::Table(table_name)),
            _ => return Err(Error::forbidden("only queries are allowed")),
        }
    }
}

fn spell(mut resolver: Resolver<'_>, query: &mut Query) -> Result<Titles, Error> {
    let mut titles = Titles::written(query);
    resolver.query(query)?;
    titles.separate(query);
    Ok(titles)
}

/// Looks up the tables that a statement names. What can't be found or opened matters only if the name
/// isn't one that the statement itself gives.
async fn bind(core: &Core, scope: &Scope, statement: &DFStatement) -> Bindings {
    let mut names: HashMap<String, ObjectName> = HashMap::new();
    let mut statement = statement;
    while let DFStatement::Explain(explain) = statement {
        statement = explain.statement.as_ref();
    }
    if let DFStatement::Statement(statement) = statement {
        let _: ControlFlow<()> = visit_relations(statement.as_ref(), |name| {
            names.insert(name.to_string(), name.clone());
            ControlFlow::Continue(())
        });
    }
    let snapshot = core.catalogs.snapshot();
    let mut bindings = Bindings::with_capacity(names.len());
    for (text, name) in names {
        let bound = bound(core, &snapshot, scope, &name).await;
        if let Ok(bound) = &bound {
            // Where a name is met again after it was spelled.
            bindings.entry(spelled(&bound.path).to_string()).or_insert_with(|| Ok(bound.clone()));
        }
        bindings.insert(text, bound);
    }
    bindings
}

/// The table that a name means, from where the scope looks.
async fn bound(core: &Core, snapshot: &Snapshot, scope: &Scope, name: &ObjectName) -> Result<Bound, Error> {
    let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    if parts.len() != name.0.len() || parts.is_empty() || parts.len() > 3 {
        return Err(Error::invalid(format!(
            "{name} is no table name: expected catalog.schema.table at most"
        )));
    }
    match lookup(snapshot, scope, &parts)? {
        Lookup::Found(table, path) => {
            let provider = table.provider(&core.state).await?;
            Ok(Bound { path: path[3 - parts.len()..].to_vec(), provider })
        }
        Lookup::Missing(_) if core.unknown_tables == UnknownTables::Generate => {
            let folded = |part: &&Ident| match part.quote_style {
                Some(_) => part.value.clone(),
                None => part.value.to_lowercase(),
            };
            let path: Vec<String> = parts.iter().map(folded).collect();
            let provider = made_up(&path[path.len() - 1]);
            Ok(Bound { path, provider })
        }
        Lookup::Missing(text) => Err(Error::Invalid(text)),
    }
}

pub(crate) enum Lookup {
    Found(Arc<crate::catalog::Table>, [String; 3]),
    Missing(String),
}

fn lookup(snapshot: &Snapshot, scope: &Scope, parts: &[&Ident]) -> Result<Lookup, Error> {
    let name = parts[parts.len() - 1];
    let named = |found: Found<'_>, name: &str| match found {
        Found::Nothing => Ok(None),
        Found::One(one) => Ok(Some(one.to_owned())),
        Found::Several(several) => Err(ambiguous(name, &several)),
    };
    let catalogs = || snapshot.by_name.keys().map(String::as_str);
    let catalog = match parts {
        [catalog, _, _] => (catalog.value.as_str(), named(find(catalog, catalogs()), &catalog.value)?),
        _ if scope.catalog.is_empty() => (snapshot.default.as_str(), Some(snapshot.default.clone())),
        _ => (scope.catalog.as_str(), named(find_plain(&scope.catalog, catalogs()), &scope.catalog)?),
    };
    let (text, catalog) = catalog;
    let Some((schemas, catalog)) = catalog.and_then(|name| Some((snapshot.by_name.get(&name)?, name))) else {
        return Ok(Lookup::Missing(format!("table {} not found: no catalog {text}", name.value)));
    };
    let known = || schemas.by_name.keys().map(String::as_str);
    let (text, schema) = match parts {
        [schema, _] | [_, schema, _] => (schema.value.as_str(), named(find(schema, known()), &schema.value)?),
        _ if scope.schema.is_empty() || parts.len() > 1 => ("", schemas.default_schema().map(str::to_owned)),
        _ => (scope.schema.as_str(), named(find_plain(&scope.schema, known()), &scope.schema)?),
    };
    let Some((tables, schema)) = schema.and_then(|name| Some((schemas.by_name.get(&name)?, name))) else {
        return Ok(Lookup::Missing(format!(
            "table {} not found: no schema {text} in catalog {catalog}",
            name.value
        )));
    };
    let table = named(find(name, tables.keys().map(String::as_str)), &name.value)?;
    Ok(match table.and_then(|table| Some((tables.get(&table)?, table))) {
        Some((found, table)) => Lookup::Found(Arc::clone(found), [catalog, schema, table]),
        None => {
            let known: Vec<_> = tables.keys().take(20).map(String::as_str).collect();
            let known = known.join(", ");
            Lookup::Missing(format!(
                "table {} not found in {catalog}.{schema}, known are {known}",
                name.value
            ))
        }
    })
}

/// Refuses a plan that would take all memory or stack to work on.
fn measure(plan: &LogicalPlan) -> Result<(), Error> {
    let (mut count, mut rest) = (0, vec![(plan, 0)]);
    while let Some((node, depth)) = rest.pop() {
        count += 1;
        if count > OPERATORS {
            return Err(Error::invalid(format!("the query is too large: more than {OPERATORS} operators")));
        }
        if depth > DEPTH {
            return Err(Error::invalid(format!(
                "the query is nested too deeply: more than {DEPTH} operators"
            )));
        }
        rest.extend(node.inputs().into_iter().map(|input| (input, depth + 1)));
    }
    Ok(())
}

fn options(state: &SessionState) -> ParserOptions {
    ParserOptions::from(&state.config_options().sql_parser)
}

/// The functions of the session, and the tables of one statement.
struct Context<'a> {
    state: &'a SessionState,
    sources: HashMap<TableReference, Arc<dyn TableSource>>,
}

impl<'a> Context<'a> {
    fn new(state: &'a SessionState, bindings: &Bindings) -> Self {
        let bound = bindings.values().filter_map(|bound| bound.as_ref().ok());
        let source =
            |bound: &Bound| (reference(&bound.path), provider_as_source(Arc::clone(&bound.provider)));
        Self { state, sources: bound.map(source).collect() }
    }
}

/// A table's name with its qualifiers, as DataFusion has it.
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
        let simple = |arg| simplifier.coerce(arg, &schema).and_then(|arg| simplifier.simplify(arg));
        let args = args.into_iter().map(simple).collect::<DataFusionResult<Vec<_>>>()?;
        let table = function.create_table_provider_with_args(TableFunctionArgs::new(&args, self.state))?;
        Ok(provider_as_source(table))
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: datafusion::arrow::datatypes::SchemaRef,
    ) -> DataFusionResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
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
