//! Catalogs, schemas and tables by name: the built-in ones, or those of a data directory.

mod builtin;
mod column;
mod files;
mod folder;
mod guessed;
pub(crate) mod information;
mod made;
mod names;
mod parquet;
mod random;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use datafusion::{catalog::TableProvider, execution::context::SessionState};
use parking_lot::RwLock;

use crate::Error;
use files::Files;
pub(crate) use files::named;
pub(crate) use guessed::{
    Asked, Guessed, Guesses, Kind, Path as MadePath, Remembered, check_columns, check_name, defaults,
};
use made::Made;
pub(crate) use names::{Found, find, find_plain, quoted};

/// How a query treats a table that is in no catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnknownTables {
    /// The query is refused.
    Error,
    /// A table is generated, with the columns that queries name, each of a type that fits its use. Without named
    /// columns it has id LONG, name STRING, amount DOUBLE and created_at TIMESTAMP.
    Generate,
}

/// The catalog and schema for unqualified names. An empty part means the default: the default catalog, and in a
/// catalog the schema `sales` of the built-in tables, one called `default`, or the first by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The catalog.
    pub catalog: String,
    /// The schema in it.
    pub schema: String,
}

/// A catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The name.
    pub name: String,
    /// Whether an empty catalog name means this one.
    pub is_default: bool,
}

/// One element of a request to add catalogs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCatalog {
    /// The name of the new catalog.
    pub name: String,
    /// Its folder, relative to the data directory.
    pub path: String,
    /// Whether it becomes the default.
    pub default: bool,
}

/// The tables of one schema, by name.
pub(crate) type Tables = BTreeMap<String, Arc<Table>>;

/// The schemas of one catalog.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schemas {
    pub(crate) by_name: BTreeMap<String, Tables>,
    folder: Option<PathBuf>,
    default: Option<&'static str>,
}

impl Schemas {
    pub(crate) fn default_schema(&self) -> Option<&str> {
        let preferred =
            self.default.into_iter().chain(["default"]).find(|name| self.by_name.contains_key(*name));
        let filled =
            || self.by_name.iter().find(|(_, tables)| !tables.is_empty()).map(|(name, _)| name.as_str());
        preferred.or_else(filled)
    }
}

/// A table: generated, or in files.
#[derive(Debug)]
pub(crate) enum Table {
    Made(Arc<Made>),
    /// Generated because a query named it.
    Guessed(Arc<Guessed>),
    Files(Files),
}

impl Table {
    /// Opens the table. Unreadable files fail here.
    pub(crate) async fn provider(&self, state: &SessionState) -> Result<Arc<dyn TableProvider>, Error> {
        match self {
            Self::Made(made) => Ok(Arc::clone(made) as Arc<dyn TableProvider>),
            Self::Guessed(guessed) => Ok(Arc::clone(guessed) as Arc<dyn TableProvider>),
            Self::Files(files) => files.provider(state).await,
        }
    }
}

/// A snapshot of all catalogs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) by_name: BTreeMap<String, Schemas>,
    pub(crate) default: String,
}

/// The catalogs, which can be extended and refreshed.
#[derive(Debug)]
pub(crate) struct Catalogs {
    data: Option<PathBuf>,
    current: RwLock<Arc<Snapshot>>,
}

impl Catalogs {
    pub(crate) fn open(data: Option<&Path>) -> Result<Self, Error> {
        let (data, snapshot) = match data {
            None => (None, built_in()),
            Some(data) => {
                let root = folder::canonical(data)?;
                let snapshot = folder::scan(&root, &Snapshot::default())?;
                (Some(root), snapshot)
            }
        };
        Ok(Self { data, current: RwLock::new(Arc::new(snapshot)) })
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read())
    }

    /// Reads the data directory again. Added catalogs stay.
    pub(crate) fn refresh(&self) -> Result<(), Error> {
        let Some(root) = &self.data else { return Ok(()) };
        let fresh = folder::scan(root, &self.snapshot())?;
        *self.current.write() = Arc::new(fresh);
        Ok(())
    }

    pub(crate) fn add(&self, new: &NewCatalog) -> Result<(), Error> {
        if new.name.is_empty() {
            return Err(Error::invalid("a catalog needs a name"));
        }
        let folder = self.below_data(&new.path)?;
        if !folder.is_dir() {
            return Err(Error::invalid(format!("{} is not a folder", new.path)));
        }
        let root = self.data.as_deref().unwrap_or(&folder);
        let schemas = folder::schemas(root, &folder);
        let mut current = self.current.write();
        if current.by_name.contains_key(&new.name) {
            return Err(Error::invalid(format!("catalog {} exists already", new.name)));
        }
        let mut next = Snapshot::clone(&current);
        next.by_name.insert(new.name.clone(), schemas);
        if new.default || next.by_name.len() == 1 {
            next.default.clone_from(&new.name);
        }
        *current = Arc::new(next);
        Ok(())
    }

    /// Resolves a path from a user, which must stay below the data directory.
    pub(crate) fn below_data(&self, path: &str) -> Result<PathBuf, Error> {
        let root = self.data.as_deref().ok_or_else(|| {
            Error::invalid(format!(
                "{path} can't be read: the tables are built in, there is no data directory"
            ))
        })?;
        folder::below(root, path)
    }

    /// Opens a Parquet table that is in no catalog.
    pub(crate) async fn parquet(
        &self,
        path: &str,
        state: &SessionState,
    ) -> Result<Arc<dyn TableProvider>, Error> {
        let resolved = self.below_data(path)?;
        Files::parquet(path.to_owned(), resolved).provider(state).await
    }
}

fn built_in() -> Snapshot {
    let mut by_name: BTreeMap<String, Schemas> = BTreeMap::new();
    for spec in &builtin::TABLES {
        let catalog = by_name.entry(spec.catalog.into()).or_default();
        catalog.default = Some(builtin::DEFAULT_SCHEMA);
        let table = Arc::new(Table::Made(Arc::new(Made::builtin(spec))));
        catalog.by_name.entry(spec.schema.into()).or_default().insert(spec.name.into(), table);
    }
    Snapshot { by_name, default: "default".into() }
}
