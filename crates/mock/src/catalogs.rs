//! Adds catalogs: reads the JSON request and reports the outcome of each element.

use protocol::pb::FailedSchemaElement;
use serde_json::Value;
use sql::{Engine, NewCatalog};

use super::status::EngineError;

/// The outcome of a request to add catalogs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// The number of elements in the request.
    pub(crate) wanted: usize,
    /// The elements that failed, with reasons.
    pub(crate) failures: Vec<FailedSchemaElement>,
}

impl Outcome {
    /// `SUCCESS`, `PARTIAL_SUCCESS` or `FAILED`.
    pub(crate) fn status(&self) -> &'static str {
        match self.failures.len() {
            0 => "SUCCESS",
            failed if failed < self.wanted => "PARTIAL_SUCCESS",
            _ => "FAILED",
        }
    }
}

/// An element of the request: a catalog, or the name and reason if it is invalid.
pub(crate) type Element = Result<NewCatalog, (String, String)>;

/// Reads `[{"name": …, "path": …, "default": bool}, …]`.
pub(crate) fn read(json: &str) -> Result<Vec<Element>, EngineError> {
    let elements: Vec<Value> = serde_json::from_str(json).map_err(|error| {
        EngineError::invalid(format!("expected a JSON array of catalogs with name and path: {error}"))
    })?;
    Ok(elements.iter().map(element).collect())
}

fn element(value: &Value) -> Element {
    let name = value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let text = |key: &str| match value.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        other => Err((
            name.clone(),
            format!("'{key}' is {}: expected a text that is not empty", other.unwrap_or(&Value::Null)),
        )),
    };
    let default = match value.get("default") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(default)) => *default,
        Some(other) => {
            return Err((name, format!("'default' is {other}: expected true or false")));
        }
    };
    Ok(NewCatalog { name: text("name")?, path: text("path")?, default })
}

/// Adds the valid catalogs and collects the failures.
pub(crate) async fn add(engine: &Engine, elements: Vec<Element>) -> Outcome {
    let mut outcome = Outcome { wanted: elements.len(), failures: Vec::new() };
    for element in elements {
        let failed = match element {
            Ok(new) => engine.add_catalog(&new).await.err().map(|error| (new.name, error.to_string())),
            Err(failed) => Some(failed),
        };
        outcome.failures.extend(failed.map(|(name, reason)| FailedSchemaElement {
            name,
            r#type: "CATALOG".to_owned(),
            reason,
        }));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_element_is_judged_by_itself() {
        let elements =
            read(r#"[{"name":"a","path":"x/y","default":true},{"name":"b"},{"path":"z"},{"name":"c","path":"p","default":1},7]"#)
                .unwrap();
        assert_eq!(elements[0], Ok(NewCatalog { name: "a".into(), path: "x/y".into(), default: true }));
        let failed: Vec<&str> =
            elements.iter().filter_map(|e| e.as_ref().err()).map(|(name, _)| name.as_str()).collect();
        assert_eq!(failed, ["b", "", "c", ""]);
    }

    #[test]
    fn only_arrays_are_accepted() {
        for json in ["", "{}", "[", "null"] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn the_status_counts_the_failures() {
        let failure = FailedSchemaElement::default();
        let status =
            |wanted, failed: usize| Outcome { wanted, failures: vec![failure.clone(); failed] }.status();
        assert_eq!([status(2, 0), status(2, 1), status(2, 2)], ["SUCCESS", "PARTIAL_SUCCESS", "FAILED"]);
    }
}
