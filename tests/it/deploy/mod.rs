//! The Helm chart, the manifests and teal agree: Helm renders the objects, the schemas of Kubernetes take them, and teal
//! starts with what they say.

mod ingress;
mod objects;
mod pod;
mod starting;

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::packages;

/// The objects by the name of their values or file, rendered and validated once.
static SETS: LazyLock<BTreeMap<String, Vec<Value>>> = LazyLock::new(|| {
    let folder = TempDir::new().expect("there is room for files");
    let folder = folder.path().to_str().expect("it has a plain name");
    let said = packages("kubernetes").run_offline("deploy.py", &[folder]);
    let sets: BTreeMap<String, Vec<Value>> = serde_json::from_str(&said).expect("it is JSON");
    assert!(sets.len() >= 6, "only {:?}", sets.keys());
    sets
});

/// The objects of a kind.
fn of<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The only object of a kind.
fn the<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = of(objects, kind);
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
