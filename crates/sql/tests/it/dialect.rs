//! Names of the dialect, each with the meaning that its users expect.

use crate::support::engine;

async fn check(cases: &[(&str, &str)]) {
    let engine = engine().open();
    for (expression, value) in cases {
        let sql = match expression.contains(" from ") {
            true => format!("select {expression}"),
            false => format!("select {expression} as v"),
        };
        assert_eq!(engine.one(&sql).await, *value, "{sql}");
    }
}

#[tokio::test]
async fn dates_and_timestamps() {
    check(&[
        ("to_unix_timestamp(timestamp '2024-01-01 00:00:00')", "1704067200000"),
        ("to_unix_timestamp('01/02/2024', 'dd/MM/yyyy')", "1706745600000"),
        ("unix_timestamp('01/02/2024', 'dd/MM/yyyy')", "1706745600"),
        ("to_unix_timestamp(timestamp '1969-12-31 23:59:59.5')", "-500"),
        ("from_unixtime(1674797653)", "2023-01-27T05:34:13"),
        ("from_unixtime(1674797653, 'yyyy-MM-dd')", "2023-01-27"),
        ("from_unixtime_withunit(1674797653123, 'milliseconds')", "2023-01-27T05:34:13.123"),
        ("timestamp_diff(timestamp '2024-01-03 00:00:00', timestamp '2024-01-01 00:00:00', day)", "2"),
        ("timestamp_add('hour', 10, '2020-02-01')", "2020-02-01T10:00:00"),
        ("timestamp_add(day, 1, date '2024-01-01')", "2024-01-02"),
        ("date_diff('day', date '2024-01-01', date '2024-02-01')", "31"),
        ("date_diff('month', '2024-01-31', '2024-02-29')", "0"),
        ("date_diff('month', '2024-03-31', '2024-01-31')", "-2"),
        ("date_diff(date '2024-02-01', date '2024-01-01')", "31"),
        ("datediff(day, '2024-01-01', '2024-01-05')", "4"),
        ("date_add('month', 1, date '2024-01-31')", "2024-02-29"),
        ("date_add('day', -1, '2024-01-01')", "2023-12-31"),
        ("date_add('2024-01-31', 1)", "2024-02-01"),
        ("date_sub('2024-01-31', 1)", "2024-01-30"),
        ("dateadd(quarter, 1, date '2024-01-01')", "2024-04-01"),
        ("days('1970-01-10')", "10"),
        ("last_day(date '2024-02-10')", "2024-02-29"),
        ("format_date(date '2024-02-10', 'yyyy-MM-dd')", "2024-02-10"),
        ("format_timestamp(timestamp '2024-02-10 03:04:05', 'dd/MM/yy HH:mm:ss')", "10/02/24 03:04:05"),
        ("format_datetime(timestamp '2024-02-10 13:04:05', 'hh:mm a')", "01:04 PM"),
        ("date_format('2024-02-10', 'EEEE')", "Saturday"),
        ("datetime('2024-01-01 10:00:00')", "2024-01-01T10:00:00"),
        ("time('2024-01-01 10:00:00')", "10:00:00"),
        ("timestamp('2024-01-01')", "2024-01-01T00:00:00"),
        ("to_timestamp_ntz('2024-01-01')", "2024-01-01T00:00:00"),
        ("to_date('31.12.2023', 'dd.MM.yyyy')", "2023-12-31"),
        ("from_utc_timestamp(timestamp '2024-07-01 00:00:00', 'America/New_York')", "2024-06-30T20:00:00"),
        ("to_utc_timestamp(timestamp '2024-07-01 00:00:00', 'Europe/Berlin')", "2024-06-30T22:00:00"),
        (
            "convert_timezone('America/New_York', 'Europe/Berlin', timestamp '2024-07-01 00:00:00')",
            "2024-07-01T06:00:00",
        ),
        ("dayname(date '2024-01-01')", "Mon"),
        ("dayofweekiso(date '2024-01-07')", "7"),
        ("add_months('2024-01-31', 1)", "2024-02-29"),
        ("months_between('2024-03-31', '2024-02-29')", "1.0"),
        ("date '2024-01-01' + interval n day from (values (3)) t(n)", "2024-01-04"),
    ])
    .await;
    let engine = engine().open();
    let error = engine.refused("select date_diff('fortnight', now(), now())").await;
    assert!(error.to_string().contains("expected a unit"), "{error}");
    let error = engine.refused("select format_date(now(), 'QQ')").await;
    assert!(error.to_string().contains("the letter Q is not supported"), "{error}");
}

#[tokio::test]
async fn texts() {
    check(&[
        ("split('a.b', '.')", "[a, b]"),
        ("split('a,b', ',')[2]", "b"),
        ("locate('b', 'abcb')", "2"),
        ("locate('b', 'abcb', 3)", "4"),
        ("locate('z', 'abcb', 3)", "0"),
        ("contains_substr('Hello', 'ELL')", "true"),
        ("endswith('abc', 'c') and startswith('abc', 'a')", "true"),
        ("ilike('ABC', 'a%')", "true"),
        ("soundex('Tymczak') || soundex('Robert') || soundex('Ashcraft')", "T522R163A261"),
        ("url_decode('a%20b+c')", "a b c"),
        ("url_encode('a b&c')", "a+b%26c"),
        ("cast(unbase64('aGk=') as varchar)", "hi"),
        ("base64('hi')", "aGk="),
        ("md5('hello')", "5d41402abc4b2a76b9719d911017c592"),
        ("sha1('a')", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
        ("substr(sha2('a', 256), 1, 8)", "ca978112"),
        ("format('%s-%d', 'a', 5)", "a-5"),
        ("format_string('%05d|%-5s|%.2f|%%', 42, 'x', 3.14159)", "00042|x    |3.14|%"),
        ("to_varchar(12)", "12"),
        ("to_varchar(date '2024-01-01', 'yyyy')", "2024"),
        ("regexp_extract('foo123', '([a-z]+)([0-9]+)', 2)", "123"),
        ("regexp_extract('foo', '(x)')", ""),
        (
            "typeof(1) || typeof('a') || typeof([1]) || typeof(date '2024-01-01')",
            "bigintstringarray<bigint>date",
        ),
        ("hex(255)", "FF"),
    ])
    .await;
}

#[tokio::test]
async fn json_and_lists() {
    check(&[
        ("json_extract('{\"a\": {\"b\": [1, 2]}}', '$.a.b[1]')", "2"),
        ("json_extract('{\"a\": {\"b\": [1, 2]}}', '$.a.b')", "[1,2]"),
        ("json_extract('{\"a\": 1}', '$.b')", "null"),
        ("json_value('{\"a\": \"x\"}', '$.a')", "x"),
        ("json_value('{\"a\": [1]}', '$.a')", "null"),
        ("parse_json('{ \"a\" : 1 }')", "{\"a\":1}"),
        ("to_json(named_struct('a', 1, 'b', 'x'))", "{\"a\":1,\"b\":\"x\"}"),
        ("c:a.b from (select '{\"a\": {\"b\": 5}}' as c) t", "5"),
        ("size([1, 2, 3]) + size(map {'a': 1})", "4"),
        ("sum(x) from (select explode([1, 2, 3]) as x) t", "6"),
        ("try_element_at([1, 2], 5)", "null"),
        ("map_from_entries([struct('a', 1), struct('b', 2)])", "{a: 1, b: 2}"),
        ("map['a', 1]['a']", "1"),
        ("map[['a', 'b'], [1, 2]]['b']", "2"),
        ("filter_array([1, 2, 3], x -> x > 1)", "[2, 3]"),
        ("transform([1, 2], x -> x * 10 + 1)", "[11, 21]"),
        ("any_match([1, 2], x -> x = 2)", "true"),
        ("transform(l, X -> x + n) from (values ([1, 2], 5)) t(l, n)", "[6, 7]"),
        ("sort_array([2, 1])", "[1, 2]"),
        ("sequence(1, 3)", "[1, 2, 3]"),
        ("slice([1, 2, 3], 2, 2)", "[2, 3]"),
        ("array_join(['a', 'b'], '-')", "a-b"),
    ])
    .await;
}

#[tokio::test]
async fn aggregates_and_numbers() {
    check(&[
        ("max_by(x, y) from (values (1, 10), (2, 5), (3, null)) t(x, y)", "1"),
        ("min_by(x, y) from (values (1, 10), (2, 5), (3, null)) t(x, y)", "2"),
        ("approx_count_distinct(status) from orders", "5"),
        ("variance_samp(x) from (values (1), (3)) t(x)", "2.0"),
        ("listagg(x, '-') within group (order by x desc) from (values ('a'), ('b')) t(x)", "b-a"),
        ("group_concat(x) from (values ('a'), ('a')) t(x)", "a,a"),
        ("group_concat(distinct x) from (values ('a'), ('a')) t(x)", "a"),
        ("some(x > 1) from (values (1), (2)) t(x)", "true"),
        ("collect_list(x) from (values (1), (null)) t(x)", "[1]"),
        ("count(distinct a, b) from (values (1, 1), (1, 1), (1, 2), (1, null)) t(a, b)", "2"),
        ("width_bucket(5, 0, 10, 5)", "3"),
        ("try_divide(1, 0)", "null"),
        ("try_divide(1, 2)", "0.5"),
        ("shiftleft(1, 4)", "16"),
        ("ceil(1.234, 2)", "1.24"),
        ("floor(-1.234, 1)", "-1.3"),
        ("pmod(-1, 3)", "2"),
        ("cast('2024-01-01 00:00:00' as timestamp_tz)", "2024-01-01T00:00:00Z"),
        ("cast('{}' as json)", "{}"),
        ("cast(cast('a' as varbinary) as varchar)", "a"),
    ])
    .await;
    let engine = engine().open();
    let sql = "select status, count(*) from orders group by all order by 1 limit 1";
    assert_eq!(engine.ask(sql).await, [["cancelled", "988"]]);
}

#[tokio::test]
async fn catalogs_show_what_is_in_them() {
    let engine = engine().open();
    assert_eq!(engine.ask("show catalogs").await, [["analytics"], ["default"]]);
    assert_eq!(
        engine.ask("SHOW SCHEMAS").await,
        [["finance"], ["information_schema"], ["marketing"], ["sales"]]
    );
    assert_eq!(engine.ask("show tables").await, [["customers"], ["orders"], ["products"]]);
    assert_eq!(engine.ask("show tables in finance like 'b%'").await, [["budgets"]]);
    assert_eq!(engine.ask("show tables from analytics.dashboards").await.len(), 2);
    assert_eq!(engine.ask("show columns from ORDERS").await[0], ["order_id", "BIGINT", "NO"]);
    assert_eq!(engine.ask("show columns in orders from sales").await.len(), 5);
    assert_eq!(engine.ask("describe orders").await[4], ["status", "STRING", "YES"]);
    for (sql, rows) in [
        ("select count(*) from information_schema.schemata", "4"),
        ("select count(*) from Default.INFORMATION_SCHEMA.tables where table_type = 'BASE TABLE'", "9"),
        (
            "select count(*) from information_schema.columns where table_name = 'orders' and ordinal_position > 3",
            "2",
        ),
        ("select count(*) from information_schema.views", "0"),
        ("select table_catalog from analytics.information_schema.tables limit 1", "analytics"),
    ] {
        assert_eq!(engine.one(sql).await, rows, "{sql}");
    }
    let error = engine.refused("select * from information_schema.nothing").await;
    assert!(error.to_string().contains("known are columns, schemata, tables, views"), "{error}");
}
