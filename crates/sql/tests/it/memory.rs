//! Statements that would exhaust memory fail, and the process survives.

use std::{env, fs, process::Command};

use futures::FutureExt;
use sql::Error;

use crate::support::{batches, engine};

/// The memory limit of these statements.
const LIMIT: usize = 256 << 20;

/// The allowed peak of the process: that limit plus its own memory, in KiB.
const PEAK: usize = 3 * LIMIT / 1024;

/// Statements that would exceed the limit, most of them by far.
fn hostile() -> Vec<String> {
    let doubling = |double: &str| {
        let mut sql = String::from("select 'abcdefgh' as a");
        for _ in 0..32 {
            sql = format!("select {double} as a from ({sql})");
        }
        sql
    };
    let mut statements: Vec<String> = [
        "select array_repeat(1, 2000000000)",
        "select array_repeat('some text', 100000000)",
        "select array_repeat(array_repeat(1, 30000), 30000)",
        "select repeat('x', 1000000000)",
        "select repeat('x', 2147483647)",
        "select repeat('x', 9000000000000000000)",
        "select length(repeat('x', 2000000000))",
        "select count(*) from orders where repeat(status, 1000000) > 'x'",
        "select repeat(status, 1000000) from orders",
        "select range(0, 10000000000)",
        "select range(order_id, 10000000) from orders",
        "select generate_series(timestamp '1970-01-01', timestamp '2020-01-01', interval '1 microsecond')",
        "select lpad('x', 2000000000)",
        "select rpad(status, 1000000) from orders",
        "select replace(repeat('x', 1000000), 'x', repeat('y', 10000))",
        "select regexp_replace(repeat('x', 1000000), 'x', repeat('y', 10000), 'g')",
        "select array_resize([1], 2000000000)",
        "select split(repeat('x', 100000000), 'x')",
        "select array_to_string(range(0, 1000000), repeat('x', 10000))",
        "select array_agg(value) over () from generate_series(1, 100000)",
        "select string_agg('some text', ',') over (order by value) from generate_series(1, 100000)",
        "select sum(length(s)) from (select string_agg('x', ',') over (order by value) as s from generate_series(1, 1000000))",
        "select array_agg(value) from generate_series(1, 100000000)",
        "select string_agg('some text', ',') from generate_series(1, 1000000000)",
        "select sum(value) over (order by value rows between unbounded preceding and unbounded following) from generate_series(1, 1000000000)",
        "select max(s) over () from (select repeat(status, 10000) as s from orders limit 100) t",
        "select first_value(s) over (order by s) from (select repeat(status, 10000) as s from orders limit 100) t",
        "select count(*) from orders o cross join (select repeat(status, 100000) as s from orders limit 10) t where o.status <> s",
        "select (select repeat(status, 1000000) from orders limit 1), * from orders",
        "select unnest(l), s from (select range(0, 1000000) as l, repeat(status, 10000) as s from orders limit 1)",
        "select levenshtein(repeat('x', 200000), repeat('y', 200000))",
    ]
    .map(str::to_owned)
    .into();
    statements.extend([doubling("a || a"), doubling("concat(a, a)"), doubling("a || 'x' || a")]);
    let many: Vec<_> = (0..3000).map(|n| format!("repeat('x', {})", 1_000_000 + n)).collect();
    statements.push(format!("select {}", many.join(", ")));
    statements
}

/// Runs a statement: returns an error, or the number of rows and bytes.
async fn end(sql: &str) -> Result<(usize, usize), Error> {
    let engine = engine().memory(LIMIT).open();
    let rows = engine.engine.plan(&engine.scope, sql).await?.execute(&[]).await?;
    let batches = batches(rows).await?;
    let (rows, bytes) = (
        batches.iter().map(|batch| batch.num_rows()),
        batches.iter().map(|batch| batch.get_array_memory_size()),
    );
    Ok((rows.sum(), bytes.sum()))
}

#[tokio::test]
#[ignore = "is run by the test that measures it"]
async fn all_of_them() {
    let mut others = Vec::new();
    for sql in hostile() {
        let end = end(&sql).await;
        if !matches!(end, Err(Error::Exhausted(_))) {
            others.push((sql.chars().take(200).collect::<String>(), end));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak").to_owned();
    fs::write(env::var("TEAL_PEAK").expect("a file"), peak).expect("is written");
}

/// In a process of its own, whose peak can be measured.
#[cfg(target_os = "linux")]
#[test]
fn hostile_statements_leave_the_process_alive_and_small() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("peak");
    let child = Command::new(env::current_exe().expect("the tests"))
        .args(["--ignored", "--exact", "memory::all_of_them"])
        .env("TEAL_PEAK", &file)
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{}: {text}", child.status);
    let peak = fs::read_to_string(&file).expect("a peak");
    let kilobytes: usize =
        peak.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    assert!(kilobytes < PEAK, "{peak}");
}

#[tokio::test]
async fn the_error_names_the_function_and_the_limit() {
    let engine = engine().memory(64 << 20).open();
    let error = engine.failed("select repeat('x', 1000000000)").await.to_string();
    assert!(error.starts_with("repeat() would take") && error.contains("limit is 64.0 MB"), "{error}");
}

#[tokio::test]
async fn large_constants_make_small_batches() {
    let engine = engine().memory(LIMIT).open();
    let rows = engine
        .plan("select repeat('x', 1000000), order_id from orders")
        .await
        .execute(&[])
        .await
        .expect("runs");
    let batches = batches(rows).await.expect("rows");
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 5000);
    assert!(batches.len() > 100, "{}", batches.len());
}

#[tokio::test]
async fn ordinary_results_are_not_refused() {
    let engine = engine().memory(LIMIT).open();
    assert_eq!(engine.one("select length(repeat('ab', 10000000))").await, "20000000");
    assert_eq!(engine.one("select array_length(range(0, 1000000))").await, "1000000");
    assert_eq!(engine.one("select max(length(repeat(status, 1000))) from orders").await, "9000");
    assert_eq!(engine.one("select length(lpad('x', 100000, 'ü'))").await, "100000");
    assert_eq!(engine.one("select concat('a', 'b') || 'c'").await, "abc");
    assert_eq!(engine.one("select array_length(array_agg(value) over (order by value)) from generate_series(1, 1000) order by 1 desc").await, "1000");
}

/// Planning has its own thread, so this runtime's thread is free for another query.
#[tokio::test]
async fn planning_yields_and_can_be_cancelled() {
    let engine = engine().open();
    let terms: Vec<_> = (0..10_000).map(|n| format!("order_id = {n}")).collect();
    let sql = format!("select count(*) from orders where {}", terms.join(" or "));
    let mut slow = Box::pin(engine.engine.plan(&engine.scope, &sql));
    assert!((&mut slow).now_or_never().is_none());
    assert_eq!(engine.one("select 1").await, "1");
    drop(slow);
}
