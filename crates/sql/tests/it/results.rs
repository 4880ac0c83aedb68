//! Results as streams: bounded, early, and stopped when dropped.

use std::time::{Duration, Instant};

use futures::StreamExt;
use sql::{Error, arrow::array::AsArray, arrow::datatypes::Int64Type};
use tokio::time::timeout;

use crate::support::{batches, engine};

const SOON: Duration = Duration::from_secs(60);
const HUGE: &str = "generate_series(1, 1000000) a cross join generate_series(1, 1000000) b";

#[tokio::test]
async fn batches_are_small_and_never_empty() {
    let engine = engine().batch_rows(1000).open();
    for sql in [
        "select * from orders",
        "select * from generate_series(1, 12345)",
        "select * from orders where order_id % 1000 = 0",
        "select * from orders order by total_amount",
        "select o.* from orders o join customers c on o.customer_id = c.customer_id",
    ] {
        let rows = engine.plan(sql).await.execute(&[]).await.expect("runs");
        let schema = rows.schema();
        for batch in batches(rows).await.expect("rows") {
            assert!((1..=1000).contains(&batch.num_rows()), "{sql}: {}", batch.num_rows());
            assert_eq!(batch.schema(), schema, "{sql}");
        }
    }
    let none = engine.plan("select * from orders where false").await.execute(&[]).await.expect("runs");
    assert!(batches(none).await.expect("rows").is_empty());
}

#[tokio::test]
async fn row_counts_are_known_from_the_plan() {
    let engine = engine().open();
    for (sql, exact) in [
        ("select * from orders", Some(5000)),
        ("select order_id + 1 from orders", Some(5000)),
        ("select * from orders limit 7", Some(7)),
        ("select * from orders limit 10 offset 4995", Some(5)),
        ("select * from orders order by status", Some(5000)),
        ("values (1), (2)", Some(2)),
        ("select 1", Some(1)),
        ("select count(*) from orders", Some(1)),
        ("select * from orders where total_amount > 1", None),
        ("select distinct status from orders", None),
    ] {
        let rows = engine.plan(sql).await.execute(&[]).await.expect("runs");
        let known = rows.exact_rows();
        let count: usize = batches(rows).await.expect("rows").iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(known, exact, "{sql}");
        assert!(known.is_none_or(|known| known == count as u64), "{sql}: {count}");
    }
}

#[tokio::test]
async fn literals_of_the_final_projection_are_constants() {
    let engine = engine().open();
    let sql = "select 1, 'a' as s, order_id, null as n, -2.5, cast(3 as smallint), date '2024-01-31', true, 1 + order_id from orders order by 3";
    let statement = engine.plan(sql).await;
    let constants = statement.constants();
    let present: Vec<_> = constants.iter().map(Option::is_some).collect();
    assert_eq!(present, [true, true, false, true, true, true, true, true, false]);
    for (constant, field) in constants.iter().zip(statement.schema().fields()) {
        let Some(constant) = constant else { continue };
        assert_eq!((constant.len(), constant.data_type()), (1, field.data_type()));
    }
    let one = constants[0].as_ref().expect("a constant");
    assert_eq!(one.as_primitive::<Int64Type>().value(0), 1);
    let inner = engine.plan("select x, y from (select 1 as x, order_id as y from orders) t limit 5").await;
    assert_eq!(inner.constants().iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    let none = engine.plan("select 1 as x union all select 2").await;
    assert!(none.constants()[0].is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_results_deliver_first_rows_at_once() {
    let engine = engine().open();
    let started = Instant::now();
    let mut rows = engine.plan(&format!("select * from {HUGE}")).await.execute(&[]).await.expect("runs");
    let batch = rows.next().await.expect("a batch").expect("rows");
    assert!(batch.num_rows() > 0);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

/// Endless computations stop when their rows are dropped: the runtime has two threads, and still answers after more
/// than two of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_rows_stop_their_work() {
    let engine = engine().open();
    for sql in [
        format!("select count(*) from {HUGE}"),
        format!("select * from {HUGE} where a.value + b.value < 0"),
        format!("select sum(a.value) from {HUGE} where a.value * b.value = -1"),
        "select * from generate_series(1, 1000000) a join generate_series(1, 1000000) b on a.value % 2 = b.value % 2 and a.value + b.value < 0".into(),
        "select count(*) from generate_series(1, 1000000) a join generate_series(1, 1000000) b on a.value % 2 = b.value % 2".into(),
        "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t".into(),
        "select count(*) from generate_series(1, 1000000000000) where value < 0".into(),
        "select max(value) over (order by value) from generate_series(1, 1000000000000)".into(),
    ] {
        for _ in 0..3 {
            let mut rows = engine.plan(&sql).await.execute(&[]).await.expect("runs");
            let early = timeout(Duration::from_millis(100), rows.next()).await;
            assert!(matches!(early, Err(_) | Ok(Some(Ok(_)))), "{sql}: {early:?}");
            drop(rows);
        }
        let other = timeout(SOON, engine.one("select count(*) from orders")).await;
        assert_eq!(other.as_deref(), Ok("5000"), "{sql}");
    }
    let metrics = tokio::runtime::Handle::current().metrics();
    let ended = async {
        while metrics.num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, ended).await.expect("no task is left");
}

/// Busy queries do not block the runtime for others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_queries_let_others_through() {
    let engine = engine().open();
    let mut busy = Vec::new();
    for _ in 0..3 {
        let sql = format!("select * from {HUGE} where a.value + b.value < 0");
        busy.push(engine.plan(&sql).await.execute(&[]).await.expect("runs"));
    }
    // By then they keep their threads busy; there is no event to await.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let other = timeout(SOON, engine.one("select count(*) from orders")).await;
    assert_eq!(other.as_deref(), Ok("5000"));
}

#[tokio::test]
async fn beyond_the_memory_limit_sorts_spill() {
    let engine = engine().memory(8 << 20).open();
    let sql =
        "select value, repeat('x', 20) as s from generate_series(1, 400000) order by value % 1000, value";
    let mut rows = engine.plan(sql).await.execute(&[]).await.expect("runs");
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        count += batch.expect("rows").num_rows();
    }
    assert_eq!(count, 400_000);
    let measured = rows.measured();
    assert!(measured.spilled_bytes > 0, "{measured:?}");
    assert_eq!(measured.output_rows, 400_000);
}

#[tokio::test]
async fn unspillable_queries_are_exhausted() {
    let engine = engine().memory(1 << 20).open();
    let error = engine.failed("select array_agg(value) from generate_series(1, 1000000)").await;
    assert!(matches!(error, Error::Exhausted(_)), "{error:?}");
    assert_eq!(engine.one("select 1").await, "1");
}

#[tokio::test]
async fn executions_are_measured_and_explained() {
    let engine = engine().open();
    let statement = engine.plan("select status, count(*) from orders group by status").await;
    assert!(statement.planning_time() > Duration::ZERO);
    let text = statement.explain().await.expect("a plan");
    assert!(
        text.contains("Logical plan") && text.contains("Physical plan") && text.contains("orders"),
        "{text}"
    );
    let mut rows = statement.execute(&[]).await.expect("runs");
    while rows.next().await.is_some() {}
    let measured = rows.measured();
    assert_eq!(measured.output_rows, 6);
    assert!(measured.compute > Duration::ZERO && measured.plan.contains("output_rows"), "{measured:?}");
    let open = engine.plan("select * from orders where order_id = ?").await;
    assert!(open.explain().await.expect("a plan").contains("$1"));
}

#[tokio::test]
async fn time_stands_still_only_within_a_query() {
    let engine = engine().open();
    assert_eq!(engine.one("select now() = now()").await, "true");
    let statement = engine.plan("select now()").await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let rows = statement.execute(&[]).await.expect("runs");
        seen.push(crate::support::text(&batches(rows).await.expect("rows")));
        // Time itself must pass.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_ne!(seen[0], seen[1]);
}
