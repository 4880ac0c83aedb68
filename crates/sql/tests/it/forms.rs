//! Forms that clients and BI tools write.

use sql::Error;

use crate::support::engine;

#[tokio::test]
async fn patterns_have_an_escape_character() {
    let engine = engine().open();
    for (sql, value) in [
        ("select '50%' like '50!%' escape '!'", "true"),
        ("select '500' like '50!%' escape '!'", "false"),
        ("select 'a!b' like 'a!!b' escape '!'", "true"),
        ("select 'a_b' like 'a#_b' escape '#'", "true"),
        ("select 'axb' not like 'a#_b' escape '#'", "true"),
        ("select 'A_B' ilike 'a#_b' escape '#'", "true"),
        (r"select 'a\\b' like 'a\\b' escape '!'", "true"),
        (r"select '50%' like '50\%' escape '\\'", "true"),
        ("select '50%' like '50%%' escape '%'", "true"),
    ] {
        assert_eq!(engine.one(sql).await, value, "{sql}");
    }
    for sql in [
        "select 'a' like 'a' escape '!!'",
        "select 'a' like 'a!b' escape '!'",
        "select 'a' like 'a!' escape '!'",
    ] {
        assert!(matches!(engine.refused(sql).await, Error::Invalid(_)), "{sql}");
    }
}

#[tokio::test]
async fn regular_expressions_are_operators() {
    let engine = engine().open();
    for (sql, value) in [
        ("select 'paid' rlike '^p.*d$'", "true"),
        ("select 'paid' regexp 'x'", "false"),
        ("select 'paid' not rlike 'x'", "true"),
        ("select null rlike 'x'", "null"),
    ] {
        assert_eq!(engine.one(sql).await, value, "{sql}");
    }
    assert_ne!(engine.one("select count(*) from orders where status rlike 'paid|shipped'").await, "0");
}

#[tokio::test]
async fn fetch_first_is_a_limit() {
    let engine = engine().open();
    let sql = "select order_id from orders order by order_id offset 2 rows fetch first 3 rows only";
    assert_eq!(engine.ask(sql).await, [["3"], ["4"], ["5"]]);
    assert_eq!(engine.ask("select order_id from orders fetch next row only").await.len(), 1);
    assert_eq!(engine.one("select count(*) from (select 1 from orders fetch first 7 rows only)").await, "7");
    for sql in ["select 1 fetch first 1 rows with ties", "select 1 fetch first 10 percent rows only"] {
        assert!(matches!(engine.refused(sql).await, Error::Invalid(_)), "{sql}");
    }
}

#[tokio::test]
async fn parts_of_a_date_are_functions() {
    let engine = engine().open();
    for (function, value) in [
        ("year", "2024"),
        ("quarter", "1"),
        ("month", "2"),
        ("week", "9"),
        ("weekofyear", "9"),
        ("day", "29"),
        ("dayofmonth", "29"),
        ("dayofyear", "60"),
        ("dayofweek", "5"),
        ("hour", "13"),
        ("minute", "14"),
        ("second", "15"),
    ] {
        let sql = format!("select {function}(timestamp '2024-02-29 13:14:15')");
        assert_eq!(engine.one(&sql).await, value, "{sql}");
        assert_eq!(engine.names(&sql).await[0], format!("{function}(TIMESTAMP '2024-02-29 13:14:15')"));
    }
    assert_eq!(engine.one("select YEAR('2024-02-29')").await, "2024");
    assert_eq!(
        engine
            .ask("select year(order_date), count(*) from orders group by year(order_date) order by 1")
            .await[0][0],
        "2024"
    );
    assert_eq!(engine.one("select datediff('2024-03-01', date '2024-02-01')").await, "29");
    assert!(
        matches!(engine.refused("select year()").await, Error::Invalid(text) if text.contains("expected 1"))
    );
}

#[tokio::test]
async fn functions_of_other_engines_are_there() {
    let engine = engine().open();
    for (sql, value) in [
        ("select mod(7, 3)", "1"),
        ("select sign(-2.5)", "-1.0"),
        ("select len('abc') + length('d')", "4"),
        ("select ucase('a')", "A"),
        ("select date(timestamp '2024-02-29 10:00:00')", "2024-02-29"),
        ("select date_add(date '2024-02-28', interval '1' day)", "2024-02-29"),
        ("select date_add(date '2024-02-28', 2)", "2024-03-01"),
        ("select date_sub(timestamp '2024-03-01 10:00:00', 1)", "2024-02-29"),
        ("select to_timestamp('3000-01-01 10:00:00')", "3000-01-01T10:00:00"),
        ("select cast('7' as long) + cast(1 as short)", "8"),
        ("select count(*) from (from orders) t where order_id < 3", "2"),
    ] {
        assert_eq!(engine.one(sql).await, value, "{sql}");
    }
    assert_eq!(engine.names("from orders").await.len(), 5);
    assert_ne!(engine.one("select variance(total_amount) from orders").await, "null");
}

#[tokio::test]
async fn conditions_are_a_function() {
    let engine = engine().open();
    assert_eq!(engine.one("select if(1 > 2, 'a', 'b')").await, "b");
    assert_eq!(engine.one("select IFF(null, 'a', 'b')").await, "b");
    assert_eq!(engine.names("select if(true, 1, 2)").await, ["if(true, 1, 2)"]);
    assert!(matches!(engine.refused("select if(true, 1)").await, Error::Invalid(_)));
}

#[tokio::test]
async fn texts_are_as_long_as_their_type() {
    let engine = engine().open();
    for (sql, value) in [
        ("select cast('abcdef' as varchar(3))", "abc"),
        ("select 'grün und blau'::varchar(4)", "grün"),
        ("select cast('ab' as char(5))", "ab"),
        ("select cast(12345 as varchar(2))", "12"),
        ("select try_cast('abc' as varchar(1))", "a"),
        ("select cast('abcdef' as varchar)", "abcdef"),
    ] {
        assert_eq!(engine.one(sql).await, value, "{sql}");
    }
}

#[tokio::test]
async fn inner_tables_of_with_hide_outer_ones() {
    let engine = engine().open();
    for (sql, value) in [
        ("with a as (select 1 as x) select x from (with A as (select 2 as x) select x from a) t", "2"),
        ("with a as (select 1 as x) select x from (with a as (select 2 as x) select x from a) t", "2"),
        (
            "with a as (select 1 as x) select a.x + t.x from a, (with a as (select 2 as x) select a.x from a) t",
            "3",
        ),
        (
            "with a as (select 1 as x), b as (with A as (select x + 1 as x from a) select x from A) select x from b",
            "2",
        ),
        ("with a as (select 1 as x) select (with a as (select 5 as x) select max(x) from a) from A", "5"),
    ] {
        assert_eq!(engine.one(sql).await, value, "{sql}");
    }
}

#[tokio::test]
async fn ignored_clauses_are_refused_by_name() {
    let engine = engine().open();
    for (sql, clause) in [
        ("select * from orders for update", "FOR UPDATE"),
        ("select * from orders for share", "FOR SHARE"),
        ("select * from orders format JSON", "FORMAT"),
        ("select * from orders settings max_threads = 1", "SETTINGS"),
        ("select * from orders final", "FINAL"),
        ("select top 5 order_id from orders", "TOP"),
        ("select * from orders partition (p0)", "PARTITION"),
        ("select * from generate_series(1, 3) with ordinality", "WITH ORDINALITY"),
        ("select status from orders order by order_id with fill", "WITH FILL"),
    ] {
        let error = engine.refused(sql).await;
        assert!(matches!(&error, Error::Invalid(text) if text.contains(clause)), "{sql}: {error:?}");
    }
    assert_eq!(engine.one("select count(*) from orders as final").await, "5000");
}
