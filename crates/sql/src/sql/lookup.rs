//! Resolves the table names of a statement.

use std::{collections::HashMap, ops::ControlFlow, sync::Arc};

use datafusion::{
    catalog::TableProvider,
    sql::{
        parser::Statement as DFStatement,
        sqlparser::ast::{Ident, ObjectName, visit_relations},
    },
};

use super::{resolve::spelled, scope::ambiguous};
use crate::{
    Error, Scope, UnknownTables,
    catalog::{Found, Guessed, MadePath, Snapshot, Table, find, find_plain, information},
    engine::Core,
};

/// A resolved table, with its qualified name as the catalog spells it.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) path: Vec<String>,
    pub(super) provider: Arc<dyn TableProvider>,
    /// The path of the table, if it is generated.
    pub(super) made: Option<MadePath>,
}

/// The resolved tables of a statement, by the text of their names.
pub(super) type Bindings = HashMap<String, Result<Bound, Error>>;

/// Looks up the tables that a statement names. A failed look-up matters only if the statement does not define the
/// name itself.
pub(super) async fn bind(core: &Core, scope: &Scope, statement: &DFStatement) -> Bindings {
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
            // Under its spelled name too, for later occurrences.
            bindings.entry(spelled(&bound.path).to_string()).or_insert_with(|| Ok(bound.clone()));
        }
        bindings.insert(text, bound);
    }
    bindings
}

/// Resolves a table name in a scope.
async fn bound(core: &Core, snapshot: &Snapshot, scope: &Scope, name: &ObjectName) -> Result<Bound, Error> {
    let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    if parts.len() != name.0.len() || parts.is_empty() || parts.len() > 3 {
        return Err(Error::invalid(format!(
            "{name} is not a table name: expected catalog.schema.table at most"
        )));
    }
    // A catalog's information_schema may be in a generated catalog, but is never generated itself.
    let schema = parts.len().checked_sub(2).map_or(scope.schema.as_str(), |at| parts[at].value.as_str());
    let itself = schema.eq_ignore_ascii_case(information::NAME);
    let shown = itself.then(|| core.shown());
    match lookup(shown.as_deref().unwrap_or(snapshot), scope, &parts)? {
        Lookup::Found(table, path) => {
            let provider = table.provider(&core.state).await?;
            Ok(Bound { path: path[3 - parts.len()..].to_vec(), provider, made: None })
        }
        Lookup::Information(catalog, name) => {
            let schemas = shown.as_deref().unwrap_or(snapshot).by_name.get(&catalog);
            let schemas = schemas.cloned().unwrap_or_default();
            let provider = information::table(&core.state, &catalog, &schemas, &name).await?;
            let known = information::TABLES.join(", ");
            let missing =
                || format!("table {name} not found in {catalog}.information_schema, known are {known}");
            let provider = provider.ok_or_else(|| Error::Invalid(missing()))?;
            let path = [catalog.clone(), information::NAME.to_owned(), name.to_lowercase()];
            Ok(Bound { path: path[3 - parts.len()..].to_vec(), provider, made: None })
        }
        Lookup::Missing(_) if core.unknown_tables == UnknownTables::Generate && !itself => {
            let folded = |part: &&Ident| match part.quote_style {
                Some(_) => part.value.clone(),
                None => part.value.to_lowercase(),
            };
            let path: Vec<String> = parts.iter().map(folded).collect();
            let made = core.made_path(snapshot, scope, &path)?;
            let known = core.guesses.columns(&made).unwrap_or_default();
            let provider = Arc::new(Guessed::remembered(&made[2], &known));
            Ok(Bound { path, provider, made: Some(made) })
        }
        Lookup::Missing(text) => Err(Error::Invalid(text)),
    }
}

enum Lookup {
    /// A table of a catalog's information_schema.
    Information(String, String),
    Found(Arc<Table>, [String; 3]),
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
    let own = match parts {
        [schema, _] | [_, schema, _] => schema.value.as_str(),
        _ => scope.schema.as_str(),
    };
    if schema.is_none() && own.eq_ignore_ascii_case(information::NAME) {
        return Ok(Lookup::Information(catalog, name.value.clone()));
    }
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
