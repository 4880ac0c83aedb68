//! Statements as the vendor's PySpark layer writes them.

use crate::support::engine;

const SALES: &str = "(values ('a', 'x', 1), ('a', 'y', 2), ('b', 'x', 3), ('b', 'x', 4)) t(g, k, n)";

#[tokio::test]
async fn pivot_makes_columns_of_values() {
    let engine = engine().open();
    for (pivot, rows) in [
        ("sum(n) for k in ('x' as \"x\", 'y')", vec![vec!["a", "1", "2"], vec!["b", "7", "null"]]),
        ("count(*) for k in ('x', 'z')", vec![vec!["1", "1", "null"], vec!["2", "1", "null"]]),
        ("SUM(N) as s, max(n) as m for K in ('x' as x)", vec![vec!["a", "1", "1"], vec!["b", "7", "4"]]),
        ("collect_list(n) for k in ('x')", vec![vec!["a", "[1]"], vec!["b", "[3, 4]"]]),
        (
            "max(k) for n in ('1' as one, '4' as four, 'None')",
            vec![vec!["a", "x", "null", "null"], vec!["b", "null", "x", "null"]],
        ),
    ] {
        let sql = format!("select * from (select g, k, n from {SALES}) pivot ({pivot}) p order by 1");
        let answer = engine.ask(&sql).await;
        // A count groups by all columns that it does not name.
        if !pivot.starts_with("count") {
            assert_eq!(answer, rows, "{sql}");
        } else {
            assert_eq!(answer.len(), 4, "{sql}");
        }
    }
    let sql = format!(
        "select \"x\", y_s from (select * from {SALES}) pivot (sum(n) as s, count(n) as c for k in ('x' as x, 'y' as y)) p"
    );
    assert!(engine.refused(&sql).await.to_string().contains("column x not found"), "{sql}");
    for (pivot, part) in [
        ("sum(n) for z in ('x')", "PIVOT: column z not found, known are g, k, n"),
        ("upper(n) for k in ('x')", "is not supported as an aggregate"),
        ("sum(n) for k in (any)", "FOR one column IN a list of values"),
    ] {
        let error = engine.refused(&format!("select * from {SALES} pivot ({pivot})")).await;
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn unpivot_makes_rows_of_columns() {
    let engine = engine().open();
    let wide = "(select * from (values (1, 'p', 'q'), (2, null, 'r')) v(id, a, b)) s";
    for (unpivot, rows) in [
        (
            "unpivot (value for variable in (\"a\" as 'A', b as 'B')) u",
            vec![vec!["1", "A", "p"], vec!["1", "B", "q"], vec!["2", "B", "r"]],
        ),
        (
            "unpivot include nulls (v for k in (a)) u",
            vec![vec!["1", "q", "a", "p"], vec!["2", "r", "a", "null"]],
        ),
    ] {
        let sql = format!("select * from {wide} {unpivot}");
        assert_eq!(engine.ask(&sql).await, rows, "{sql}");
    }
    let sql =
        format!("select u.value from {wide} unpivot (value for variable in (a, b)) u where u.variable = 'b'");
    assert_eq!(engine.ask(&sql).await, [["q"], ["r"]]);
    let error = engine.refused(&format!("select * from {wide} unpivot (v for k in (c))")).await;
    assert_eq!(error.to_string(), "UNPIVOT: column c not found, known are id, a, b");
}

#[tokio::test]
async fn each_side_of_a_union_has_its_limit() {
    let engine = engine().open();
    let three = "(values (1), (2), (3)) t(x)";
    for (sql, rows) in [
        (format!("select x from {three} limit 2 union all select x from {three} limit 1"), "1 2 1"),
        (format!("select x from {three} order by x desc limit 1 union all select x from {three}"), "3 1 2 3"),
        (format!("select x from {three} union all select x from {three} limit 1"), "1"),
        (
            format!(
                "with a as (select x from {three}) select x from a limit 1 union all select x from a limit 2"
            ),
            "1 1 2",
        ),
        (
            format!(
                "select count(*) from (select x from {three} limit 2 union all select x from {three} limit 2)"
            ),
            "4",
        ),
        (
            format!(
                "select x from {three} limit 1 union all select x from {three} limit 1 union all select 9"
            ),
            "1 1 9",
        ),
        (format!("select x from {three} order by x limit 2 except select 1"), "2"),
        (
            format!(
                "select * except (y) from (select 1 x, 2 y) order by x limit 1 union all select * from {three} limit 1"
            ),
            "1 1",
        ),
    ] {
        let answer: Vec<String> = engine.ask(&sql).await.concat();
        assert_eq!(answer.join(" "), rows, "{sql}");
    }
}

#[tokio::test]
async fn tables_keep_their_order() {
    let engine = engine().open();
    let sorted = "(select x, -x as y from (values (1), (3), (2)) t(x) order by x desc)";
    for (sql, rows) in [
        (format!("select x from {sorted} limit 1"), "3"),
        (format!("select x from {sorted} s"), "3 2 1"),
        (format!("select y + 1 from (select * from {sorted}) where x < 3"), "-1 0"),
        (format!("with s as {sorted} select x from s limit 2"), "3 2"),
        (
            format!("select x from {sorted} limit 1 union all select x from {sorted} order by x limit 1"),
            "3 1",
        ),
        (format!("select sum(x) from {sorted}"), "6"),
        (format!("select count(*) from orders where order_id in (select x from {sorted} order by 1)"), "3"),
        (format!("select (select x from {sorted} limit 1)"), "3"),
    ] {
        assert_eq!(engine.ask(&sql).await.concat().join(" "), rows, "{sql}");
    }
}

#[tokio::test]
async fn unions_come_in_order() {
    let engine = engine().open();
    let parts: Vec<String> = (1..=40).map(|n| format!("select {n} as n")).collect();
    let sql = parts.join(" union all ");
    let numbers: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
    for _ in 0..5 {
        assert_eq!(engine.ask(&sql).await.concat(), numbers);
    }
    assert_eq!(engine.one(&format!("select n from ({sql}) t limit 1")).await, "1");
    assert_eq!(engine.one(&format!("select last_value(n) from ({sql}) t")).await, "40");
    assert_eq!(engine.one(&format!("select sum(n) from ({sql}) t")).await, "820");
}

#[tokio::test]
async fn select_list_names_are_used_within_it() {
    let engine = engine().open();
    for (sql, value) in [
        ("select 1 as a, a + 1 as b, A * b as c", "1 2 2"),
        ("select x + 1 as x, x * 2 as y from (values (5)) t(x)", "6 10"),
        ("select sum(x) as s, s / 2 as h from (values (1), (2)) t(x)", "3 1.5"),
        ("select x as a, row_number() over (order by a) as n from (values (5)) t(x)", "5 1"),
        ("select 7 as a, (select max(a) from (values (1)) t(a)) as b", "7 1"),
        ("select 7 as a, transform([1], a -> a + 1) as b, a + 1 as c", "7 [2] 8"),
        ("select 7 as \"A\", \"A\" + 1 as b", "7 8"),
    ] {
        assert_eq!(engine.ask(sql).await.concat().join(" "), value, "{sql}");
    }
    let error = engine.refused("select random() as r, r + 1 as s").await;
    assert!(error.to_string().starts_with("r is a random value"), "{error}");
    let names: Vec<String> = (1..=20).map(|n| format!("a{} + a{} as a{n}", n - 1, n - 1)).collect();
    let error = engine.refused(&format!("select 1 as a0, {}", names.join(", "))).await;
    assert!(error.to_string().contains("more than 10000 expressions"), "{error}");
}

#[tokio::test]
async fn nulls_are_filled_by_kind() {
    let engine = engine().open();
    let table = "before_fillna as (select * from (values
        (cast(null as bigint), cast(null as varchar), cast(null as date), cast(null as double)),
        (1, 'x', date '2024-01-01', 1.5)) t(i, s, d, f))";
    let all = |value: &str| {
        let columns = ["i", "s", "d", "f"].map(|name| format!("COALESCE(\"{name}\", {value}) AS \"{name}\""));
        format!("with {table} select {} from before_fillna", columns.join(", "))
    };
    assert_eq!(engine.ask(&all("0")).await[0], ["0", "null", "null", "0.0"]);
    assert_eq!(engine.ask(&all("-1.5")).await[0], ["-1", "null", "null", "-1.5"]);
    assert_eq!(
        engine.ask(&all("'none'")).await,
        [["null", "none", "null", "null"], ["1", "x", "2024-01-01", "1.5"]]
    );
    let sql = format!("with {table} select coalesce(i, 7) as i from before_fillna as b");
    assert_eq!(engine.ask(&sql).await.concat(), ["7", "1"]);
}

#[tokio::test]
async fn statistics_of_texts_are_null() {
    let engine = engine().open();
    let sql = "select 's' as \"summary\", count(s) as \"count\", avg(s) as \"mean\", stddev(s) as \"stddev\",
               min(s) as \"min\", max(s) as \"max\" from (values ('a'), ('b'), (null)) t(s)";
    assert_eq!(engine.ask(sql).await, [["s", "2", "null", "null", "a", "b"]]);
    engine.refused("select avg(s) from (values ('a')) t(s)").await;
}

#[tokio::test]
async fn other_functions_of_frames() {
    let engine = engine().open();
    for (sql, value) in [
        ("select id from range(1, 4)", "1 2 3"),
        ("select r.id from range(0, 10, 5) as r", "0 5"),
        ("select monotonically_increasing_id() as i from (values (5), (6)) t(x)", "0 1"),
        ("select spark_partition_id() || input_file_name() as i", "0"),
        ("select days('2009-07-30') as d", "30"),
        ("select datediff('2009-07-31', cast('2009-07-30' as bigint)) as d", "1"),
        ("select date_add(d, 1) as d from (values ('2024-02-28')) t(d)", "2024-02-29"),
        ("select rand(7) = (select rand(7)) as r", "true"),
        ("select count(distinct r) as n from (select rand(7) as r from range(0, 100)) t", "100"),
        (
            "select abs(avg(r)) < 0.2 and abs(stddev(r) - 1) < 0.2 as b from (select randn(3) as r from range(0, 2000)) t",
            "true",
        ),
    ] {
        assert_eq!(engine.ask(sql).await.concat().join(" "), value, "{sql}");
    }
    let error = engine.refused("WRITE x TO 'y'").await;
    assert_eq!(error.to_string(), "WRITE is not allowed: only queries are");
}
