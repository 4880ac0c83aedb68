//! Templates in DataFusion's SQL for functions of the dialect; `$1`, `$2` … are the arguments.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{Expr, Value, ValueWithSpan, visit_expressions_mut},
    dialect::GenericDialect,
    parser::Parser,
};

use super::forms;
use crate::Error;

/// Name, number of arguments, and template of a function.
type Template = (&'static str, usize, &'static str);

const DATES: &[Template] = &[
    ("add_months", 2, "CAST($1 AS DATE) + arrow_cast(concat($2, ' month'), 'Interval(MonthDayNano)')"),
    ("convert_timezone", 2, "from_utc_timestamp($2, $1)"),
    ("convert_timezone", 3, "from_utc_timestamp(to_utc_timestamp($3, $1), $2)"),
    ("datetime", 1, "CAST($1 AS TIMESTAMP)"),
    ("dayname", 1, "to_char(CAST($1 AS TIMESTAMP), '%a')"),
    ("dayofweekiso", 1, "(CAST(date_part('dow', $1) AS INT) + 6) % 7 + 1"),
    ("dayofweek_iso", 1, "(CAST(date_part('dow', $1) AS INT) + 6) % 7 + 1"),
    ("days", 1, "date_part('day', $1)"),
    ("from_unixtime", 1, "CAST(to_timestamp_seconds(CAST($1 AS BIGINT)) AS TIMESTAMP)"),
    (
        "last_day",
        1,
        "CAST(date_trunc('month', CAST($1 AS TIMESTAMP)) AS DATE) + INTERVAL '1' MONTH - INTERVAL '1' DAY",
    ),
    ("monthname", 1, "to_char(CAST($1 AS TIMESTAMP), '%b')"),
    ("time", 1, "CAST(CAST($1 AS TIMESTAMP) AS TIME)"),
    ("timestamp", 1, "CAST($1 AS TIMESTAMP)"),
    ("to_timestamp_ltz", 1, "CAST($1 AS TIMESTAMP WITH TIME ZONE)"),
    ("to_timestamp_ntz", 1, "CAST($1 AS TIMESTAMP)"),
    ("to_timestamp_tz", 1, "CAST($1 AS TIMESTAMP WITH TIME ZONE)"),
    (
        "to_unix_timestamp",
        1,
        "CAST(arrow_cast(CAST($1 AS TIMESTAMP), 'Timestamp(Millisecond, None)') AS BIGINT)",
    ),
    ("try_to_timestamp", 1, "TRY_CAST($1 AS TIMESTAMP)"),
    ("try_to_date", 1, "TRY_CAST($1 AS DATE)"),
    ("unix_date", 1, "CAST(CAST($1 AS DATE) AS INT)"),
    ("unix_timestamp", 0, "CAST(floor(date_part('epoch', now())) AS BIGINT)"),
    ("unix_timestamp", 1, "CAST(floor(date_part('epoch', CAST($1 AS TIMESTAMP))) AS BIGINT)"),
    ("weekday", 1, "(CAST(date_part('dow', $1) AS INT) + 6) % 7"),
    ("weekiso", 1, "date_part('week', $1)"),
    ("yearofweek", 1, "date_part('isoyear', $1)"),
];

const TEXTS: &[Template] = &[
    ("charindex", 2, "strpos($2, $1)"),
    ("charindex", 3, "locate($1, $2, $3)"),
    ("contains_substr", 2, "strpos(lower($1), lower($2)) > 0"),
    ("endswith", 2, "ends_with($1, $2)"),
    ("ilike", 2, "$1 ILIKE $2"),
    ("like", 2, "$1 LIKE $2"),
    ("locate", 2, "strpos($2, $1)"),
    (
        "locate",
        3,
        "CASE WHEN strpos(substr($2, $3), $1) = 0 THEN 0 ELSE strpos(substr($2, $3), $1) + $3 - 1 END",
    ),
    ("regexp_extract", 2, "regexp_extract($1, $2, 1)"),
    ("regexp_substr", 2, "regexp_extract($1, $2, 0)"),
    ("space", 1, "repeat(' ', $1)"),
    ("hex", 1, "upper(to_hex($1))"),
    ("unbase64", 1, "decode($1, 'base64')"),
    ("base64", 1, "encode($1, 'base64pad')"),
    ("startswith", 2, "starts_with($1, $2)"),
    ("to_varchar", 1, "CAST($1 AS VARCHAR)"),
    ("to_number", 1, "CAST($1 AS DOUBLE)"),
];

const VALUES: &[Template] = &[
    ("array_size", 1, "CAST(cardinality($1) AS INT)"),
    ("ceil", 2, "ceil($1 * power(10, $2)) / power(10, $2)"),
    ("count_if", 1, "count(CASE WHEN $1 THEN 1 END)"),
    ("element_at", 2, "$1[$2]"),
    ("div", 2, "$1 // $2"),
    ("explode", 1, "unnest($1)"),
    ("explode_outer", 1, "unnest(list_or_null($1))"),
    ("input_file_name", 0, "''"),
    ("map_from_arrays", 2, "map($1, $2)"),
    ("monotonically_increasing_id", 0, "CAST(row_number() OVER () AS BIGINT) - 1"),
    ("rand", 1, "seeded_random($1, row_number() OVER ())"),
    ("randn", 0, "sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())"),
    (
        "randn",
        1,
        "sqrt(-2 * ln(1 - seeded_random(2 * $1, row_number() OVER ())))
         * cos(2 * pi() * seeded_random(2 * $1 + 1, row_number() OVER ()))",
    ),
    ("spark_partition_id", 0, "0"),
    ("any_match", 2, "array_any_match($1, $2)"),
    ("array_exists", 2, "array_any_match($1, $2)"),
    ("none_match", 2, "NOT array_any_match($1, $2)"),
    ("aggregate", 3, "reduce($1, $2, $3)"),
    ("aggregate", 4, "reduce($1, $2, $3, $4)"),
    ("array_reduce", 3, "reduce($1, $2, $3)"),
    ("array_reduce", 4, "reduce($1, $2, $3, $4)"),
    ("filter", 2, "array_filter($1, $2)"),
    ("filter_array", 2, "array_filter($1, $2)"),
    ("floor", 2, "floor($1 * power(10, $2)) / power(10, $2)"),
    ("max_by", 2, "first_value($1 ORDER BY $2 DESC) FILTER (WHERE $2 IS NOT NULL)"),
    ("min_by", 2, "first_value($1 ORDER BY $2) FILTER (WHERE $2 IS NOT NULL)"),
    ("percentile", 2, "percentile_cont($1, $2)"),
    ("positive", 1, "+ $1"),
    ("negative", 1, "- $1"),
    ("shiftleft", 2, "$1 << $2"),
    ("shiftright", 2, "$1 >> $2"),
    ("size", 1, "CAST(cardinality($1) AS INT)"),
    ("transform", 2, "array_transform($1, $2)"),
    ("try_divide", 2, "CAST($1 AS DOUBLE) / NULLIF(CAST($2 AS DOUBLE), 0)"),
    ("try_element_at", 2, "$1[$2]"),
    ("isnull", 1, "$1 IS NULL"),
    ("isnotnull", 1, "$1 IS NOT NULL"),
    ("equal_null", 2, "$1 IS NOT DISTINCT FROM $2"),
    ("pmod", 2, "(($1 % $2) + $2) % $2"),
    ("truncate", 2, "trunc($1, $2)"),
    ("sequence", 2, "generate_series($1, $2)"),
    ("sequence", 3, "generate_series($1, $2, $3)"),
    ("array_sort", 1, "array_sort($1, 'ASC', 'NULLS LAST')"),
    ("array_position", 2, "position_in_list($1, $2)"),
    ("array_remove", 2, "array_remove_all($1, $2)"),
    ("sort_array", 1, "array_sort($1, 'ASC', 'NULLS FIRST')"),
    ("slice", 3, "array_slice($1, $2, $2 + $3 - 1)"),
    ("array_join", 2, "array_to_string($1, $2)"),
    (
        "width_bucket",
        4,
        "CASE WHEN $1 < $2 THEN 0 WHEN $1 >= $3 THEN $4 + 1
         ELSE CAST(floor(CAST($1 - $2 AS DOUBLE) * $4 / ($3 - $2)) AS BIGINT) + 1 END",
    ),
    ("zeroifnull", 1, "coalesce($1, 0)"),
    ("nullifzero", 1, "nullif($1, 0)"),
    ("div0", 2, "CASE WHEN $2 = 0 THEN 0 ELSE $1 / $2 END"),
];

/// The names of functions with a template.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    [DATES, TEXTS, VALUES].into_iter().flatten().map(|(name, ..)| *name)
}

/// Expands a function; `None` if it has no template.
pub(super) fn filled(name: &str, arguments: &[Expr]) -> Result<Option<Expr>, Error> {
    let of = |(own, count, _): &&Template| *own == name && *count == arguments.len();
    let found = [DATES, TEXTS, VALUES].iter().flat_map(|family| family.iter()).find(of);
    found.map(|(_, _, template)| fill(template, arguments)).transpose()
}

/// Fills arguments into a template.
pub(super) fn fill(template: &str, arguments: &[Expr]) -> Result<Expr, Error> {
    let mut parser = Parser::new(&GenericDialect).try_with_sql(template).map_err(wrong)?;
    let mut expr = parser.parse_expr().map_err(wrong)?;
    // Rewrite before inserting the arguments, which are rewritten already.
    forms::rewrite(&mut expr)?;
    let _: ControlFlow<()> = visit_expressions_mut(&mut expr, |inner| {
        if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = inner
            && let Some(at) = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok())
            && let Some(argument) = arguments.get(at.wrapping_sub(1))
        {
            *inner = match argument {
                Expr::Lambda(_) => argument.clone(),
                other => Expr::Nested(Box::new(other.clone())),
            };
        }
        ControlFlow::Continue(())
    });
    Ok(Expr::Nested(Box::new(expr)))
}

fn wrong(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("a function of the dialect is written wrongly: {error}"))
}
