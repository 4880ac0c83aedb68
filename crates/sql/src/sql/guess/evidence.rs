//! Infers the type of a column from its uses. Columns that are compared with each other form a class.

use datafusion::arrow::datatypes::DataType;

use crate::catalog::{Kind, Remembered};

/// The most compared values that appear in a column's rows.
const EXAMPLES: usize = 16;

/// A set of uses.
pub(super) type Uses = u32;

pub(super) const LIST: Uses = 1;
pub(super) const MAP: Uses = 1 << 1;
pub(super) const BOOLEAN: Uses = 1 << 2;
/// Only a whole number is valid.
pub(super) const WHOLE: Uses = 1 << 3;
/// Only a number is valid.
pub(super) const SUM: Uses = 1 << 4;
/// A date or a timestamp.
pub(super) const TIME: Uses = 1 << 5;
/// A timestamp: it has hours, or a time zone.
pub(super) const MOMENT: Uses = 1 << 6;
pub(super) const TEXT: Uses = 1 << 7;
/// A number with digits after the point.
pub(super) const EXACT: Uses = 1 << 8;
pub(super) const INTEGER: Uses = 1 << 9;
/// A number of any type, in arithmetic.
pub(super) const NUMBER: Uses = 1 << 10;
/// A text that parses as a date.
pub(super) const LIKE_DATE: Uses = 1 << 11;
/// A text that parses as a timestamp.
pub(super) const LIKE_MOMENT: Uses = 1 << 12;
/// An interval; never the type of a column.
pub(super) const INTERVAL: Uses = 1 << 13;

const NUMBERS: Uses = WHOLE | SUM | EXACT | INTEGER | NUMBER;

/// The inferred type of an expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Term {
    Nothing,
    Is(Uses),
    /// A column of a generated table.
    Column(usize),
}

/// The uses of a value of a known type.
pub(super) fn of_type(data_type: &DataType) -> Uses {
    match data_type {
        DataType::Boolean => BOOLEAN,
        _ if data_type.is_integer() => INTEGER,
        _ if data_type.is_floating() => NUMBER,
        _ if data_type.is_numeric() => EXACT,
        DataType::Date32 | DataType::Date64 => TIME,
        DataType::Timestamp(..) => TIME | MOMENT,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => TEXT,
        DataType::List(_) | DataType::LargeList(_) => LIST,
        DataType::Map(..) => MAP,
        DataType::Interval(_) | DataType::Duration(_) => INTERVAL,
        _ => 0,
    }
}

/// The uses that a literal text implies.
pub(super) fn of_text(text: &str) -> Uses {
    let bytes = text.as_bytes();
    let digits =
        |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let dash = |at: usize| bytes.get(at) == Some(&b'-');
    let is_date = digits(0, 4) && dash(4) && digits(5, 7) && dash(7) && digits(8, 10);
    match bytes.len() {
        10 if is_date => LIKE_DATE,
        16.. if is_date && matches!(bytes[10], b' ' | b'T') && digits(11, 13) => LIKE_MOMENT,
        _ => TEXT,
    }
}

#[derive(Debug)]
struct Class {
    parent: usize,
    uses: Uses,
    examples: Vec<String>,
    members: Vec<usize>,
}

/// The classes of the generated columns in a statement.
#[derive(Debug, Default)]
pub(super) struct Classes(Vec<Class>);

impl Classes {
    /// Adds a column, in a class of its own.
    pub(super) fn column(&mut self) -> usize {
        let own = self.0.len();
        self.0.push(Class { parent: own, uses: 0, examples: Vec::new(), members: vec![own] });
        own
    }

    pub(super) fn find(&self, mut column: usize) -> usize {
        while self.0[column].parent != column {
            column = self.0[column].parent;
        }
        column
    }

    pub(super) fn mark(&mut self, term: Term, uses: Uses) {
        if let Term::Column(column) = term {
            let class = self.find(column);
            self.0[class].uses |= uses & !INTERVAL;
        }
    }

    pub(super) fn example(&mut self, term: Term, value: String) {
        if let Term::Column(column) = term {
            let class = self.find(column);
            let examples = &mut self.0[class].examples;
            if examples.len() < EXAMPLES && !examples.contains(&value) {
                examples.push(value);
            }
        }
    }

    /// Records that two expressions have one type.
    pub(super) fn unify(&mut self, one: Term, other: Term) {
        match (one, other) {
            (Term::Column(_), Term::Is(uses)) => self.mark(one, uses),
            (Term::Is(uses), Term::Column(_)) => self.mark(other, uses),
            (Term::Column(one), Term::Column(other)) => {
                let (one, other) = (self.find(one), self.find(other));
                if one == other {
                    return;
                }
                let (small, large) = match self.0[one].members.len() < self.0[other].members.len() {
                    true => (one, other),
                    false => (other, one),
                };
                self.0[small].parent = large;
                let (members, uses) = (std::mem::take(&mut self.0[small].members), self.0[small].uses);
                for value in std::mem::take(&mut self.0[small].examples) {
                    self.example(Term::Column(large), value);
                }
                self.0[large].members.extend(members);
                self.0[large].uses |= uses;
            }
            _ => {}
        }
    }

    pub(super) fn uses(&self, column: usize) -> Uses {
        self.0[self.find(column)].uses
    }

    pub(super) fn examples(&self, column: usize) -> &[String] {
        &self.0[self.find(column)].examples
    }

    pub(super) fn members(&self, column: usize) -> &[usize] {
        &self.0[self.find(column)].members
    }
}

/// The type implied by uses of a column with these names; `None` if they imply none.
pub(super) fn inferred(uses: Uses, names: &[&str]) -> Option<Kind> {
    let has = |some: Uses| uses & some != 0;
    let named = || names.iter().find_map(|name| Kind::time_named(&name.to_lowercase()));
    Some(match () {
        () if has(LIST) => Kind::List,
        () if has(MAP) => Kind::Map,
        () if has(WHOLE) => Kind::Long,
        () if has(SUM) => Kind::Double,
        () if has(BOOLEAN) => Kind::Boolean,
        () if has(MOMENT) => Kind::Timestamp,
        () if has(TIME) => named().unwrap_or(match has(LIKE_MOMENT) {
            true => Kind::Timestamp,
            false => Kind::Date,
        }),
        () if has(TEXT) => Kind::Text,
        () if has(NUMBER) => Kind::Double,
        () if has(EXACT) => Kind::Decimal,
        () if has(INTEGER) => Kind::Long,
        () if has(LIKE_MOMENT) => Kind::Timestamp,
        () if has(LIKE_DATE) => named().unwrap_or(Kind::Date),
        () => return None,
    })
}

/// Returns whether a column of this type allows these uses.
fn fits(kind: Kind, uses: Uses) -> bool {
    let within = |some: Uses| uses & !some == 0;
    match kind {
        Kind::Boolean => within(BOOLEAN),
        Kind::Long => within(NUMBERS),
        Kind::Decimal | Kind::Double => within(NUMBERS & !WHOLE),
        Kind::Date => within(TIME | LIKE_DATE),
        Kind::Timestamp => within(TIME | MOMENT | LIKE_DATE | LIKE_MOMENT),
        Kind::Text => within(TEXT | LIKE_DATE | LIKE_MOMENT),
        Kind::List => within(LIST),
        Kind::Map => within(MAP),
    }
}

/// The type of a class of columns: a remembered type if it fits, else from uses, else from names, else text. Also
/// returns whether more than the names determined it.
pub(super) fn decided(uses: Uses, remembered: &[Remembered], names: &[&str]) -> (Kind, bool) {
    let known = |sure: bool| remembered.iter().find(|one| one.sure == sure && fits(one.kind, uses));
    if let Some(one) = known(true) {
        return (one.kind, true);
    }
    if uses == 0
        && let Some(one) = known(false)
    {
        return (one.kind, false);
    }
    match inferred(uses, names) {
        Some(kind) => (kind, true),
        None => (names.iter().find_map(|name| Kind::named(name)).unwrap_or(Kind::Text), false),
    }
}
