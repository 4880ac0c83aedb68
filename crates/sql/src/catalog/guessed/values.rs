//! The values of a generated column.
//!
//! A value depends on the names of table and column, and on the values that the query compares the column with: one
//! row in four has such a value, so that conditions match rows. Keys are 1 to 1000 in their own table and 1 to 100 in
//! others. A text is the column's name and a number up to 50, in any table.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{
            ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
            ListBuilder, MapBuilder, MapFieldNames, StringArray, StringBuilder, TimestampMicrosecondArray,
        },
        compute::cast,
        datatypes::{DataType, Int64Type},
    },
    error::Result,
};

use super::{
    Asked, Kind,
    key::{is_key, is_own_key},
    rows::ROWS,
};
use crate::catalog::random::Random;

/// The largest foreign key.
const FOREIGN: i128 = 100;
/// The number of different texts in a column.
const TEXTS: i128 = 50;
/// Days since 1970: 1992-01-01, 2023-01-01 and 2027-12-31.
const DAYS: [i128; 3] = [8035, 19_358, 21_183];
const MICROS_OF_DAY: i128 = 86_400_000_000;

/// Generates the values of a column, one per row.
pub(super) fn array(table: &str, column: &Asked) -> Result<ArrayRef> {
    let lower = column.name.to_lowercase();
    let (key, own) = (is_key(&column.name), is_own_key(table, &column.name));
    let mut random = Random::named(&[table, &lower]);
    let mut examples = examples(column);
    if own {
        examples.retain(|example| !example.is_serial(column.kind));
    }
    // Each value takes the same number of draws, so that an example changes no other row.
    let mut cell = |row: usize| -> Option<Cell<'_>> {
        let (null, example, which, number) = (
            random.percent(3),
            random.percent(25),
            random.index(examples.len()),
            random.between(0, i128::from(u64::MAX)),
        );
        if let (true, Some(value)) = (own, examples.get(row)) {
            return Some(Cell::Example(value));
        }
        match examples.get(which) {
            Some(value) if example && !own => Some(Cell::Example(value)),
            _ if own => Some(Cell::Number(row as i128 + 1)),
            _ if null && !key => None,
            _ => Some(Cell::Number(number)),
        }
    };
    let whole = |number: i128| match () {
        () if own => number,
        () if key => number % FOREIGN + 1,
        () if lower.ends_with("year") => 2019 + number % 9,
        () if lower.ends_with("month") => number % 12 + 1,
        () => number % 100 + 1,
    };
    let share = ["rate", "ratio", "share", "percent", "pct", "discount", "tax"];
    let share = share.iter().any(|word| lower.contains(word));
    let cents = |number: i128| match () {
        () if key => whole(number) * 100,
        () if share => number % 11,
        () => number % 1_000_000,
    };
    let day = |number: i128| match number % 2 {
        0 => DAYS[0] + (number / 2) % (DAYS[1] - DAYS[0]),
        _ => DAYS[1] + (number / 2) % (DAYS[2] - DAYS[1]),
    };
    let micros = |number: i128| day(number) * MICROS_OF_DAY + (number / 7) % 86_400 * 1_000_000;
    let mut numbers = |of: &dyn Fn(i128) -> i128| -> Vec<Option<i128>> {
        let one = |row| {
            cell(row).map(|cell| match cell {
                Cell::Number(number) => of(number),
                Cell::Example(Example::Number(number)) => *number,
                Cell::Example(Example::Text(_)) => 0,
            })
        };
        (0..ROWS).map(one).collect()
    };
    let long = |value: Option<i128>| value.and_then(|value| i64::try_from(value).ok());
    Ok(match column.kind {
        Kind::Boolean => {
            let all = numbers(&|number| number % 2).into_iter();
            Arc::new(all.map(|value| value.map(|value| value == 1)).collect::<BooleanArray>())
        }
        Kind::Long => Arc::new(numbers(&whole).into_iter().map(long).collect::<Int64Array>()),
        Kind::Double => {
            let all = numbers(&cents).into_iter();
            Arc::new(all.map(|value| value.map(|value| value as f64 / 100.0)).collect::<Float64Array>())
        }
        Kind::Decimal => {
            let all: Decimal128Array = numbers(&cents).into_iter().collect();
            Arc::new(all.with_precision_and_scale(18, 2)?)
        }
        Kind::Date => {
            let all =
                numbers(&day).into_iter().map(|value| value.and_then(|value| i32::try_from(value).ok()));
            Arc::new(all.collect::<Date32Array>())
        }
        Kind::Timestamp => {
            Arc::new(numbers(&micros).into_iter().map(long).collect::<TimestampMicrosecondArray>())
        }
        Kind::Text => {
            let text = |cell: Cell<'_>| match cell {
                Cell::Example(Example::Text(text)) => text.clone(),
                Cell::Example(Example::Number(number)) => number.to_string(),
                Cell::Number(number) if key => whole(number).to_string(),
                Cell::Number(number) => format!("{} {}", column.domain, number % TEXTS + 1),
            };
            Arc::new((0..ROWS).map(|row| cell(row).map(text)).collect::<StringArray>())
        }
        Kind::List => {
            let mut list = ListBuilder::new(StringBuilder::new());
            for value in numbers(&|number| number % 40) {
                for at in 0..value.unwrap_or(0) % 4 {
                    list.values().append_value(format!(
                        "{} {}",
                        column.domain,
                        (value.unwrap_or(0) + at) % 12 + 1
                    ));
                }
                list.append(value.is_some());
            }
            cast(&list.finish(), &column.kind.data_type())?
        }
        Kind::Map => {
            let (key, value) = ("keys".to_owned(), "values".to_owned());
            let names = MapFieldNames { entry: "entries".into(), key, value };
            let mut map = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
            for value in numbers(&|number| number % TEXTS) {
                for name in &column.examples {
                    map.keys().append_value(name);
                    map.values().append_value(format!("{name} {}", value.unwrap_or(0) + 1));
                }
                map.append(value.is_some())?;
            }
            Arc::new(map.finish())
        }
    })
}

enum Example {
    /// In the unit of the type: cents, days, microseconds.
    Number(i128),
    Text(String),
}

impl Example {
    /// Returns whether a primary key contains this value anyway.
    fn is_serial(&self, kind: Kind) -> bool {
        let number = match self {
            Self::Number(cents) if matches!(kind, Kind::Double | Kind::Decimal) => Some(cents / 100),
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        };
        number.is_some_and(|number| (1..=ROWS as i128).contains(&number))
    }
}

enum Cell<'a> {
    Number(i128),
    Example(&'a Example),
}

/// The values a column is compared with, in its type; for numbers and dates, their neighbours too.
fn examples(column: &Asked) -> Vec<Example> {
    let near = |value: i128, step: i128| [value - step, value, value + step].map(Example::Number);
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.abs() < 1e15);
    let time = |text: &str, kind: Kind| {
        let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let days = cast(&text, &kind.data_type()).ok()?;
        let days = cast(&days, &DataType::Int64).ok()?;
        let days = days.as_primitive_opt::<Int64Type>()?.iter().next()??;
        Some(i128::from(days))
    };
    let all = column.examples.iter();
    match column.kind {
        Kind::Text => all.map(|text| Example::Text(text.clone())).collect(),
        Kind::Long => {
            all.filter_map(|text| number(text)).flat_map(|value| near(value.round() as i128, 1)).collect()
        }
        Kind::Decimal | Kind::Double => {
            let cents = all.filter_map(|text| number(text)).map(|value| (value * 100.0).round() as i128);
            cents.flat_map(|value| near(value, 1)).collect()
        }
        Kind::Date => {
            all.filter_map(|text| time(text, Kind::Date)).flat_map(|value| near(value, 1)).collect()
        }
        Kind::Timestamp => all
            .filter_map(|text| time(text, Kind::Timestamp))
            .flat_map(|value| near(value, MICROS_OF_DAY))
            .collect(),
        _ => Vec::new(),
    }
}
