//! Errors by origin: DataFusion's errors become one of four kinds, with a readable message.

use datafusion::{
    common::SchemaError,
    error::DataFusionError,
    sql::sqlparser::{parser::ParserError, tokenizer::TokenizerError},
};

use crate::messages::clean;

/// Why a query failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text does not parse, names something unknown, or cannot be computed (a division by zero).
    #[error("{0}")]
    Invalid(String),
    /// A statement that is not a query, or reads outside the data directory.
    #[error("{0}")]
    Forbidden(String),
    /// The memory limit was reached and there was nothing left to spill.
    #[error("{0}")]
    Exhausted(String),
    /// The engine's own failure.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::Forbidden(message.into())
    }

    /// Converts a caught panic.
    pub(crate) fn panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("unknown cause");
        Self::Internal(format!("the query failed inside the engine: {text}"))
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        let text = message(&error);
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::Exhausted(text),
            DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
                Some(ours) => ours.clone(),
                None => Self::Invalid(text),
            },
            DataFusionError::IoError(_)
            | DataFusionError::ObjectStore(_)
            | DataFusionError::ExecutionJoin(_) => Self::Internal(text),
            _ => Self::Invalid(text),
        }
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

/// The message of an error without the prefixes, traces and developer advice that DataFusion adds.
fn message(error: &DataFusionError) -> String {
    let text = match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => return message(inner),
        DataFusionError::Shared(inner) => return message(inner),
        DataFusionError::Collection(errors) if !errors.is_empty() => {
            let mut texts: Vec<_> = errors.iter().map(message).collect();
            texts.dedup();
            return texts.join("; ");
        }
        DataFusionError::SQL(error, _) => match error.as_ref() {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.clone(),
            ParserError::RecursionLimitExceeded => "the SQL is nested too deeply".into(),
        },
        DataFusionError::SchemaError(error, _) => schema_message(error),
        DataFusionError::ArrowError(error, _) => error.to_string(),
        DataFusionError::Plan(text)
        | DataFusionError::Execution(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Internal(text)
        | DataFusionError::Configuration(text)
        | DataFusionError::ResourcesExhausted(text)
        | DataFusionError::Substrait(text) => text.clone(),
        DataFusionError::External(inner) => inner.to_string(),
        other => other.to_string(),
    };
    clean(&text)
}

fn schema_message(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let mut text = format!("column {} not found", field.quoted_flat_name());
            if !valid_fields.is_empty() {
                let known: Vec<_> = valid_fields.iter().take(20).map(|field| field.flat_name()).collect();
                let more = if valid_fields.len() > known.len() { ", …" } else { "" };
                text.push_str(&format!(", known are {}{more}", known.join(", ")));
            }
            text
        }
        other => other.to_string(),
    }
}

impl From<TokenizerError> for Error {
    fn from(error: TokenizerError) -> Self {
        Self::Invalid(error.to_string())
    }
}
