//! Encodes every Arrow type as a chunk, and reads it as the Python connector does.

use std::sync::Arc;

use sql::arrow::{array::*, buffer::OffsetBuffer, datatypes::*};
use thrift::protocol::{TBinaryInputProtocol, TInputProtocol, TType};

use super::*;

/// A value as the connector returns it.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Time(i64, Option<String>),
    Decimal(i128, i32),
}

type Input<'a> = TBinaryInputProtocol<&'a [u8]>;

fn list<T>(input: &mut Input<'_>, mut item: impl FnMut(&mut Input<'_>) -> T) -> Vec<T> {
    let size = input.read_list_begin().unwrap().size;
    (0..size).map(|_| item(input)).collect()
}

/// Reads a struct field by field.
fn fields(input: &mut Input<'_>, mut field: impl FnMut(&mut Input<'_>, i16)) {
    loop {
        let header = input.read_field_begin().unwrap();
        match header.id {
            _ if header.field_type == TType::Stop => return,
            Some(id) => field(input, id),
            None => panic!("a field without id"),
        }
    }
}

#[derive(Debug, Default)]
struct Vector {
    size: usize,
    kind: i32,
    nulls: Vec<bool>,
    member: i16,
    values: Vec<Value>,
    constant: bool,
}

impl Vector {
    fn read(input: &mut Input<'_>) -> Self {
        let mut vector = Self::default();
        fields(input, |input, id| match id {
            1 => vector.size = input.read_i32().unwrap() as usize,
            2 => vector.kind = input.read_i32().unwrap(),
            3 => vector.nulls = list(input, |input| input.read_bool().unwrap()),
            4 => fields(input, |input, member| {
                vector.member = member;
                vector.values = data(input, member);
            }),
            5 => vector.constant = input.read_bool().unwrap(),
            6 | 7 => drop(input.read_string().unwrap()),
            other => panic!("field {other} in a vector"),
        });
        vector
    }

    /// Reads the rows, and checks that each type has its values where the connector looks for them.
    fn rows(&self) -> Vec<Value> {
        let expected: &[i16] = match (self.kind, self.constant) {
            (1, false) => &[1],
            (5, false) => &[2],
            (6, false) => &[3],
            (3, false) => &[5],
            (2, false) => &[6],
            (7 | 13 | 12 | 11 | 0, false) => &[7],
            (8, false) => &[4],
            (9 | 15, false) => &[16],
            (16, false) => &[17],
            (1, true) => &[8],
            (5 | 6, true) => &[11],
            (2 | 3, true) => &[12],
            (7 | 13 | 12 | 11 | 0, true) => &[15],
            (8, true) => &[9],
            (9 | 15, true) => &[14],
            (16, true) => &[18],
            (14, true) => &[10],
            other => panic!("vector type {other:?}"),
        };
        assert!(expected.contains(&self.member), "type {} in member {}", self.kind, self.member);
        let rows = if self.constant { 1 } else { self.size };
        assert_eq!((self.nulls.len(), self.values.len()), (rows, rows));
        let at = |row: usize| if self.constant { 0 } else { row };
        let value = |row: usize| {
            if self.nulls[at(row)] { Value::Null } else { self.values[at(row)].clone() }
        };
        (0..self.size).map(value).collect()
    }
}

/// Reads the values of a member of `Data`.
fn data(input: &mut Input<'_>, member: i16) -> Vec<Value> {
    let (mut values, mut zones, mut scale) = (Vec::new(), None, None);
    fields(input, |input, id| match (member, id) {
        (1, 1) => values = list(input, |input| Value::Bool(input.read_bool().unwrap())),
        (2, 1) => values = list(input, |input| Value::Int(input.read_i32().unwrap().into())),
        (3, 1) => values = list(input, |input| Value::Int(input.read_i64().unwrap())),
        (4 | 16, 1) => values = list(input, |input| Value::Time(input.read_i64().unwrap(), None)),
        (5 | 6, 1) => values = list(input, |input| Value::Float(input.read_double().unwrap())),
        (7, 1) => values = list(input, |input| Value::Text(input.read_string().unwrap())),
        (8, 1) => values = vec![Value::Bool(input.read_bool().unwrap())],
        (9 | 14, 1) => values = vec![Value::Time(input.read_i64().unwrap(), None)],
        (10, 1) => values = vec![Value::Int(input.read_i8().unwrap().into())],
        (11, 1) => values = vec![Value::Int(input.read_i64().unwrap())],
        (12, 1) => values = vec![Value::Float(input.read_double().unwrap())],
        (15, 1) => values = vec![Value::Text(input.read_string().unwrap())],
        (14, 2) => zones = Some(vec![input.read_string().unwrap()]),
        (16, 2) => zones = Some(list(input, |input| input.read_string().unwrap())),
        (17, 1) => values = list(input, |input| decimal(&input.read_bytes().unwrap())),
        (18, 1) => values = vec![decimal(&input.read_bytes().unwrap())],
        (17 | 18, 2) => scale = Some(input.read_i32().unwrap()),
        other => panic!("field {other:?} in data"),
    });
    for (row, value) in values.iter_mut().enumerate() {
        match value {
            Value::Time(_, zone) => *zone = zones.as_ref().map(|zones| zones[row].clone()),
            Value::Decimal(_, its) => *its = scale.unwrap(),
            _ => {}
        }
    }
    values
}

fn decimal(bytes: &[u8]) -> Value {
    Value::Decimal(i128::from_be_bytes(bytes.try_into().unwrap()), 0)
}

fn read_chunk(bytes: &[u8]) -> Vec<Vector> {
    let mut input = Input::new(bytes, true);
    let (mut size, mut vectors) = (0, Vec::new());
    fields(&mut input, |input, id| match id {
        1 => size = input.read_i32().unwrap() as usize,
        2 => vectors = list(input, Vector::read),
        other => panic!("field {other} in a chunk"),
    });
    assert!(input.transport.is_empty());
    assert!(vectors.iter().all(|vector| vector.size == size));
    vectors
}

/// Encodes and reads one column: vector type and rows.
fn through(column: ArrayRef, constant: bool) -> Result<(i32, Vec<Value>), EngineError> {
    let schema = Schema::new(vec![Field::new("c", column.data_type().clone(), true)]);
    let layout = Layout::new(&schema, &[constant]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap();
    let mut vectors = read_chunk(&encode_chunk(&batch, &layout)?);
    assert_eq!(vectors.len(), 1);
    let vector = vectors.remove(0);
    assert_eq!(vector.constant, constant || vector.kind == 14);
    Ok((vector.kind, vector.rows()))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn time(micros: i64) -> Value {
    Value::Time(micros, None)
}

fn zoned(micros: i64, zone: &str) -> Value {
    Value::Time(micros, Some(zone.to_owned()))
}

/// One column for each Arrow type: a value, null, another value.
fn columns() -> Vec<(ArrayRef, i32, [Value; 2])> {
    use Value::{Bool, Decimal, Float, Int};
    fn of<A: Array + 'static>(
        array: A,
        kind: i32,
        first: Value,
        third: Value,
    ) -> (ArrayRef, i32, [Value; 2]) {
        (Arc::new(array), kind, [first, third])
    }
    let i256 = |value: i128| Some(sql::arrow::datatypes::i256::from_i128(value));
    let span = IntervalMonthDayNano::new(1, 2, 3_000_000_000);
    let day = IntervalDayTime::new(1, 5000);
    let huge = 99_999_999_999_999_999_999_999_999_999_999_999_999;
    vec![
        of(BooleanArray::from(vec![Some(true), None, Some(false)]), 1, Bool(true), Bool(false)),
        of(Int8Array::from(vec![Some(-128), None, Some(127)]), 5, Int(-128), Int(127)),
        of(Int16Array::from(vec![Some(-300), None, Some(300)]), 5, Int(-300), Int(300)),
        of(Int32Array::from(vec![Some(i32::MIN), None, Some(7)]), 5, Int(i32::MIN.into()), Int(7)),
        of(Int64Array::from(vec![Some(i64::MIN), None, Some(7)]), 6, Int(i64::MIN), Int(7)),
        of(UInt8Array::from(vec![Some(255), None, Some(7)]), 5, Int(255), Int(7)),
        of(UInt16Array::from(vec![Some(65535), None, Some(7)]), 5, Int(65535), Int(7)),
        of(UInt32Array::from(vec![Some(u32::MAX), None, Some(7)]), 6, Int(u32::MAX.into()), Int(7)),
        of(
            UInt64Array::from(vec![Some(u64::MAX), None, Some(8)]),
            16,
            Decimal(u64::MAX.into(), 0),
            Decimal(8, 0),
        ),
        of(Float16Array::from(vec![Some(half(0.5)), None, Some(half(-2.0))]), 3, Float(0.5), Float(-2.0)),
        of(Float32Array::from(vec![Some(0.5), None, Some(-2.0)]), 3, Float(0.5), Float(-2.0)),
        of(
            Float64Array::from(vec![Some(0.1), None, Some(f64::INFINITY)]),
            2,
            Float(0.1),
            Float(f64::INFINITY),
        ),
        of(StringArray::from(vec![Some("é🦆"), None, Some("")]), 7, text("é🦆"), text("")),
        of(LargeStringArray::from(vec![Some("a"), None, Some("b")]), 7, text("a"), text("b")),
        of(
            StringViewArray::from(vec![Some("longer than twelve bytes"), None, Some("b")]),
            7,
            text("longer than twelve bytes"),
            text("b"),
        ),
        of(BinaryArray::from(vec![Some(&b"ab"[..]), None, Some(b"\xff\x00")]), 0, text("ab"), text("ff00")),
        of(LargeBinaryArray::from(vec![Some(&b"ab"[..]), None, Some(b"\xfe")]), 0, text("ab"), text("fe")),
        of(BinaryViewArray::from(vec![Some(&b"ab"[..]), None, Some(b"\xfe")]), 0, text("ab"), text("fe")),
        of(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                [Some(&b"ab"[..]), None, Some(&b"\xab\xcd"[..])].into_iter(),
                2,
            )
            .unwrap(),
            0,
            text("ab"),
            text("abcd"),
        ),
        of(Date32Array::from(vec![Some(-1), None, Some(1)]), 8, time(-86_400_000_000), time(86_400_000_000)),
        of(
            Date64Array::from(vec![Some(-1), None, Some(86_400_000)]),
            8,
            time(-86_400_000_000),
            time(86_400_000_000),
        ),
        of(TimestampSecondArray::from(vec![Some(-1), None, Some(1)]), 9, time(-1_000_000), time(1_000_000)),
        of(TimestampMillisecondArray::from(vec![Some(-1), None, Some(1)]), 9, time(-1000), time(1000)),
        of(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1)]), 9, time(-1), time(1)),
        of(TimestampNanosecondArray::from(vec![Some(-1), None, Some(1001)]), 9, time(-1), time(1)),
        of(
            TimestampMicrosecondArray::from(vec![Some(0), None, Some(1_720_000_000_000_000)])
                .with_timezone("America/New_York"),
            15,
            zoned(0, "-05:00"),
            zoned(1_720_000_000_000_000, "-04:00"),
        ),
        of(
            TimestampSecondArray::from(vec![Some(0), None, Some(1)]).with_timezone("+05:30"),
            15,
            zoned(0, "+05:30"),
            zoned(1_000_000, "+05:30"),
        ),
        of(Time32SecondArray::from(vec![Some(3723), None, Some(0)]), 7, text("01:02:03"), text("00:00:00")),
        of(
            Time32MillisecondArray::from(vec![Some(1500), None, Some(0)]),
            7,
            text("00:00:01.500"),
            text("00:00:00"),
        ),
        of(
            Time64MicrosecondArray::from(vec![Some(1), None, Some(0)]),
            7,
            text("00:00:00.000001"),
            text("00:00:00"),
        ),
        of(
            Time64NanosecondArray::from(vec![Some(1), None, Some(0)]),
            7,
            text("00:00:00.000000001"),
            text("00:00:00"),
        ),
        of(
            DurationSecondArray::from(vec![Some(61), None, Some(0)]),
            7,
            text("0 days 0 hours 1 mins 1 secs"),
            text("0 days 0 hours 0 mins 0 secs"),
        ),
        of(
            IntervalYearMonthArray::from(vec![Some(14), None, Some(1)]),
            7,
            text("1 years 2 mons"),
            text("0 years 1 mons"),
        ),
        of(
            IntervalDayTimeArray::from(vec![Some(day), None, Some(day)]),
            7,
            text("1 days 5.000 secs"),
            text("1 days 5.000 secs"),
        ),
        of(
            IntervalMonthDayNanoArray::from(vec![Some(span), None, Some(span)]),
            7,
            text("1 mons 2 days 3.000000000 secs"),
            text("1 mons 2 days 3.000000000 secs"),
        ),
        of(
            Decimal32Array::from(vec![Some(-12345), None, Some(5)]).with_precision_and_scale(9, 2).unwrap(),
            16,
            Decimal(-12345, 2),
            Decimal(5, 2),
        ),
        of(
            Decimal64Array::from(vec![Some(-12345), None, Some(5)]).with_precision_and_scale(18, 2).unwrap(),
            16,
            Decimal(-12345, 2),
            Decimal(5, 2),
        ),
        of(
            Decimal128Array::from(vec![Some(-huge), None, Some(5)]).with_precision_and_scale(38, 10).unwrap(),
            16,
            Decimal(-huge, 10),
            Decimal(5, 10),
        ),
        of(
            Decimal256Array::from(vec![i256(huge), None, i256(5)]).with_precision_and_scale(38, 0).unwrap(),
            16,
            Decimal(huge, 0),
            Decimal(5, 0),
        ),
        of(
            Decimal256Array::from(vec![i256(-12345), None, i256(5)]).with_precision_and_scale(50, 2).unwrap(),
            7,
            text("-123.45"),
            text("0.05"),
        ),
        of(dictionary(), 7, text("b"), text("a")),
        of(runs(), 5, Int(1), Int(2)),
        of(
            ListArray::from_iter_primitive::<Int32Type, _, _>([
                Some(vec![Some(1), None]),
                None,
                Some(vec![]),
            ]),
            13,
            text("[1,null]"),
            text("[]"),
        ),
        of(
            LargeListArray::from_iter_primitive::<Float32Type, _, _>([
                Some(vec![Some(0.1), Some(f32::NAN)]),
                None,
                Some(vec![]),
            ]),
            13,
            text("[0.1,\"NaN\"]"),
            text("[]"),
        ),
        of(
            FixedSizeListArray::from_iter_primitive::<Int64Type, _, _>(
                [Some([Some(1), Some(2)]), None, Some([None, Some(3)])],
                2,
            ),
            13,
            text("[1,2]"),
            text("[null,3]"),
        ),
        of(list_view(), 13, text("[2,3]"), text("[1]")),
        of(list_of_dictionary(), 13, text("[\"b\",null]"), text("[\"a\"]")),
        of(map(), 12, text("{\"a\\\"\":1,\"b\":null}"), text("{}")),
        of(structure(), 11, text("{\"x\":1,\"y\":\"1970-01-02\"}"), text("{\"x\":null,\"y\":null}")),
    ]
}

fn half(value: f32) -> <Float16Type as ArrowPrimitiveType>::Native {
    <Float16Type as ArrowPrimitiveType>::Native::from_f32(value)
}

fn dictionary() -> DictionaryArray<Int8Type> {
    [Some("b"), None, Some("a")].into_iter().collect()
}

fn runs() -> RunArray<Int32Type> {
    let values = Int32Array::from(vec![Some(1), None, Some(2)]);
    RunArray::try_new(&Int32Array::from(vec![1, 2, 3]), &values).unwrap()
}

fn list_view() -> ListViewArray {
    let field = Arc::new(Field::new("item", DataType::Int64, true));
    let values = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let nulls = Some(vec![true, false, true].into());
    ListViewArray::new(field, vec![1, 0, 0].into(), vec![2, 0, 1].into(), values, nulls)
}

fn list_of_dictionary() -> ListArray {
    let values: DictionaryArray<Int8Type> = [Some("b"), None, Some("a")].into_iter().collect();
    let field = Arc::new(Field::new("item", values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([2, 0, 1]);
    ListArray::new(field, offsets, Arc::new(values), Some(vec![true, false, true].into()))
}

fn map() -> MapArray {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    builder.keys().append_value("a\"");
    builder.values().append_value(1);
    builder.keys().append_value("b");
    builder.values().append_null();
    builder.append(true).unwrap();
    builder.append(false).unwrap();
    builder.append(true).unwrap();
    builder.finish()
}

fn structure() -> StructArray {
    let x: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, None]));
    let y: ArrayRef = Arc::new(Date32Array::from(vec![Some(1), None, None]));
    let fields = vec![Field::new("x", DataType::Int64, true), Field::new("y", DataType::Date32, true)];
    StructArray::new(fields.into(), vec![x, y], Some(vec![true, false, true].into()))
}

#[test]
fn every_type_is_read_back() {
    for (column, kind, [first, third]) in columns() {
        let name = column.data_type().to_string();
        let (read_kind, rows) = through(column, false).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!((read_kind, rows), (kind, vec![first, Value::Null, third]), "{name}");
    }
}

#[test]
fn every_type_reads_back_from_mid_array() {
    for (column, kind, [_, third]) in columns() {
        let name = column.data_type().to_string();
        let (read_kind, rows) = through(column.slice(1, 2), false).unwrap();
        let kind = if *column.data_type() == DataType::UInt64 { read_kind } else { kind };
        let third =
            if read_kind == 6 && matches!(third, Value::Decimal(8, 0)) { Value::Int(8) } else { third };
        assert_eq!((read_kind, rows), (kind, vec![Value::Null, third]), "{name}");
    }
}

#[test]
fn every_type_can_be_constant() {
    for (column, kind, [first, _]) in columns() {
        let name = column.data_type().to_string();
        let indices = UInt32Array::from(vec![0, 0]);
        let same = sql::arrow::compute::take(&column, &indices, None).unwrap();
        assert_eq!(through(same, true).unwrap(), (kind, vec![first.clone(), first]), "{name}");
        let nulls = new_null_array(column.data_type(), 2);
        assert_eq!(through(nulls, true).unwrap().1, [Value::Null, Value::Null], "{name}");
    }
}

#[test]
fn a_column_of_nothing_is_null() {
    let nothing: ArrayRef = Arc::new(NullArray::new(3));
    assert_eq!(through(nothing, false).unwrap(), (14, vec![Value::Null; 3]));
}

#[test]
fn a_union_is_text() {
    let mut union = UnionBuilder::new_dense();
    union.append::<Int32Type>("number", 7).unwrap();
    union.append::<Float64Type>("fraction", 0.5).unwrap();
    let (kind, rows) = through(Arc::new(union.build().unwrap()), false).unwrap();
    assert_eq!((kind, rows), (7, vec![text("{number=7}"), text("{fraction=0.5}")]));
}

#[test]
fn unrepresentable_values_are_errors() {
    let far: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
    for constant in [false, true] {
        assert!(through(Arc::clone(&far), constant).is_err());
    }
}

#[test]
fn rows_are_laid_out_for_the_first_generation() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("boolean", Arc::new(BooleanArray::from(vec![false, true]))),
        ("byte", Arc::new(Int8Array::from(vec![0, -2]))),
        ("short", Arc::new(Int16Array::from(vec![0, -2]))),
        ("integer", Arc::new(Int32Array::from(vec![0, -2]))),
        ("long", Arc::new(Int64Array::from(vec![0, -2]))),
        ("float", Arc::new(Float32Array::from(vec![0.0, 0.1]))),
        ("double", Arc::new(Float64Array::from(vec![0.0, 0.1]))),
        ("string", Arc::new(StringArray::from(vec!["", "é"]))),
        ("decimal", Arc::new(Decimal128Array::from(vec![0, -5]).with_precision_and_scale(10, 2).unwrap())),
        ("date", Arc::new(Date32Array::from(vec![0, 1]))),
        ("unsigned", Arc::new(UInt64Array::from(vec![0, u64::MAX]))),
        ("null", Arc::new(NullArray::new(2))),
        ("missing", Arc::new(Int64Array::from(vec![Some(1), None]))),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let layout = Layout::new(&batch.schema(), &[]);
    let expected: Vec<u8> = [
        &[1, 1, 1, 0xfe, 1, 0xff, 0xfe, 1][..],
        &(-2_i32).to_be_bytes(),
        &[1],
        &(-2_i64).to_be_bytes(),
        &[1],
        &0.1_f32.to_be_bytes(),
        &[1],
        &0.1_f64.to_be_bytes(),
        b"\x01\0\x02",
        "é".as_bytes(),
        b"\x01\0\x05-0.05\x01",
        &86_400_000_000_i64.to_be_bytes(),
        b"\x01\0\x1418446744073709551615",
        &[0, 0],
    ]
    .concat();
    assert_eq!(encode_row(&batch, 1, &layout).unwrap(), expected);
}

#[test]
fn texts_too_long_for_rows_are_refused() {
    let column: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(65_535), "x".repeat(65_536)]));
    let batch = RecordBatch::try_from_iter([("t", column)]).unwrap();
    let layout = Layout::new(&batch.schema(), &[]);
    assert_eq!(encode_row(&batch, 0, &layout).unwrap().len(), 65_538);
    assert!(encode_row(&batch, 1, &layout).is_err());
}

#[test]
fn json_text_is_escaped() {
    let words = StringArray::from(vec![Some("\"\\\n\t\r\u{1}é")]);
    let fields = vec![Field::new("a b", DataType::Utf8, true)];
    let column: ArrayRef = Arc::new(StructArray::new(fields.into(), vec![Arc::new(words)], None));
    assert_eq!(through(column, false).unwrap().1, [text(r#"{"a b":"\"\\\n\t\r\u0001é"}"#)]);
}
