//! The settings of a session, which apply to its later statements.

use sql::Scope;

use super::status::EngineError;

/// The settings of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The catalog and schema for requests that name none.
    pub(crate) scope: Scope,
    /// The most rows in a result chunk, if the engine's batches are larger.
    pub(crate) batch_rows: Option<usize>,
}

/// The names of the settings, as the error for an unknown one lists them.
const KNOWN: &str = "batch_rows, catalog, schema";

impl Settings {
    /// Applies `props`: a JSON object, or `name=value` pairs separated by semicolons, commas or line ends. Applies
    /// all of them or none.
    pub(crate) fn with(&self, props: &str) -> Result<Self, EngineError> {
        let mut settings = self.clone();
        for (name, value) in pairs(props)? {
            settings.set(&name, &value)?;
        }
        Ok(settings)
    }

    /// The scope of a request: empty names are filled from the settings.
    pub(crate) fn scope(&self, catalog: &str, schema: &str) -> Scope {
        let or = |given: &str, set: &str| if given.is_empty() { set } else { given }.to_owned();
        Scope { catalog: or(catalog, &self.scope.catalog), schema: or(schema, &self.scope.schema) }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), EngineError> {
        match name.trim().to_ascii_lowercase().as_str() {
            "catalog" => self.scope.catalog = value.to_owned(),
            "schema" => self.scope.schema = value.to_owned(),
            "batch_rows" => {
                let rows: Option<usize> = value.parse().ok().filter(|rows| *rows > 0);
                self.batch_rows = Some(rows.ok_or_else(|| {
                    EngineError::invalid(format!(
                        "setting 'batch_rows' is '{value}': expected a number of at least 1"
                    ))
                })?);
            }
            _ => {
                return Err(EngineError::invalid(format!("unknown setting '{name}': known are {KNOWN}")));
            }
        }
        Ok(())
    }
}

fn pairs(props: &str) -> Result<Vec<(String, String)>, EngineError> {
    if props.trim_start().starts_with('{') {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(props)
            .map_err(|error| EngineError::invalid(format!("the settings are not a JSON object: {error}")))?;
        let text = |(name, value)| match value {
            serde_json::Value::String(text) => Ok((name, text)),
            serde_json::Value::Number(number) => Ok((name, number.to_string())),
            other => {
                Err(EngineError::invalid(format!("setting '{name}' is {other}: expected a text or a number")))
            }
        };
        return object.into_iter().map(text).collect();
    }
    let parts = props.split([';', ',', '\n']).map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => {
                Err(EngineError::invalid(format!("setting '{part}': expected name=value; known are {KNOWN}")))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_as_pairs_or_json() {
        let pairs = Settings::default().with("catalog=analytics; schema = reports\nbatch_rows=10").unwrap();
        let json = r#"{"catalog": "analytics", "schema": "reports", "batch_rows": 10}"#;
        assert_eq!(pairs, Settings::default().with(json).unwrap());
        assert_eq!(pairs.batch_rows, Some(10));
        assert_eq!(pairs.scope("", "other"), Scope { catalog: "analytics".into(), schema: "other".into() });
    }

    #[test]
    fn unknown_settings_list_the_known_ones() {
        for props in ["colour=red", r#"{"colour": "red"}"#, "colour"] {
            let error = Settings::default().with(props).unwrap_err().to_string();
            assert!(error.contains("colour") && error.contains(KNOWN), "{error}");
        }
        for props in ["batch_rows=0", "batch_rows=many", "{"] {
            assert!(Settings::default().with(props).is_err(), "{props}");
        }
    }

    #[test]
    fn a_value_is_a_text_or_a_number() {
        for props in [r#"{"catalog": null}"#, r#"{"schema": ["sales"]}"#, r#"{"batch_rows": true}"#] {
            assert!(Settings::default().with(props).is_err(), "{props}");
        }
        assert_eq!(Settings::default().with(r#"{"batch_rows": 5}"#).unwrap().batch_rows, Some(5));
    }
}
