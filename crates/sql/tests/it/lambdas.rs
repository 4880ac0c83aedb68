//! Lambdas, and rewritten aggregates.

use sql::Error;

use crate::support::engine;

#[tokio::test]
async fn reduce_folds_lists() {
    let engine = engine().open();
    for (sql, expected) in [
        ("reduce(array[1, 2, 3], 0, (a, x) -> a + x)", "6"),
        ("aggregate(array[1, 2, 3], 10, (a, x) -> a * x, a -> a - 1)", "59"),
        ("reduce(array[1.5, 2.5], 0, (a, x) -> a + x)", "4.0"),
        ("reduce(array['a', 'b'], '', (a, x) -> a || x || '.')", "a.b."),
        ("reduce(array[1, NULL, 3], 0, (a, x) -> coalesce(x, 0) + a)", "4"),
        ("reduce(array[1, NULL, 3], 0, (a, x) -> a + x)", "null"),
        ("reduce(CAST(NULL AS INT[]), 7, (a, x) -> a + x)", "null"),
        ("reduce(array[5, 9, 2], 0, (a, x) -> CASE WHEN x > a THEN x ELSE a END, a -> a > 8)", "true"),
    ] {
        assert_eq!(engine.one(&format!("select {sql}")).await, expected, "{sql}");
    }
    // Over columns, which lambdas can use too, with lists of all lengths.
    let sql = "select k, reduce(l, k, (a, x) -> a * 10 + x + k) from
               (values (1, array[1, 2, 3]), (2, NULL), (3, make_array()), (4, array[5]), (5, array[1, 1])) t(k, l)";
    let rows = engine.ask(sql).await;
    let values: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(values, ["1234", "null", "3", "49", "566"]);
    let sum =
        "select sum(reduce(generate_series(1, v), 0, (a, x) -> a + x)) from generate_series(1, 2000) t(v)";
    let expected: i64 = (1..=2000).map(|n| n * (n + 1) / 2).sum();
    assert_eq!(engine.one(sum).await, expected.to_string());
    for sql in ["reduce(1, 2, (a, x) -> a)", "reduce(array[1], 0)", "reduce(array[1], 0, (a, x) -> array[x])"]
    {
        let error = engine.refused(&format!("select {sql}")).await;
        assert!(matches!(&error, Error::Invalid(_)), "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn matches_of_all_or_none() {
    let engine = engine().open();
    for (sql, expected) in [
        ("all_match(array[1, 2], x -> x > 0)", "true"),
        ("forall(array[1, 2], x -> x > 1)", "false"),
        ("all_match(array[1, NULL], x -> x > 0)", "null"),
        ("all_match(array[0, NULL], x -> x > 0)", "false"),
        ("none_match(array[1, 2], x -> x > 2)", "true"),
        ("none_match(array[1, NULL], x -> x > 2)", "null"),
        ("any_match(array[1, 2], x -> x > 1)", "true"),
    ] {
        assert_eq!(engine.one(&format!("select {sql}")).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn lambdas_of_pairs() {
    let engine = engine().open();
    for (sql, expected) in [
        ("zip_with(array[1, 2], array[10, 20], (x, y) -> x + y)", "[11, 22]"),
        ("zip_with(array[1, 2], array[10], (x, y) -> coalesce(y, 0) - x)", "[9, -2]"),
        ("zip_with(array[1], CAST(NULL AS INT[]), (x, y) -> x)", "null"),
        ("transform(array[5, 6], (x, i) -> x * 10 + i)", "[50, 61]"),
        ("transform(make_array(), (x, i) -> i)", "[]"),
        ("map_filter(map(array['a', 'b'], array[1, 2]), (k, v) -> v > 1)", "{b: 2}"),
        ("transform_values(map(array['a', 'b'], array[1, 2]), (k, v) -> k || v)", "{a: a1, b: b2}"),
        ("transform_keys(map(array['a', 'b'], array[1, 2]), (k, v) -> upper(k))", "{A: 1, B: 2}"),
    ] {
        assert_eq!(engine.one(&format!("select {sql}")).await, expected, "{sql}");
    }
    let sql = "select zip_with(l, m, (x, y) -> x * k + y) from
               (values (2, array[1, 2], array[1, 1]), (3, NULL, array[1]), (4, make_array(), array[1]), (5, array[1], array[2])) t(k, l, m)";
    assert_eq!(engine.ask(sql).await, [["[3, 5]"], ["null"], ["[null]"], ["[7]"]]);
    let error = engine.refused("select map_filter(1, (k, v) -> true)").await.to_string();
    assert!(error.contains("expected a map"), "{error}");
    let twice = "select transform_keys(map(array[1, 2], array[x, 2]), (k, v) -> 1) from (values (1)) t(x)";
    assert!(engine.failed(twice).await.to_string().contains("two keys of a map are equal"));
}

#[tokio::test]
async fn an_aggregate_in_in_beside_or() {
    let engine = engine().open();
    let from = "from (values (1), (2)) o(x) where";
    let max = "select max(y) from (values (3), (2)) i(y)";
    for (condition, rows) in [
        (format!("x = 7 or 3 in ({max})"), 2),
        (format!("x = 1 or 4 in ({max})"), 1),
        (format!("(x = 7 or 3 in ({max})) and (x = 1 or 3 in ({max}))"), 2),
        ("x = 7 or 3 in (select max(y) from (values (3, 1), (2, 2)) i(y, k) group by k)".to_owned(), 2),
        ("x in (select max(y) from (values (1), (2)) i(y))".to_owned(), 1),
    ] {
        assert_eq!(engine.ask(&format!("select x {from} {condition}")).await.len(), rows, "{condition}");
    }
    let grouped = "select max(y) from (values (3, 1), (2, 2)) i(y, k) where k = x group by k";
    let error = engine.failed(&format!("select x {from} x = 7 or 3 in ({grouped})")).await.to_string();
    assert!(error.starts_with("IN over an aggregate with GROUP BY"), "{error}");
    assert_eq!(engine.ask(&format!("select x {from} 3 in ({grouped})")).await, [["1"]]);
}

#[tokio::test]
async fn percentiles_of_several_shares() {
    let engine = engine().open();
    let from = "from (values (1.0), (2.0), (3.0), (4.0), (5.0)) t(x)";
    for sql in [
        "percentile_cont(x, array[0.25, 0.5])",
        "percentile(x, array(0.25, 0.5))",
        "percentile_cont(array[0.25, 0.5]) within group (order by x)",
        "percentile_cont(array[0.25, 0.5]) within group (order by x) filter (where x < 10)",
    ] {
        assert_eq!(engine.one(&format!("select {sql} {from}")).await, "[2.0, 3.0]", "{sql}");
    }
    let grouped =
        "select k, percentile_cont(x, array[0.0, 1.0]) from (values (1, 1.0), (1, 9.0), (2, 4.0)) t(k, x)
                   group by k order by k";
    assert_eq!(engine.ask(grouped).await, [["1", "[1.0, 9.0]"], ["2", "[4.0, 4.0]"]]);
}

#[tokio::test]
async fn max_by_with_filter_and_over() {
    let engine = engine().open();
    let from = "from (values (1, 'a', 5, true), (1, 'b', 9, false), (1, 'n', NULL, true), (2, 'c', 3, true)) t(k, x, y, f)";
    let one = |sql: &str| format!("select {sql} {from}");
    assert_eq!(engine.one(&one("max_by(x, y) filter (where f)")).await, "a");
    assert_eq!(engine.one(&one("min_by(x, y) filter (where k = 1)")).await, "a");
    assert_eq!(engine.one(&one("max_by(x, y) filter (where k = 7)")).await, "null");
    let sql = format!(
        "select x, max_by(x, y) over (partition by k), min_by(x, y) over (partition by k order by x),
                       max_by(x, y) filter (where f) over (partition by k) {from} order by k, x"
    );
    assert_eq!(
        engine.ask(&sql).await,
        [["a", "b", "a", "a"], ["b", "b", "a", "a"], ["n", "b", "a", "a"], ["c", "c", "c", "c"]]
    );
    // The result equals that without either clause.
    let sql = "select count(*) from (select customer_id, max_by(order_id, total_amount) m from orders group by customer_id) a
               join (select distinct customer_id, max_by(order_id, total_amount) over (partition by customer_id) m from orders) b
               on a.customer_id = b.customer_id and a.m is not distinct from b.m";
    let groups = engine.one("select count(distinct customer_id) from orders").await;
    assert_eq!(engine.one(sql).await, groups);
}

#[tokio::test]
async fn several_subqueries_of_one_name() {
    let engine = engine().open();
    let one = "(select count(*) from (values (1), (1), (2)) u(y) where u.y = t.x)";
    let other = "(select count(*) from (values (1), (2), (2), (2)) u(y) where u.y = t.x)";
    let from = "from (values (1), (2)) t(x)";
    let both = format!("select * from (select {one}, {other} {from}) s order by 1 desc");
    assert_eq!(engine.ask(&both).await, [["2", "1"], ["1", "3"]]);
    assert_eq!(engine.ask(&format!("select sum({one}), sum({other}) {from}")).await, [["3", "4"]]);
    let having = format!("select sum({one}), max({other}) {from} having sum({one}) > 2 and max({other}) = 3");
    assert_eq!(engine.ask(&having).await, [["3", "3"]]);
}

#[tokio::test]
async fn a_name_close_to_ours_is_suggested() {
    let engine = engine().open();
    for (sql, hint) in [
        ("lst_day(date '2024-01-01')", "did you mean last_day?"),
        ("day_name(now())", "did you mean dayname?"),
        ("redcue(array[1], 0, x)", ""),
        ("lowr('A')", "did you mean lower?"),
    ] {
        let error = engine.refused(&format!("select {sql}")).await.to_string();
        assert!(error.starts_with("there is no function") && error.ends_with(hint), "{sql}: {error}");
        assert!(!hint.is_empty() || !error.contains("did you mean"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn months_begin_in_every_year() {
    let engine = engine().open();
    for (unit, expected) in [
        ("week", "9999-12-27T00:00:00"),
        ("month", "9999-12-01T00:00:00"),
        ("quarter", "9999-10-01T00:00:00"),
        ("YEAR", "9999-01-01T00:00:00"),
        ("day", "9999-12-31T00:00:00"),
    ] {
        let literal = format!("select date_trunc('{unit}', timestamp '9999-12-31 10:00:00')");
        assert_eq!(engine.one(&literal).await, expected, "{unit}");
        let column = format!("select date_trunc('{unit}', d) from (values (date '9999-12-31')) t(d)");
        assert_eq!(engine.one(&column).await, expected, "{unit}");
        let old = format!(
            "select date_trunc('{unit}', t) = t from (values (timestamp '0001-01-01 00:00:00')) x(t)"
        );
        assert_eq!(engine.one(&old).await, "true", "{unit}");
    }
    assert_eq!(engine.one("select last_day(date '9999-12-03')").await, "9999-12-31");
    assert_eq!(engine.one("select date_trunc('month', cast(null as timestamp))").await, "null");
    let binned = |year: &str| {
        format!(
            "select date_bin(interval '1 day', t) from (values (timestamp '{year}-12-15 10:00:00'), (null)) x(t)"
        )
    };
    assert_eq!(engine.ask(&binned("2024")).await, [["2024-12-15T00:00:00"], ["null"]]);
    let error = engine.failed(&binned("9999")).await.to_string();
    assert!(error.contains("date_bin(): a timestamp is out of range"), "{error}");
}
