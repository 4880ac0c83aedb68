//! The columns that a name may refer to: relations with their columns, innermost scope first.

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    sql::sqlparser::ast::{Expr, Ident},
};

use super::{merged::Merged, titles::MARK};
use crate::{
    Error,
    catalog::{Found, find, find_plain, quoted},
};

/// A column of a relation.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type, if known; struct fields are looked up in it.
    pub(super) data_type: Option<DataType>,
}

impl Column {
    pub(super) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), data_type: None }
    }
}

/// The columns of a relation, and whether the list is complete.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pub(super) known: Vec<Column>,
    pub(super) open: bool,
}

impl Columns {
    pub(super) fn of(schema: &SchemaRef) -> Self {
        let column = |name: &str, data_type: &DataType| Column {
            name: name.into(),
            data_type: Some(data_type.clone()),
        };
        let known = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
        Self { known, open: false }
    }

    /// Columns that are known only to the plan.
    pub(super) fn unknown() -> Self {
        Self { known: Vec::new(), open: true }
    }

    /// Renames the columns by an alias.
    pub(super) fn renamed(mut self, names: &[String]) -> Self {
        for (at, name) in names.iter().enumerate() {
            match self.known.get_mut(at) {
                Some(column) => column.name.clone_from(name),
                None => self.known.push(Column::named(name)),
            }
        }
        self
    }

    fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.known.iter().map(|column| column.name.as_str())
    }
}

/// A table, subquery or alias in a FROM clause.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// The qualified name in the plan.
    pub(super) path: Vec<String>,
    pub(super) columns: Columns,
}

/// The names that a SELECT or an ORDER BY can see.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    /// The columns merged by USING and NATURAL.
    pub(super) merged: Vec<Merged>,
    /// The aliases of the select list.
    pub(super) aliases: Vec<String>,
    /// Whether aliases have priority over columns, as in ORDER BY.
    pub(super) aliases_first: bool,
}

impl Scope {
    /// Spells a qualified name as the plan does. Returns false if it is unknown here.
    pub(super) fn spell(&self, parts: &mut [Ident]) -> Result<bool, Error> {
        if let [name] = parts {
            let aliases = || find_one(name, self.aliases.iter().map(String::as_str));
            let columns =
                || find_one(name, self.relations.iter().flat_map(|relation| relation.columns.names()));
            let found = match self.aliases_first {
                true => aliases()?.or(columns()?),
                false => columns()?.or(aliases()?),
            };
            if let Some(found) = found {
                self.once(&found)?;
                *name = quoted(&found);
                return Ok(true);
            }
            let open = self.relations.iter().any(|relation| relation.columns.open);
            if open && name.quote_style.is_none() {
                *name = quoted(&name.value.to_lowercase());
            }
            return Ok(open);
        }
        // As in DataFusion: the longest qualifier first, then a column and its struct fields.
        for length in (0..parts.len().min(4)).rev() {
            let (qualifier, rest) = parts.split_at_mut(length);
            let mut relations: Vec<&Relation> = Vec::new();
            if length == 0 {
                relations.extend(&self.relations);
            } else {
                relations.extend(self.qualified(qualifier)?);
            }
            if self.column(&relations, rest)? {
                if let (Some(relation), true) = (relations.first(), length > 0) {
                    let path = &relation.path[relation.path.len() - length..];
                    qualifier.iter_mut().zip(path).for_each(|(part, name)| *part = quoted(name));
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The expression of a merged column of this name; `None` if there is none, or an alias has priority.
    pub(super) fn merged(&self, name: &Ident) -> Result<Option<Expr>, Error> {
        let alias = find_one(name, self.aliases.iter().map(String::as_str));
        if self.merged.is_empty() || (self.aliases_first && alias?.is_some()) {
            return Ok(None);
        }
        let found = find_one(name, self.merged.iter().map(|merged| merged.name.as_str()))?;
        let merged = found.and_then(|found| self.merged.iter().find(|merged| merged.name == found));
        Ok(merged.map(|merged| merged.expr.clone()))
    }

    /// The name of a merged column as its table spells it.
    pub(super) fn spelled_merged(&self, name: &Ident) -> Ident {
        let found = find_one(name, self.merged.iter().map(|merged| merged.name.as_str()));
        found.ok().flatten().map_or_else(|| name.clone(), |found| quoted(&found))
    }

    /// Refuses a name that several columns of a subquery share.
    fn once(&self, name: &str) -> Result<(), Error> {
        let mut names = self.relations.iter().flat_map(|relation| relation.columns.names());
        if names.any(|other| other.strip_prefix(name).is_some_and(|rest| rest.starts_with(MARK))) {
            return Err(Error::invalid(format!(
                "{name} is ambiguous: a subquery has several columns of that name"
            )));
        }
        Ok(())
    }

    /// The relations that match a qualifier: normally one, or several of the same spelling.
    pub(super) fn qualified(&self, qualifier: &[Ident]) -> Result<Vec<&Relation>, Error> {
        let mut candidates: Vec<&Relation> = Vec::new();
        let tail = |relation: &Relation, at: usize| {
            let start = relation.path.len().checked_sub(qualifier.len());
            start.map(|start| relation.path[start + at].clone())
        };
        candidates.extend(self.relations.iter().filter(|relation| relation.path.len() >= qualifier.len()));
        for (at, part) in qualifier.iter().enumerate() {
            let names: Vec<String> = candidates.iter().filter_map(|relation| tail(relation, at)).collect();
            let Some(name) = find_one(part, names.iter().map(String::as_str))? else { return Ok(Vec::new()) };
            candidates.retain(|relation| tail(relation, at).as_ref() == Some(&name));
        }
        Ok(candidates)
    }

    /// Spells a column of these relations, and its fields.
    fn column(&self, relations: &[&Relation], parts: &mut [Ident]) -> Result<bool, Error> {
        let Some((name, fields)) = parts.split_first_mut() else { return Ok(false) };
        let Some(found) = find_one(name, relations.iter().flat_map(|relation| relation.columns.names()))?
        else {
            let open = relations.iter().any(|relation| relation.columns.open) && fields.is_empty();
            if open && name.quote_style.is_none() {
                *name = quoted(&name.value.to_lowercase());
            }
            return Ok(open);
        };
        let columns = relations.iter().flat_map(|relation| &relation.columns.known);
        let mut data_type =
            columns.filter(|column| column.name == found).find_map(|column| column.data_type.clone());
        *name = quoted(&found);
        for field in fields {
            let Some(DataType::Struct(known)) = data_type else { break };
            data_type = None;
            if let Some(found) = find_one(field, known.iter().map(|field| field.name().as_str()))? {
                let inner = known.iter().find(|field| *field.name() == found);
                data_type = inner.map(|field| field.data_type().clone());
                *field = quoted(&found);
            }
        }
        Ok(true)
    }
}

/// The only spelling of a name among the known ones.
pub(super) fn find_one<'a>(
    name: &Ident,
    known: impl IntoIterator<Item = &'a str>,
) -> Result<Option<String>, Error> {
    match find(name, known) {
        Found::Nothing => Ok(None),
        Found::One(one) => Ok(Some(one.to_owned())),
        Found::Several(several) => Err(ambiguous(&name.value, &several)),
    }
}

/// The error for a name with several spellings.
pub(super) fn ambiguous(name: &str, several: &[&str]) -> Error {
    let choices: Vec<_> = several.iter().map(|name| format!("\"{name}\"")).collect();
    Error::invalid(format!("{name} is ambiguous: quote one of {}", choices.join(", ")))
}

/// Finds a column by its name in a request: exactly, or else without regard to case.
pub(crate) fn column_name(schema: &SchemaRef, name: &str) -> Result<String, Error> {
    let known = || schema.fields().iter().map(|field| field.name().as_str());
    match find_plain(name, known()) {
        Found::One(one) => Ok(one.to_owned()),
        Found::Several(several) => Err(ambiguous(name, &several)),
        Found::Nothing => {
            let known: Vec<_> = known().collect();
            Err(Error::invalid(format!("column {name} not found, known are {}", known.join(", "))))
        }
    }
}
