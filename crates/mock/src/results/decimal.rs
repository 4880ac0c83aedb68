//! Decimals of any width as 128-bit unscaled values, and as text.

use std::fmt::Write;

use sql::arrow::{
    array::{Array, AsArray, Decimal32Array, Decimal64Array, Decimal128Array, Decimal256Array, UInt64Array},
    datatypes::{DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, UInt64Type},
};

use super::{super::status::EngineError, unrepresentable};

/// A column of decimals, or of unsigned numbers beyond 63 bits.
#[derive(Debug)]
pub(super) enum Decimals<'a> {
    Narrow(&'a Decimal32Array),
    Middle(&'a Decimal64Array),
    Plain(&'a Decimal128Array),
    Wide(&'a Decimal256Array),
    Unsigned(&'a UInt64Array),
}

impl<'a> Decimals<'a> {
    /// Reads a column; `None` if it is not a decimal.
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Decimal32(_, _) => Self::Narrow(array.as_primitive::<Decimal32Type>()),
            DataType::Decimal64(_, _) => Self::Middle(array.as_primitive::<Decimal64Type>()),
            DataType::Decimal128(_, _) => Self::Plain(array.as_primitive::<Decimal128Type>()),
            DataType::Decimal256(_, _) => Self::Wide(array.as_primitive::<Decimal256Type>()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>()),
            _ => return None,
        })
    }

    /// The unscaled value of a row.
    pub(super) fn get(&self, row: usize) -> Result<i128, EngineError> {
        Ok(match self {
            Self::Narrow(array) => array.value(row).into(),
            Self::Middle(array) => array.value(row).into(),
            Self::Plain(array) => array.value(row),
            Self::Wide(array) => array
                .value(row)
                .to_i128()
                .ok_or_else(|| unrepresentable("a decimal has more than 38 digits"))?,
            Self::Unsigned(array) => array.value(row).into(),
        })
    }
}

/// Appends an unscaled value as a number with `scale` decimals.
pub(super) fn write_decimal(out: &mut String, unscaled: i128, scale: i8) {
    if unscaled < 0 {
        out.push('-');
    }
    let start = out.len();
    // Writing to a string cannot fail.
    let _ = write!(out, "{}", unscaled.unsigned_abs());
    let Ok(decimals) = usize::try_from(scale) else {
        if unscaled != 0 {
            out.extend(std::iter::repeat_n('0', scale.unsigned_abs().into()));
        }
        return;
    };
    if decimals == 0 {
        return;
    }
    let digits = out.len() - start;
    for _ in digits..=decimals {
        out.insert(start, '0');
    }
    out.insert(out.len() - decimals, '.');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_with_their_scale() {
        for (unscaled, scale, text) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 3, "-0.005"),
            (12345, 2, "123.45"),
            (-12345, 0, "-12345"),
            (12, -3, "12000"),
            (0, -3, "0"),
            (
                99_999_999_999_999_999_999_999_999_999_999_999_999,
                38,
                "0.99999999999999999999999999999999999999",
            ),
        ] {
            let mut out = String::new();
            write_decimal(&mut out, unscaled, scale);
            assert_eq!(out, text);
        }
    }
}
