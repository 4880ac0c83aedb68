//! Huge or deeply nested statements get an answer or an error, on a thread with a small stack.

use std::thread;

use sql::Error;

use crate::support::engine;

/// Runs a query on a stack of 2 MiB, as tokio's threads have, and returns the first value.
fn ask(sql: String) -> Result<String, Error> {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let engine = engine().open();
            let rows = engine.engine.plan(&engine.scope, &sql).await?.execute(&[]).await?;
            let batches = crate::support::batches(rows).await?;
            Ok(crate::support::text(&batches)
                .first()
                .and_then(|row| row.first().cloned())
                .unwrap_or_default())
        })
    };
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread");
    thread.join().expect("no panic")
}

fn chain(count: usize, term: impl Fn(usize) -> String, operator: &str) -> String {
    (0..count).map(term).collect::<Vec<_>>().join(operator)
}

#[test]
fn ten_thousand_ors_and_ands() {
    let condition = chain(10_000, |n| format!("order_id = {n}"), " or ");
    assert_eq!(ask(format!("select count(*) from orders where {condition}")), Ok("5000".into()));
    let condition = chain(900, |n| format!("order_id + {n} <> 0"), " and ");
    assert_eq!(ask(format!("select count(*) from orders where {condition}")), Ok("5000".into()));
    let condition = chain(900, |n| format!("order_id = {n}"), " or ");
    assert_eq!(ask(format!("select count(*) from orders where not ({condition})")), Ok("4101".into()));
    for sql in [
        chain(10_000, |n| format!("order_id <> {n}"), " and "),
        format!("not ({})", chain(10_000, |n| format!("order_id = {n}"), " or ")),
        format!("({}) = false", chain(10_000, |n| format!("order_id = {n}"), " or ")),
    ] {
        let error = ask(format!("select count(*) from orders where {sql}")).expect_err("is refused");
        assert!(error.to_string().contains("conditions"), "{error}");
    }
    let condition = chain(3_000, |n| format!("order_id = {n} or status = 'x{n}'"), " or ");
    assert_eq!(ask(format!("select count(*) from orders where {condition}")), Ok("2999".into()));
}

#[test]
fn a_long_list() {
    let list = chain(50_000, |n| n.to_string(), ",");
    assert_eq!(ask(format!("select count(*) from orders where order_id in ({list})")), Ok("5000".into()));
}

#[test]
fn a_chain_of_a_few_hundred() {
    assert_eq!(ask(format!("select {}", chain(390, |_| "1".into(), " + "))), Ok("390".into()));
    let unions = chain(400, |n| format!("select {n} as x"), " union all ");
    assert_eq!(ask(format!("select count(*) from ({unions})")), Ok("400".into()));
    let unions = chain(100, |n| format!("select {n} as x"), " union ");
    assert_eq!(ask(format!("select count(*) from ({unions})")), Ok("100".into()));
    let joins = chain(60, |n| format!("(select 1 as c{n}) t{n}"), " cross join ");
    assert_eq!(ask(format!("select count(*) from {joins}")), Ok("1".into()));
    assert_eq!(ask(format!("select {}1{}", "(".repeat(90), ")".repeat(90))), Ok("1".into()));
    assert_eq!(ask(format!("select {}1{}", "(select ".repeat(10), ")".repeat(10))), Ok("1".into()));
    let nested = format!("select * from {}select 1{}", "(select * from (".repeat(20), "))".repeat(20));
    assert_eq!(ask(nested), Ok("1".into()));
}

#[test]
fn deep_nesting_is_refused() {
    let nested = |open: &str, close: &str| format!("select {}1{}", open.repeat(10_000), close.repeat(10_000));
    for sql in [
        nested("(", ")"),
        nested("abs(", ")"),
        nested("case when true then ", " end"),
        nested("not ", ""),
        nested("- ", ""),
        nested("(select ", ")"),
        nested("[", "]"),
        nested("array[", "]"),
        format!("select {}1{}", "array[".repeat(120), "]".repeat(120)),
        format!("select {}1{}", "(select ".repeat(40), ")".repeat(40)),
        format!("select 1 where {}true{}", "exists (select 1 where ".repeat(30), ")".repeat(30)),
        nested("", " is null"),
        nested("", "::int"),
        format!("select {}", chain(10_000, |_| "1".into(), " + ")),
        format!("select {}", chain(100_000, |_| "1".into(), " || ")),
        chain(10_000, |_| "select 1".into(), " union all "),
        chain(10_000, |_| "select 1".into(), " intersect "),
        format!("select 1 from {}", chain(10_000, |n| format!("orders o{n}"), ", ")),
        format!("select 1 from {}", chain(10_000, |n| format!("orders o{n}"), " natural join ")),
        format!("select 1{}", ",1".repeat(300_000)),
    ] {
        let error = ask(sql.clone()).expect_err("is refused");
        assert!(matches!(error, Error::Invalid(_)), "{}: {error:?}", &sql[..60]);
    }
}

#[test]
fn tables_that_multiply_are_refused() {
    let mut sql = String::from("with t0 as (select 1 as x)");
    for n in 1..40 {
        sql.push_str(&format!(", t{n} as (select a.x from t{m} a cross join t{m} b)", m = n - 1));
    }
    sql.push_str(" select * from t39");
    assert!(matches!(ask(sql), Err(Error::Invalid(_))));
}

#[test]
fn nonsense_is_refused_without_a_panic() {
    for sql in [
        "\u{0}",
        "select '",
        "select \"",
        "select /*",
        "$$",
        "select $$a",
        "select ''''",
        "((((",
        "select * from",
        "select 1 from (",
        "select * from a.b.c.d.e",
        "select @x",
        "select @@version",
        "select * from identifier('orders')(1)",
        "select cast(1 as nope)",
        "select date 'x'",
        "select interval 'x'",
        "select 1 limit -1",
        "select 1 order by 7",
        "select [1][",
        "from",
        "table orders",
        "select unnest(1)",
        "select * from unnest()",
        "select * from generate_series()",
        "select * from generate_series(1, 2, 0)",
        "select count(distinct *) from orders",
        "select * from orders tablesample (10 rows)",
        "values (1), (1, 2)",
        "select lag() over ()",
        "with t as (select * from t) select * from t",
        "select x.* from orders",
        "select * except (nope) from orders",
        "select sum(sum(order_id)) from orders",
        "select array_element(1, 2)",
        "select substr('a', 1, -1)",
        "select repeat('x', -1)",
        "select 'a' like 'b' escape 'cc'",
        "select to_timestamp('nope')",
        "select arrow_cast(1, 'Nope')",
        "select chr(-1)",
        "select 99999999999999999999999999999999999999999",
        "select 1e999",
        "select -9223372036854775809",
        "select 1 = any(select 1)",
        "pivot",
        "select * from orders pivot (sum(total_amount) for status in ('a'))",
        "select * from orders match_recognize (pattern (a) define a as true)",
        "describe nope",
        "explain select nope",
        "explain analyze verbose select",
        "select 1 format json",
        "from orders |> where true",
    ] {
        match ask(sql.into()) {
            Ok(_) | Err(Error::Invalid(_) | Error::Forbidden(_)) => {}
            Err(other) => panic!("{sql}: {other:?}"),
        }
    }
}
