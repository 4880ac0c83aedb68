//! A scalar function from a Rust function over whole columns.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::{array::ArrayRef, datatypes::DataType},
    common::{Result, ScalarValue},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
    },
};

/// Computes a column with this many rows.
pub(super) type Run = fn(&[ColumnarValue], usize) -> Result<ArrayRef>;
/// The result type for these argument types.
pub(super) type Returns = fn(&[DataType]) -> Result<DataType>;

/// One function.
#[derive(Debug)]
struct Simple {
    name: &'static str,
    signature: Signature,
    returns: Returns,
    run: Run,
}

/// Creates a function that accepts one of these numbers of arguments, of any type.
pub(super) fn function(name: &'static str, counts: &[usize], returns: Returns, run: Run) -> Arc<ScalarUDF> {
    let counts = counts.iter().map(|count| TypeSignature::Any(*count)).collect();
    let signature = Signature::one_of(counts, Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(Simple { name, signature, returns, run }))
}

/// The result type text.
pub(super) fn text(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Utf8)
}

impl PartialEq for Simple {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Simple {}

impl Hash for Simple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Simple {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.returns)(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        if !constant {
            return Ok(ColumnarValue::Array((self.run)(&args.args, args.number_rows)?));
        }
        let one = (self.run)(&args.args, 1)?;
        Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&one, 0)?))
    }
}
