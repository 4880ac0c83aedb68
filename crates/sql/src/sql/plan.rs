//! Plans a statement with DataFusion's SQL planner, over the resolved tables.

use std::ops::ControlFlow;

use datafusion::{
    common::{DFSchema, TableReference},
    execution::context::{SQLOptions, SessionState},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit},
    sql::{
        parser::Statement as DFStatement,
        planner::{ParserOptions, PlannerContext, SqlToRel},
        sqlparser::ast::{Expr as SqlExpr, ExprWithAlias, ObjectName, Query, Statement, visit_expressions},
    },
};

use super::{
    context::Context,
    forms,
    guess::{Learned, guess},
    lookup::{Bindings, bind},
    parse::{self, Parsed},
    resolve::Resolver,
    scope::{Column, Columns, Relation},
    show,
    titles::Titles,
};
use crate::{Error, Scope, engine::Core, functions::type_name};

/// The most operators in one plan; those of WITH tables count at each use.
const OPERATORS: usize = 20_000;
/// The deepest nesting of operators.
const DEPTH: usize = 1200;

/// A planned statement.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    /// The column titles of the result.
    pub(crate) titles: Vec<String>,
    /// The numbers of the placeholders, in order.
    pub(crate) placeholders: Vec<usize>,
}

/// Parses and plans one query.
pub(crate) async fn plan(core: &Core, scope: &Scope, sql: &str) -> Result<Planned, Error> {
    let shown = show::query(sql, scope, || core.shown())?;
    let Parsed { mut statement, placeholders } = parse::statement(shown.as_deref().unwrap_or(sql))?;
    let mut bindings = bind(core, scope, &statement).await;
    let (mut titles, mut learned) = (Titles::default(), Vec::new());
    match target(&mut statement)? {
        Target::Query(query) => (titles, learned) = spell(core, &mut bindings, query)?,
        Target::Explained(query) => {
            spell(core, &mut bindings, query)?;
        }
        Target::Table(name) => {
            let table = Resolver::new(&bindings).table(name)?;
            return described(&table, &bindings, name);
        }
    }
    let context = Context::new(core, &bindings);
    let planner = SqlToRel::new_with_options(&context, options(&core.state));
    let plan = planner.statement_to_plan(statement)?;
    measure(&plan)?;
    if let Some(name) = plan.get_parameter_names()?.iter().find(|name| !name.starts_with('$')) {
        return Err(Error::invalid(format!("placeholder {name}: expected ? or $1, $2 …")));
    }
    let readonly = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    readonly.verify_plan(&plan).map_err(|error| Error::Forbidden(Error::from(error).to_string()))?;
    let names = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
    for (path, columns) in learned {
        core.guesses.learn(&path, &columns);
    }
    Ok(Planned { plan, titles: titles.of(names), placeholders })
}

/// The columns of a table with their SQL types.
fn described(table: &Relation, bindings: &Bindings, name: &ObjectName) -> Result<Planned, Error> {
    let bound = bindings.get(&name.to_string()).and_then(|bound| bound.as_ref().ok());
    let bound = bound.ok_or_else(|| Error::invalid(format!("table {} not found", table.path.join("."))))?;
    let schema = bound.provider.schema();
    let rows = schema.fields().iter().map(|field| {
        let kind = type_name(field.data_type()).to_uppercase();
        let nullable = if field.is_nullable() { "YES" } else { "NO" };
        vec![lit(field.name().as_str()), lit(kind), lit(nullable)]
    });
    let titles = ["column_name", "data_type", "is_nullable"].map(str::to_owned).to_vec();
    let plan = LogicalPlanBuilder::values(rows.collect())?.build()?;
    Ok(Planned { plan, titles, placeholders: Vec::new() })
}

/// Plans a SQL expression over the columns of a plan.
pub(crate) fn frame_expression(core: &Core, schema: &DFSchema, sql: &str) -> Result<Expr, Error> {
    let ExprWithAlias { mut expr, .. } = parse::expression(sql)?;
    let subquery = visit_expressions(&expr, |inner| match inner {
        SqlExpr::Subquery(_) | SqlExpr::Exists { .. } | SqlExpr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    if subquery.is_break() {
        return Err(Error::invalid("an expression of a DataFrame can't have subqueries"));
    }
    forms::rewrite(&mut expr)?;
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
    let context = Context::new(core, &bindings);
    let planner = SqlToRel::new_with_options(&context, options(&core.state));
    Ok(planner.sql_to_expr(expr, schema, &mut PlannerContext::new())?)
}

enum Target<'a> {
    Query(&'a mut Query),
    Explained(&'a mut Query),
    Table(&'a mut ObjectName),
}

/// The part of a statement whose names must be resolved.
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

/// Determines the titles of the columns, and what the query asks of generated tables.
fn spell(core: &Core, bindings: &mut Bindings, query: &mut Query) -> Result<(Titles, Vec<Learned>), Error> {
    let titles = Titles::written(query);
    forms::rewrite(query)?;
    let learned = guess(&core.guesses, query, bindings)?;
    Resolver::new(bindings).query(query)?;
    Ok((titles, learned))
}

/// Refuses a plan that would take too much memory or stack to process.
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
