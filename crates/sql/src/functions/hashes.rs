//! Hashes of values as in Spark: `hash` is Murmur3 and `xxhash64` is XXH64, both with seed 42 and over one column
//! after the other. NULL leaves the hash unchanged. `crc32` hashes text.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, ArrowPrimitiveType, AsArray, GenericStringArray, Int32Array, Int64Array,
            OffsetSizeTrait,
        },
        compute::cast,
        datatypes::{
            DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit,
        },
    },
    common::{Result, exec_err},
    logical_expr::{ColumnarValue, ScalarUDF},
};

use super::{
    digests::{Digest, Murmur, Xx},
    simple::function,
    text::strings,
};

const SEED: i64 = 42;
/// The most arguments.
const MOST: usize = 64;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let counts: Vec<usize> = (1..=MOST).collect();
    vec![
        function(
            "hash",
            &counts,
            |_| Ok(DataType::Int32),
            |args, rows| {
                let hashes = hashed::<Murmur>(args, rows)?;
                Ok(Arc::new(hashes.into_iter().map(|hash| Some(hash as i32)).collect::<Int32Array>()))
            },
        ),
        function(
            "xxhash64",
            &counts,
            |_| Ok(DataType::Int64),
            |args, rows| Ok(Arc::new(Int64Array::from(hashed::<Xx>(args, rows)?))),
        ),
        function(
            "crc32",
            &[1],
            |_| Ok(DataType::Int64),
            |args, rows| {
                let crc = |text: Option<&str>| text.map(|text| i64::from(crc32(text.as_bytes())));
                Ok(Arc::new(strings(&args[0], rows)?.iter().map(crc).collect::<Int64Array>()))
            },
        ),
    ]
}

fn hashed<D: Digest>(args: &[ColumnarValue], rows: usize) -> Result<Vec<i64>> {
    let mut hashes = vec![SEED; rows];
    for arg in args {
        let column = plain(&arg.to_array(rows)?)?;
        for (row, hash) in hashes.iter_mut().enumerate() {
            *hash = one::<D>(&column, row, *hash)?;
        }
    }
    Ok(hashes)
}

/// Casts an array to one of fewer types, with the same values.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    let to = match array.data_type() {
        DataType::Boolean | DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => {
            DataType::Int32
        }
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Timestamp(_, zone) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            return Ok(cast(&micros, &DataType::Int64)?);
        }
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        _ => return Ok(Arc::clone(array)),
    };
    Ok(cast(array, &to)?)
}

fn value<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

fn text<O: OffsetSizeTrait>(array: &ArrayRef, row: usize) -> &[u8] {
    let texts: &GenericStringArray<O> = array.as_string::<O>();
    texts.value(row).as_bytes()
}

/// Hashes one value, with the previous hash as seed.
fn one<D: Digest>(array: &ArrayRef, row: usize, seed: i64) -> Result<i64> {
    if array.is_null(row) {
        return Ok(seed);
    }
    // Negative zero hashes as zero.
    Ok(match array.data_type() {
        DataType::Int32 => D::int(value::<Int32Type>(array, row), seed),
        DataType::Date32 => D::int(value::<Date32Type>(array, row), seed),
        DataType::Int64 => D::long(value::<Int64Type>(array, row), seed),
        DataType::Float32 => D::int((value::<Float32Type>(array, row) + 0.0).to_bits() as i32, seed),
        DataType::Float64 => D::long((value::<Float64Type>(array, row) + 0.0).to_bits() as i64, seed),
        DataType::Decimal128(precision, _) => {
            let digits = value::<Decimal128Type>(array, row);
            match i64::try_from(digits) {
                Ok(digits) if *precision <= 18 => D::long(digits, seed),
                _ => D::bytes(shortest(&digits.to_be_bytes()), seed),
            }
        }
        DataType::Utf8 => D::bytes(text::<i32>(array, row), seed),
        DataType::LargeUtf8 => D::bytes(text::<i64>(array, row), seed),
        DataType::Binary => D::bytes(array.as_binary::<i32>().value(row), seed),
        DataType::List(_) => elements::<D>(&array.as_list::<i32>().value(row), seed)?,
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            columns.map(plain).try_fold(seed, |seed, column| one::<D>(&column?, row, seed))?
        }
        DataType::Null => seed,
        other => {
            return exec_err!("a hash of {} is not supported", super::type_name(other));
        }
    })
}

fn elements<D: Digest>(values: &ArrayRef, seed: i64) -> Result<i64> {
    let values = plain(values)?;
    (0..values.len()).try_fold(seed, |seed, at| one::<D>(&values, at, seed))
}

/// The bytes of a number without redundant sign bytes.
fn shortest(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let [first, rest @ ..] = bytes
        && let Some(next) = rest.first()
        && ((*first == 0 && *next < 128) || (*first == 255 && *next >= 128))
    {
        bytes = rest;
    }
    bytes
}

/// CRC-32 as in zlib.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(u32::MAX, byte)
}
