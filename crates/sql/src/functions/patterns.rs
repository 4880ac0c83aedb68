//! LIKE patterns that are computed at run time.

use std::sync::Arc;

use datafusion::{
    arrow::{array::StringArray, datatypes::DataType},
    common::{Result, exec_err, utils::take_function_args},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};

use super::text::strings;

/// Converts the escape character of a LIKE pattern to a backslash.
pub(crate) const ESCAPED: &str = "like_pattern";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let signature = Signature::string(2, Volatility::Immutable);
    vec![Arc::new(ScalarUDF::new_from_impl(Escaped { signature }))]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Escaped {
    signature: Signature,
}

impl ScalarUDFImpl for Escaped {
    fn name(&self) -> &'static str {
        ESCAPED
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [patterns, escapes] = take_function_args(ESCAPED, args.args)?;
        let (patterns, escapes) = (strings(&patterns, rows)?, strings(&escapes, rows)?);
        let mut escaped = Vec::with_capacity(rows);
        for (pattern, escape) in patterns.iter().zip(escapes.iter()) {
            let (Some(pattern), Some(escape)) = (pattern, escape) else {
                escaped.push(None);
                continue;
            };
            match crate::sql::escaped(pattern, escape) {
                Ok(pattern) => escaped.push(Some(pattern)),
                Err(error) => return exec_err!("{error}"),
            }
        }
        let escaped = StringArray::from(escaped);
        Ok(ColumnarValue::Array(Arc::new(escaped)))
    }
}
