//! SQL of the vendor's PySpark layer, with Spark's meaning.

use sql::Error;

use crate::support::engine;

async fn check(cases: &[(&str, &str)]) {
    let engine = engine().open();
    for (expression, value) in cases {
        let sql = match expression.contains(" from ") && !expression.starts_with("substring") {
            true => format!("select {expression}"),
            false => format!("select {expression} as v"),
        };
        assert_eq!(engine.one(&sql).await, *value, "{expression}");
    }
}

#[tokio::test]
async fn texts_are_cut_as_in_spark() {
    check(&[
        ("substring('Spark SQL', -3)", "SQL"),
        ("substring('Spark SQL', -3, 2)", "SQ"),
        ("substring('abc', -5, 3)", "a"),
        ("substring('abc', 0, 2)", "ab"),
        ("substring('abc' from 2 for 1)", "b"),
        ("substr('abc', 2, -1)", ""),
        ("split('oneAtwoBthreeC', '[ABC]')", "[one, two, three, ]"),
        ("split('oneAtwoBthreeC', '[ABC]', 2)", "[one, twoBthreeC]"),
        ("split('a|b', '|')", "[a, b]"),
        ("split('a||b', '||')", "[a, b]"),
        ("split('a1b22c', '[0-9]+')", "[a, b, c]"),
        ("split(null, ',')", "null"),
        ("concat('a', null, 'b')", "null"),
        ("concat('a', 1)", "a1"),
        ("concat([1], [2, 3])", "[1, 2, 3]"),
        ("concat_ws('-', 'a', null, ['b', null, 'c'])", "a-b-c"),
        ("reverse('abc') || reverse(['a', 'b'])[1]", "cbab"),
        ("format_number(12332.123456, 4)", "12,332.1235"),
        ("rpad('ab', floor(7 / 2), '*')", "ab*"),
        ("format_number(2.5, 0) || format_number(3.5, 0)", "24"),
        ("format_number(-999.995, 1)", "-1,000.0"),
        ("format_number(9.99, 1) || format_number(0.5, 0) || format_number(1.5, 0)", "10.002"),
        ("format_number(-0.4, 0)", "0"),
        ("format_number(cast(1234567.125 as decimal(12, 3)), 2)", "1,234,567.12"),
    ])
    .await;
}

#[tokio::test]
async fn hashes_are_those_of_spark() {
    check(&[
        ("hash('Spark', [cast(123 as int)], cast(2 as int))", "-1321691492"),
        ("xxhash64('Spark', [cast(123 as int)], cast(2 as int))", "5602566077635097486"),
        ("hash(null)", "42"),
        ("xxhash64(null)", "42"),
        ("hash(cast(0 as double)) = hash(cast(-0.0 as double))", "true"),
        ("crc32('Spark')", "1557323817"),
        ("md5('Spark')", "8cde774d6f7333752ed72cacddb05126"),
    ])
    .await;
}

#[tokio::test]
async fn lists_know_what_null_is() {
    check(&[
        ("array_contains([1, 2, 3], 2)", "true"),
        ("array_contains([1, null], 2)", "null"),
        ("array_contains(l, 2) from (values ([2, null])) t(l)", "true"),
        ("count(*) from (values ([1, null])) t(l) where not array_contains(l, 2)", "0"),
        ("array_contains([], 1)", "false"),
        ("array_contains(['2024-03-31'], date '2024-03-31')", "true"),
        ("array_contains(['2024-03-31'], timestamp '2024-03-31 00:00:00')", "true"),
        ("array_contains(l, date '2024-03-31') from (values (['2024-03-31'])) t(l)", "true"),
        ("array(1, 2)", "[1, 2]"),
        ("array_position([312, 773, 708], 708)", "3"),
        ("array_position(708, [312, 773, 708])", "3"),
        ("array_position([312], 1)", "0"),
        ("array_remove([1, 2, 3, null, 3], 3)", "[1, 2, null]"),
        ("array_sort(['b', null, 'a'])", "[a, b, null]"),
        ("sort_array(['b', null, 'a'])", "[null, a, b]"),
        ("arrays_overlap([1, 2, 3], [3, 4])", "true"),
        ("arrays_overlap([1, null], [2])", "null"),
        ("arrays_overlap([1], [2])", "false"),
        ("arrays_zip([1, 2], ['a'])", "[{0: 1, 1: a}, {0: 2, 1: null}]"),
        ("map_concat(map['a', 1], map['b', 2])", "{a: 1, b: 2}"),
        ("map_from_arrays(['a', 'b'], [1, 2])", "{a: 1, b: 2}"),
        ("element_at(map['a', 1, 'b', 2], 'b')", "2"),
        ("element_at([1, 2, 3], -1)", "3"),
    ])
    .await;
    let twice = engine().open().failed("select map_concat(map['a', 1], map['a', 2])").await;
    assert_eq!(twice.to_string(), "map_concat(): the key a is there twice");
}

#[tokio::test]
async fn json_has_a_schema() {
    check(&[
        ("from_json('{\"a\":1, \"b\":0.8}', 'a INT, b DOUBLE')", "{a: 1, b: 0.8}"),
        ("from_json('{\"a\":\"x\"}', 'a INT')['a']", "null"),
        ("from_json('nonsense', 'a INT')", "{a: null}"),
        ("from_json(null, 'a INT')", "null"),
        ("from_json('[1, 2]', 'ARRAY<INT>')", "[1, 2]"),
        ("from_json('{\"k\": [1]}', 'MAP<STRING, ARRAY<BIGINT>>')", "{k: [1]}"),
        ("from_json('{\"s\": {\"d\": \"2024-01-02\"}}', 's STRUCT<d: DATE>')", "{s: {d: 2024-01-02}}"),
        (
            "from_json('{\"a\": 5}', 'StructType(fields=[StructField(name=\\'a\\', dataType=LongType(), nullable=True)])')",
            "{a: 5}",
        ),
        (
            "sum(from_json(concat('{\"a\": 1, \"b\": \"', repeat('x', 1000), '\"}'), 'a INT')['a']) from generate_series(1, 3000)",
            "3000",
        ),
        ("get_json_object('{\"a\":[{\"b\":1},{\"b\":2}]}', '$.a[*].b')", "[1,2]"),
        ("get_json_object('{\"a\":[{\"b\":1}]}', '$.a[*].b')", "1"),
        ("get_json_object('{\"a\":[]}', '$.a[*].b')", "null"),
    ])
    .await;
    let engine = engine().open();
    assert_eq!(engine.ask("select json_tuple('{\"a\":1, \"b\":\"x\"}', 'a', 'b')").await, [["1", "x"]]);
    assert_eq!(engine.one("select json_tuple('{\"a\":1}', 'a') as it").await, "1");
    let error = engine.refused("select from_json('{}', 'a NOTHING')").await;
    assert_eq!(error.to_string(), "schema 'a NOTHING': 'NOTHING' is not a type");
}

#[tokio::test]
async fn lists_become_rows() {
    let engine = engine().open();
    let lists = "(values (1, [10, 20]), (2, []), (3, null)) t(id, l)";
    for (sql, rows) in [
        ("id, explode(l) as e", vec![["1", "10"], ["1", "20"]]),
        ("id, explode_outer(l) as e", vec![["1", "10"], ["1", "20"], ["2", "null"], ["3", "null"]]),
        ("posexplode(l)", vec![["0", "10"], ["1", "20"]]),
        ("posexplode(l) as (p, v)", vec![["0", "10"], ["1", "20"]]),
        ("posexplode_outer(l)", vec![["0", "10"], ["1", "20"], ["null", "null"], ["null", "null"]]),
    ] {
        assert_eq!(engine.ask(&format!("select {sql} from {lists}")).await, rows, "{sql}");
    }
    let sql = format!("select sum(pos), sum(v) from (select posexplode(l) as v from {lists}) t");
    assert_eq!(engine.ask(&sql).await, [["1", "30"]]);
}

#[tokio::test]
async fn division_of_whole_numbers_is_exact() {
    check(&[
        ("3 / 2", "1.5"),
        ("7 div 2", "3"),
        ("div(-7, 2)", "-3"),
        ("value div 2 + 1 from generate_series(5, 5)", "3"),
        ("x / 2 + x from (values (3)) t(x)", "4.5"),
        ("div from (values (3)) t(div)", "3"),
        ("cast(7 as decimal(3, 1)) / 2", "3.50000"),
    ])
    .await;
    for sql in ["select 1 / 0", "select x / 0 from (values (1)) t(x)", "select 1 div 0"] {
        let error = engine().open().failed(sql).await;
        assert_eq!(error, Error::Invalid("Divide by zero error".into()), "{sql}");
    }
}

#[tokio::test]
async fn percentiles_are_values_of_the_column() {
    let numbers = "from (values (0), (1), (2), (10), (null)) t(x)";
    check(&[
        (&format!("approx_percentile(x, 0.5) {numbers}"), "1"),
        (&format!("approx_percentile(x, 0.75, 100) {numbers}"), "2"),
        (&format!("approx_percentile(x, 0.0) {numbers}"), "0"),
        (&format!("approx_percentile(x, 1.0) {numbers}"), "10"),
        (&format!("approx_percentile(x, 0.5) filter (where x > 1) {numbers}"), "2"),
        (&format!("approx_percentile(x, 0.5) {numbers} where x > 10"), "null"),
        (&format!("collect_list(x) over () {numbers} limit 1"), "[0, 1, 2, 10]"),
        (&format!("collect_set(x) filter (where x < 1) {numbers}"), "[0]"),
        (&format!("var_pop(x) = variance_pop(x) {numbers}"), "true"),
    ])
    .await;
}
