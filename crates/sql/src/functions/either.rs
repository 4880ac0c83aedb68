//! Functions with one meaning for strings and another for lists: `concat`, which is NULL if an argument is NULL, and
//! `reverse`. And `concat_ws`, which accepts both.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, StringArray, make_array},
        buffer::NullBuffer,
        datatypes::DataType,
    },
    common::Result,
    error::DataFusionError,
    functions::{string::concat, unicode::reverse},
    functions_nested::{concat::array_concat_udf, reverse::array_reverse_udf},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};

use super::{
    simple::{function, text},
    text::strings,
};

/// The most arguments.
const MOST: usize = 256;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let either = |name, texts, lists| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Either { name, texts, lists, signature }))
    };
    let counts: Vec<usize> = (2..=MOST).collect();
    vec![
        either("concat", concat(), array_concat_udf()),
        either("reverse", reverse(), array_reverse_udf()),
        function("concat_ws", &counts, text, joined),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Either {
    name: &'static str,
    texts: Arc<ScalarUDF>,
    lists: Arc<ScalarUDF>,
    signature: Signature,
}

impl Either {
    fn of(&self, types: &[DataType]) -> &Arc<ScalarUDF> {
        let list = |kind: &DataType| {
            matches!(kind, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
        };
        if types.iter().any(list) { &self.lists } else { &self.texts }
    }
}

impl ScalarUDFImpl for Either {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.of(types).return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if Arc::ptr_eq(self.of(types), &self.lists) {
            let coerced = self.lists.coerce_types(types);
            return Ok(coerced.unwrap_or_else(|_| types.to_vec()));
        }
        let large = types.contains(&DataType::LargeUtf8);
        let text = if large { DataType::LargeUtf8 } else { DataType::Utf8 };
        Ok(vec![text; types.len()])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let rows = args.number_rows;
        let nulls = args.args.iter().try_fold(None, |nulls, arg| {
            let own = arg.to_array(rows)?.logical_nulls();
            Ok::<_, DataFusionError>(NullBuffer::union(nulls.as_ref(), own.as_ref()))
        })?;
        let value = self.of(&types).invoke_with_args(args)?;
        let Some(nulls) = nulls else { return Ok(value) };
        let value = value.to_array(rows)?;
        let nulls = NullBuffer::union(Some(&nulls), value.nulls());
        let data = value.to_data().into_builder().nulls(nulls).build()?;
        Ok(ColumnarValue::Array(make_array(data)))
    }
}

/// `concat_ws(separator, …)`: joins strings and list elements, without NULLs.
fn joined(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let separators = strings(&args[0], rows)?;
    // The strings of an argument, and the offsets of each row.
    let one = |arg: &ColumnarValue| {
        let array = arg.to_array(rows)?;
        Ok(match array.as_list_opt::<i32>() {
            Some(list) => {
                let values = ColumnarValue::Array(Arc::clone(list.values()));
                let offsets: Vec<usize> = list.value_offsets().iter().map(|at| *at as usize).collect();
                (strings(&values, list.values().len())?, offsets, list.nulls().cloned())
            }
            None => (strings(arg, rows)?, (0..=rows).collect(), None),
        })
    };
    let columns = args[1..].iter().map(one).collect::<Result<Vec<_>>>()?;
    let line = |row: usize| {
        let mut parts: Vec<&str> = Vec::new();
        for (texts, offsets, nulls) in &columns {
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                let range = offsets[row]..offsets[row + 1];
                parts.extend(range.filter(|at| texts.is_valid(*at)).map(|at| texts.value(at)));
            }
        }
        separators.is_valid(row).then(|| parts.join(separators.value(row)))
    };
    Ok(Arc::new((0..rows).map(line).collect::<StringArray>()))
}
