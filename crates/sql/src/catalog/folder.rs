//! The data directory: maps folders and files to catalogs, schemas and tables. Nothing outside it is read, also not
//! through symbolic links.

use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{Schemas, Snapshot, Table, Tables, files::Files};
use crate::Error;

/// The canonical path of the directory.
pub(super) fn canonical(path: &Path) -> Result<PathBuf, Error> {
    let unreadable = |error| Error::invalid(format!("data directory {}: {error}", path.display()));
    let found = fs::canonicalize(path).map_err(unreadable)?;
    fs::read_dir(&found).map_err(unreadable)?;
    Ok(found)
}

/// Resolves a relative path below `root`.
pub(super) fn below(root: &Path, path: &str) -> Result<PathBuf, Error> {
    let relative = Path::new(path);
    let outside = || Error::forbidden(format!("{path} is not below the data directory"));
    if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(outside());
    }
    let found =
        fs::canonicalize(root.join(relative)).map_err(|_| Error::invalid(format!("{path} not found")))?;
    if found.starts_with(root) { Ok(found) } else { Err(outside()) }
}

/// Fails if the path, or a folder above it, is now a link or missing.
pub(crate) fn unmoved(label: &str, path: &Path) -> Result<(), Error> {
    match fs::canonicalize(path) {
        Ok(now) if now == path => Ok(()),
        Ok(_) => Err(Error::forbidden(format!("{label} has become a symbolic link"))),
        Err(error) => Err(Error::invalid(format!("{label}: {error}"))),
    }
}

/// Lists the catalogs of the directory, and those that were added before.
pub(super) fn scan(root: &Path, before: &Snapshot) -> Result<Snapshot, Error> {
    let mut by_name = BTreeMap::new();
    for (name, path) in entries(root, root)? {
        if path.is_dir() {
            by_name.insert(name, schemas(root, &path));
        }
    }
    for (name, old) in &before.by_name {
        if let (false, Some(folder)) = (by_name.contains_key(name), &old.folder)
            && folder.is_dir()
        {
            by_name.insert(name.clone(), schemas(root, folder));
        }
    }
    let kept = Some(&before.default).filter(|name| by_name.contains_key(*name));
    let default =
        kept.or_else(|| by_name.keys().find(|name| *name == "default")).or_else(|| by_name.keys().next());
    Ok(Snapshot { default: default.cloned().unwrap_or_else(|| "default".into()), by_name })
}

/// Lists the schemas of a catalog's folder; none if it cannot be read.
pub(super) fn schemas(root: &Path, folder: &Path) -> Schemas {
    let entries = entries(root, folder).unwrap_or_default();
    let folders = entries.into_iter().filter(|(_, path)| path.is_dir());
    let by_name = folders.map(|(name, path)| (name, tables(root, &path))).collect();
    Schemas { by_name, folder: Some(folder.to_owned()), default: None }
}

fn tables(root: &Path, folder: &Path) -> Tables {
    let mut found: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
    for (name, path) in entries(root, folder).unwrap_or_default() {
        let table = if path.is_dir() {
            entries(root, &path)
                .unwrap_or_default()
                .iter()
                .any(|(name, _)| extension(name) == Some("parquet"))
                .then(|| name.clone())
        } else {
            extension(&name).map(|extension| name[..name.len() - extension.len() - 1].to_owned())
        };
        if let Some(table) = table.filter(|table| !table.is_empty()) {
            found.entry(table).or_default().push((name, path));
        }
    }
    let table = |(name, files): (String, Vec<(String, PathBuf)>)| {
        let label = |path: &Path, name: &str| {
            path.strip_prefix(root).map_or(name.into(), |path| path.display().to_string())
        };
        let files: Vec<_> =
            files.into_iter().map(|(name, path)| (label(&folder.join(&name), &name), path)).collect();
        (name, Arc::new(Table::Files(Files::new(files))))
    };
    found.into_iter().map(table).collect()
}

/// The extension `csv`, `parquet` or `json` of a name.
pub(super) fn extension(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    ["csv", "parquet", "json"].into_iter().find(|known| extension.eq_ignore_ascii_case(known))
}

/// The entries of a folder by name, with their resolved paths. Omits hidden entries, and those that lead out of the
/// data directory.
pub(super) fn entries(root: &Path, folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let unreadable = |error| Error::invalid(format!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Ok(path) = fs::canonicalize(entry.path()) else { continue };
        if name.starts_with('.') || !path.starts_with(root) {
            continue;
        }
        found.push((name, path));
    }
    found.sort();
    Ok(found)
}
