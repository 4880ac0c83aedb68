//! Values for placeholders: converts text to typed scalars.

use datafusion::{
    arrow::{
        array::StringArray,
        compute::{CastOptions, cast_with_options},
        datatypes::DataType,
    },
    common::ScalarValue,
};

use crate::Error;

/// A value for a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// 1-based position among the placeholders (`$1`, or the first `?`).
    pub index: usize,
    /// The type its text is cast to; `None` if the plan does not determine it.
    pub data_type: Option<DataType>,
    /// The text; `None` is NULL.
    pub value: Option<String>,
}

/// Converts the given values to one scalar per placeholder, in the order of `wanted`.
pub(crate) fn bind(wanted: &[Parameter], given: &[Parameter]) -> Result<Vec<ScalarValue>, Error> {
    if let Some(extra) = given.iter().find(|given| !wanted.iter().any(|wanted| wanted.index == given.index)) {
        return Err(Error::invalid(format!(
            "parameter {} has no placeholder: the query has {}",
            extra.index,
            wanted.len()
        )));
    }
    let last = wanted.iter().map(|parameter| parameter.index).max().unwrap_or(0);
    let mut values = vec![ScalarValue::Null; last];
    for wanted in wanted {
        let mut matching = given.iter().filter(|given| given.index == wanted.index);
        let parameter = matching
            .next()
            .ok_or_else(|| Error::invalid(format!("parameter {} has no value", wanted.index)))?;
        if matching.next().is_some() {
            return Err(Error::invalid(format!("parameter {} is given twice", wanted.index)));
        }
        values[wanted.index - 1] = scalar(parameter, wanted.data_type.as_ref())?;
    }
    Ok(values)
}

/// Converts a value to its own type, then to the plan's type if possible.
fn scalar(parameter: &Parameter, planned: Option<&DataType>) -> Result<ScalarValue, Error> {
    let own = parameter.data_type.as_ref().filter(|own| **own != DataType::Null);
    let data_type = own.or(planned).cloned().unwrap_or(DataType::Utf8);
    let index = parameter.index;
    let Some(text) = &parameter.value else {
        return ScalarValue::try_from(planned.unwrap_or(&data_type)).map_err(Error::from);
    };
    let refused = |_| Error::invalid(format!("parameter {index}: '{text}' is not a valid {data_type}"));
    let source = StringArray::from(vec![text.as_str()]);
    let options = CastOptions { safe: false, ..Default::default() };
    let array = cast_with_options(&source, &data_type, &options).map_err(refused)?;
    let scalar = ScalarValue::try_from_array(&array, 0)?;
    match planned {
        Some(planned) if *planned != data_type => Ok(scalar.cast_to(planned).unwrap_or(scalar)),
        _ => Ok(scalar),
    }
}
