//! Parses types: `a INT, b ARRAY<STRING>` as Spark writes them, and `StructType(fields=[…])` as the vendor's PySpark
//! layer does.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, Field, TimeUnit},
    common::{Result, plan_err},
};

/// The deepest nesting of types.
const NESTING: usize = 32;

/// Parses a type.
pub(super) fn parsed(text: &str) -> Result<DataType> {
    let mut rest = Words { all: words(text), at: 0, text, depth: 0 };
    let kind = match rest.all.get(1).map(String::as_str) {
        // A column's name and its type.
        Some(second) if !matches!(second, "<" | "(" | "") => rest.fields("")?,
        _ => rest.kind()?,
    };
    match rest.next() {
        "" => Ok(kind),
        other => plan_err!("schema '{text}': expected its end, found {other}"),
    }
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for sign in text.chars() {
        let last = words.len() - 1;
        match quote {
            Some(end) if sign == end => (quote, _) = (None, words.push(String::new())),
            Some(_) => words[last].push(sign),
            None if sign == '`' || sign == '\'' => quote = Some(sign),
            None if sign.is_whitespace() => words.push(String::new()),
            None if "<>(),:=[]".contains(sign) => words.extend([sign.to_string(), String::new()]),
            None => words[last].push(sign),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

struct Words<'a> {
    all: Vec<String>,
    at: usize,
    text: &'a str,
    depth: usize,
}

impl Words<'_> {
    fn peek(&self) -> &str {
        self.all.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> &str {
        self.at += 1;
        self.all.get(self.at - 1).map_or("", String::as_str)
    }

    fn took(&mut self, word: &str) -> bool {
        let there = self.peek().eq_ignore_ascii_case(word);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.took(word) {
            return Ok(());
        }
        plan_err!("schema '{}': expected {word}, found '{}'", self.text, self.peek())
    }

    /// `a INT, b: STRING` up to `end`.
    fn fields(&mut self, end: &str) -> Result<DataType> {
        let mut fields = Vec::new();
        while self.peek() != end {
            let name = self.next().to_owned();
            self.took(":");
            fields.push(Field::new(name, self.kind()?, true));
            while !matches!(self.peek(), "," | "") && self.peek() != end {
                // Skip NOT NULL and similar words.
                self.at += 1;
            }
            self.took(",");
        }
        Ok(DataType::Struct(fields.into()))
    }

    fn kind(&mut self) -> Result<DataType> {
        self.depth += 1;
        if self.depth > NESTING {
            return plan_err!("schema '{}' is nested too deeply", self.text);
        }
        let name = self.next().to_ascii_uppercase();
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        let kind = match name.as_str() {
            "BOOLEAN" | "BOOLEANTYPE" => DataType::Boolean,
            "TINYINT" | "BYTE" | "BYTETYPE" => DataType::Int8,
            "SMALLINT" | "SHORT" | "SHORTTYPE" => DataType::Int16,
            "INT" | "INTEGER" | "INTEGERTYPE" => DataType::Int32,
            "BIGINT" | "LONG" | "LONGTYPE" => DataType::Int64,
            "FLOAT" | "REAL" | "FLOATTYPE" => DataType::Float32,
            "DOUBLE" | "DOUBLETYPE" => DataType::Float64,
            "STRING" | "VARCHAR" | "STRINGTYPE" => DataType::Utf8,
            "DATE" | "DATETYPE" => DataType::Date32,
            "TIMESTAMP" | "TIMESTAMPTYPE" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "DECIMAL" | "DECIMALTYPE" => return self.decimal(),
            "ARRAY" => {
                self.expect("<")?;
                let item = self.kind()?;
                self.expect(">")?;
                list(item)
            }
            "MAP" => {
                self.expect("<")?;
                let key = self.kind()?;
                self.expect(",")?;
                let value = self.kind()?;
                self.expect(">")?;
                map(key, value)
            }
            "STRUCT" => {
                self.expect("<")?;
                let fields = self.fields(">")?;
                self.expect(">")?;
                fields
            }
            "ARRAYTYPE" => {
                self.expect("(")?;
                let item = self.named("elementType")?;
                self.closed()?;
                list(item)
            }
            "MAPTYPE" => {
                self.expect("(")?;
                let key = self.named("keyType")?;
                self.expect(",")?;
                let value = self.named("valueType")?;
                self.closed()?;
                map(key, value)
            }
            "STRUCTTYPE" => self.python()?,
            _ => return plan_err!("schema '{}': '{name}' is not a type", self.text),
        };
        if name.ends_with("TYPE") && self.took("(") {
            self.closed()?;
        }
        self.depth -= 1;
        Ok(kind)
    }

    /// `DECIMAL(10, 2)` and `DecimalType(precision=10, scale=2)`
    fn decimal(&mut self) -> Result<DataType> {
        let mut digits = [10_i8, 0];
        if self.took("(") {
            for (place, name) in digits.iter_mut().zip(["precision", "scale"]) {
                self.took(",");
                if self.took(name) {
                    self.expect("=")?;
                }
                *place = self.peek().parse().unwrap_or(*place);
                self.at += usize::from(self.peek() != ")");
            }
            self.expect(")")?;
        }
        self.depth -= 1;
        Ok(DataType::Decimal128(digits[0].unsigned_abs().clamp(1, 38), digits[1]))
    }

    fn named(&mut self, name: &str) -> Result<DataType> {
        if self.took(name) {
            self.expect("=")?;
        }
        self.kind()
    }

    /// Skips to the closing bracket.
    fn closed(&mut self) -> Result<()> {
        let mut open = 1;
        while open > 0 {
            match self.next() {
                "(" => open += 1,
                ")" => open -= 1,
                "" => return plan_err!("schema '{}': expected )", self.text),
                _ => {}
            }
        }
        Ok(())
    }

    /// `StructType(fields=[StructField(name='a', dataType=LongType(), nullable=True), …])`
    fn python(&mut self) -> Result<DataType> {
        self.expect("(")?;
        if self.took("fields") {
            self.expect("=")?;
        }
        self.expect("[")?;
        let mut fields = Vec::new();
        while self.took("StructField") {
            self.expect("(")?;
            if self.took("name") {
                self.expect("=")?;
            }
            let name = self.next().to_owned();
            self.expect(",")?;
            let kind = self.named("dataType")?;
            self.closed()?;
            self.took(",");
            fields.push(Field::new(name, kind, true));
        }
        self.expect("]")?;
        self.closed()?;
        Ok(DataType::Struct(fields.into()))
    }
}

fn map(key: DataType, value: DataType) -> DataType {
    let entry = vec![Field::new("key", key, false), Field::new("value", value, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry.into()), false)), false)
}
