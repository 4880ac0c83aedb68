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
    sync::{Arc, PoisonError, RwLock},
};

use clap::ValueEnum;
use datafusion::{catalog::TableProvider, execution::context::SessionState};

use crate::Error;
use files::Files;
pub(crate) use files::named;
pub(crate) use guessed::{
    Asked, Guessed, Guesses, Kind, Path as MadePath, Remembered, check_columns, check_name, defaults,
};
use made::Made;
pub(crate) use names::{Found, find, find_plain, quoted};

/// What a name that no catalog knows means in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnknownTables {
    /// The query is refused.
    Error,
    /// A table is made up, with the columns that queries name, each of a type that fits its use; or with id
    /// LONG, name STRING, amount DOUBLE and created_at TIMESTAMP, where none does.
    Generate,
}

/// Where names without a qualifier are looked up. An empty part is the engine's default: the default
/// catalog, and in a catalog the schema `sales` of the built-in tables, one that is called `default`,
/// or the first by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The catalog.
    pub catalog: String,
    /// The schema in it.
    pub schema: String,
}

/// A catalog's name, and whether it is the default one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// The name.
    pub name: String,
    /// True for the one that an empty catalog name means.
    pub is_default: bool,
}

/// One element of a request to add catalogs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCatalog {
    /// The name it gets.
    pub name: String,
    /// Its folder, relative to the data directory.
    pub path: String,
    /// Whether it becomes the default.
    pub default: bool,
}

/// Tables of one schema, by name.
pub(crate) type Tables = BTreeMap<String, Arc<Table>>;

/// One catalog's schemas.
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

/// One table: made up, or in files.
#[derive(Debug)]
pub(crate) enum Table {
    Made(Arc<Made>),
    /// Made up because a query named it.
    Guessed(Arc<Guessed>),
    Files(Files),
}

impl Table {
    /// The table itself; files are opened here, so this is where unreadable ones are found out.
    pub(crate) async fn provider(&self, state: &SessionState) -> Result<Arc<dyn TableProvider>, Error> {
        match self {
            Self::Made(made) => Ok(Arc::clone(made) as Arc<dyn TableProvider>),
            Self::Guessed(guessed) => Ok(Arc::clone(guessed) as Arc<dyn TableProvider>),
            Self::Files(files) => files.provider(state).await,
        }
    }
}

/// All catalogs at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) by_name: BTreeMap<String, Schemas>,
    pub(crate) default: String,
}

/// The catalogs, which can be added to and looked at again.
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
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the data directory again; what was added stays.
    pub(crate) fn refresh(&self) -> Result<(), Error> {
        let Some(root) = &self.data else { return Ok(()) };
        let fresh = folder::scan(root, &self.snapshot())?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    pub(crate) fn add(&self, new: &NewCatalog) -> Result<(), Error> {
        if new.name.is_empty() {
            return Err(Error::invalid("a catalog needs a name"));
        }
        let folder = self.below_data(&new.path)?;
        if !folder.is_dir() {
            return Err(Error::invalid(format!("{} is no folder", new.path)));
        }
        let root = self.data.as_deref().unwrap_or(&folder);
        let schemas = folder::schemas(root, &folder);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
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

    /// A path that a user gave, resolved; it can't leave the data directory.
    pub(crate) fn below_data(&self, path: &str) -> Result<PathBuf, Error> {
        let root = self.data.as_deref().ok_or_else(|| {
            Error::invalid(format!(
                "{path} can't be read: the tables are built in, there is no data directory"
            ))
        })?;
        folder::below(root, path)
    }

    /// The files of one Parquet table that is in no catalog.
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
