//! Which columns a name may mean where it stands: relations with their columns, innermost scope first.

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    sql::sqlparser::ast::{Expr, Ident},
};

use super::{merged::Merged, titles::MARK};
use crate::{
    Error,
    catalog::{Found, find, find_plain, quoted},
};

/// A column that a relation has.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// Where it is known: the fields of structs are looked up in it.
    pub(super) data_type: Option<DataType>,
}

impl Column {
    pub(super) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), data_type: None }
    }
}

/// The columns of a relation, and whether these are all.
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

    /// Columns that only the plan will know.
    pub(super) fn unknown() -> Self {
        Self { known: Vec::new(), open: true }
    }

    /// The same columns under the names of an alias.
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
    /// The name as the plan has it, with its qualifiers.
    pub(super) path: Vec<String>,
    pub(super) columns: Columns,
}

/// What a SELECT or an ORDER BY can see.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    /// The columns that USING and NATURAL made of those.
    pub(super) merged: Vec<Merged>,
    /// Names that the select list gives.
    pub(super) aliases: Vec<String>,
    /// Whether these come before columns (in ORDER BY) or after them.
    pub(super) aliases_first: bool,
}

impl Scope {
    /// Spells `parts`, a name with its qualifiers, as the plan has it. False where it means nothing here.
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
        // As DataFusion does: the longest qualifier first, then a column and the fields of a struct in it.
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

    /// What a merged column of this name is; `None` where there is none, or an alias comes before it.
    pub(super) fn merged(&self, name: &Ident) -> Result<Option<Expr>, Error> {
        let alias = find_one(name, self.aliases.iter().map(String::as_str));
        if self.merged.is_empty() || (self.aliases_first && alias?.is_some()) {
            return Ok(None);
        }
        let found = find_one(name, self.merged.iter().map(|merged| merged.name.as_str()))?;
        let merged = found.and_then(|found| self.merged.iter().find(|merged| merged.name == found));
        Ok(merged.map(|merged| merged.expr.clone()))
    }

    /// The name of a merged column as it is spelled in its table.
    pub(super) fn spelled_merged(&self, name: &Ident) -> Ident {
        let found = find_one(name, self.merged.iter().map(|merged| merged.name.as_str()));
        found.ok().flatten().map_or_else(|| name.clone(), |found| quoted(&found))
    }

    /// Refuses a name that a subquery gives to several columns.
    fn once(&self, name: &str) -> Result<(), Error> {
        let mut names = self.relations.iter().flat_map(|relation| relation.columns.names());
        if names.any(|other| other.strip_prefix(name).is_some_and(|rest| rest.starts_with(MARK))) {
            return Err(Error::invalid(format!(
                "{name} is ambiguous: a subquery has several columns of that name"
            )));
        }
        Ok(())
    }

    /// The relations that a qualifier means: normally one, or several of the same spelling.
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

    /// Spells a column, and the fields in it, of some relations.
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

/// The one spelling that a name has among some.
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

/// A column of a schema by its name in a request: exact, or whatever its case.
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
