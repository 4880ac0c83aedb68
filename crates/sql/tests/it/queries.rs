//! Which statements are allowed, and their results.

use sql::Error;

use crate::support::engine;

#[tokio::test]
async fn select_one() {
    assert_eq!(engine().open().ask("SELECT 1").await, [["1"]]);
}

#[tokio::test]
async fn joins_groups_ctes_and_windows() {
    let engine = engine().open();
    let orphans = "select count(*) from orders o left join customers c on o.customer_id = c.customer_id where c.customer_id is null";
    assert_eq!(engine.one(orphans).await, "0");
    let sql = "with big as (select customer_id, sum(total_amount) as total from orders group by customer_id)
               select count(*) from big where total > 0";
    assert_ne!(engine.one(sql).await, "0");
    let sql = "select order_id, row_number() over (partition by status order by order_id) as n from orders order by order_id limit 2";
    assert_eq!(engine.ask(sql).await.len(), 2);
}

#[tokio::test]
async fn every_built_in_key_finds_its_table() {
    let engine = engine().open();
    for (child, parent, key) in [
        ("sales.orders", "sales.customers", "customer_id"),
        ("marketing.leads", "marketing.campaigns", "campaign_id"),
        ("marketing.leads", "sales.customers", "customer_id"),
        ("marketing.conversions", "marketing.leads", "lead_id"),
        ("marketing.conversions", "sales.orders", "order_id"),
        ("finance.transactions", "finance.accounts", "account_id"),
        ("finance.transactions", "sales.orders", "order_id"),
        ("analytics.dashboards.widgets", "analytics.dashboards.dashboards", "dashboard_id"),
    ] {
        let sql = format!(
            "select count(*) from {child} c where c.{key} is not null and c.{key} not in (select {key} from {parent})"
        );
        assert_eq!(engine.one(&sql).await, "0", "{child}.{key}");
    }
}

#[tokio::test]
async fn values_and_set_operations_are_queries() {
    let engine = engine().open();
    assert_eq!(engine.ask("values (1, 'a'), (2, 'b')").await, [["1", "a"], ["2", "b"]]);
    assert_eq!(engine.ask("select 1 union all select 1 union select 2 order by 1").await.len(), 2);
    assert_eq!(engine.ask("(select 1)").await, [["1"]]);
}

#[tokio::test]
async fn series_are_tables() {
    let engine = engine().open();
    assert_eq!(engine.one("select sum(value) from GENERATE_SERIES(1, 100)").await, "5050");
    assert_eq!(engine.one("select count(*) from range(0, 10) as r(n) where N > 4").await, "5");
}

#[tokio::test]
async fn explain_describe_and_recursion_are_queries() {
    let engine = engine().open();
    let plan = engine.ask("explain select * from orders").await;
    assert!(plan[0][1].contains("orders"), "{plan:?}");
    assert_eq!(engine.ask("describe ORDERS").await[0][0], "order_id");
    assert_eq!(engine.ask("explain analyze select 1").await[0][0], "Plan with Metrics");
    let sql =
        "with recursive T(N) as (select 1 union all select n + 1 from t where n < 10) select sum(n) from t";
    assert_eq!(engine.one(sql).await, "55");
}

#[tokio::test]
async fn one_semicolon_passes_but_no_second_statement() {
    let engine = engine().open();
    assert_eq!(engine.ask("select 1; -- done").await, [["1"]]);
    for sql in ["select 1; select 2", "select 1; drop table orders"] {
        assert!(matches!(engine.refused(sql).await, Error::Invalid(_)), "{sql}");
    }
    for sql in ["", "  \n", "-- nothing", ";", "/* nothing */ ;"] {
        assert_eq!(engine.refused(sql).await, Error::Invalid("the SQL text is empty".into()), "{sql}");
    }
}

#[tokio::test]
async fn other_statements_are_forbidden_by_name() {
    let engine = engine().open();
    for (sql, name) in [
        ("copy orders to '/tmp/x.csv'", "COPY"),
        ("COPY (select 1) TO 'x' STORED AS CSV", "COPY"),
        ("create external table t stored as csv location '/etc/passwd'", "CREATE EXTERNAL TABLE"),
        ("create table t as select 1", "CREATE TABLE"),
        ("create or replace view v as select 1", "CREATE OR REPLACE VIEW"),
        ("insert into orders values (1)", "INSERT INTO"),
        ("with x as (select 1) insert into orders select * from x", "INSERT"),
        ("update orders set status = 'x'", "UPDATE"),
        ("delete from orders", "DELETE"),
        ("drop table orders", "DROP TABLE"),
        ("set datafusion.execution.batch_size = 1", "SET"),
        ("reset datafusion.execution.batch_size", "RESET"),
        ("show create table orders", "SHOW"),
        ("prepare p as select 1", "PREPARE"),
        ("begin", "BEGIN"),
        ("explain insert into orders values (1)", "INSERT"),
        ("explain copy orders to 'x'", "COPY"),
        ("select 1 into t", "SELECT INTO"),
        ("truncate table orders", "TRUNCATE TABLE"),
        ("merge into orders using customers on true when matched then delete", "MERGE INTO"),
    ] {
        let error = engine.refused(sql).await;
        let Error::Forbidden(text) = &error else { panic!("{sql}: {error:?}") };
        assert!(text.starts_with(&format!("{name} is not allowed")), "{sql}: {text}");
    }
}

#[tokio::test]
async fn files_cannot_be_read_by_path() {
    let engine = engine().open();
    for sql in [
        "select * from '/etc/passwd'",
        "select * from \"/etc/passwd\"",
        "select * from 'file:///etc/hosts.csv'",
        "select * from read_csv('/etc/passwd')",
        "select * from parquet_metadata('/tmp/x.parquet')",
    ] {
        let error = engine.refused(sql).await;
        assert!(error.to_string().contains("not found"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_nothing_else() {
    let engine = engine().open();
    for (sql, text) in [
        ("selec 1", "Expected: an SQL statement, found: selec at Line: 1, Column: 1"),
        (
            "select * from nope",
            "table nope not found in default.sales, known are customers, orders, products",
        ),
        ("select * from nope.orders", "table orders not found: no schema nope in catalog default"),
        ("select * from nope.sales.orders", "table orders not found: no catalog nope"),
        (
            "select nope from customers",
            "column nope not found, known are customers.customer_id, customers.name, customers.email, customers.created_date",
        ),
        (
            "select c.nope from customers c",
            "column c.nope not found, known are c.customer_id, c.name, c.email, c.created_date",
        ),
    ] {
        let error = engine.refused(sql).await;
        assert_eq!(error, Error::Invalid(text.into()), "{sql}");
    }
    for sql in [
        "select nope(1)",
        "select 1 + true",
        "select sum(name) from customers",
        "select * from orders group by status",
    ] {
        let error = engine.refused(sql).await;
        let Error::Invalid(text) = &error else { panic!("{sql}: {error:?}") };
        for noise in ["Error during planning", "backtrace", "bug", "DataFusion", "Internal error"] {
            assert!(!text.contains(noise), "{sql}: {text}");
        }
    }
}

#[tokio::test]
async fn uncomputable_queries_are_invalid() {
    let engine = engine().open();
    for sql in ["select 1 / (order_id - order_id) from orders", "select cast(status as bigint) from orders"] {
        let error = engine.failed(sql).await;
        assert!(matches!(error, Error::Invalid(_)), "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn columns_keep_their_written_names() {
    let engine = engine().open();
    let names =
        engine.names("SELECT 1, COUNT(*), Sum(total_amount) AS Total, max(order_id) FROM orders").await;
    assert_eq!(names, ["1", "COUNT(*)", "Total", "max(order_id)"]);
    assert_eq!(engine.names("select ORDER_ID, o.Status from orders o").await, ["order_id", "status"]);
    assert_eq!(engine.names("select *, 1 as Foo from customers").await.last().expect("a column"), "Foo");
    assert_eq!(
        engine.names("with t as (select 1 as A) select a + 1 from T union all select 2").await,
        ["a + 1"]
    );
}

#[tokio::test]
async fn columns_may_have_the_same_name() {
    let engine = engine().open();
    assert_eq!(engine.names("select 1, 1, 2 as x, 3 as x").await, ["1", "1", "x", "x"]);
    assert_eq!(engine.ask("select 1, 1, 2 as x, 3 as x").await, [["1", "1", "2", "3"]]);
    let sql = "select *, order_id, Status from orders order by order_id limit 1";
    assert_eq!(engine.names(sql).await[5..], ["order_id", "status"]);
    assert_eq!(engine.ask(sql).await[0][5], "1");
    let sql = "select a.customer_id, b.customer_id from customers a join customers b on a.customer_id = b.customer_id limit 1";
    assert_eq!(engine.names(sql).await, ["customer_id", "customer_id"]);
    assert_eq!(
        engine.ask("select status, status, count(*) from orders group by status order by status").await.len(),
        6
    );
}

#[tokio::test]
async fn a_column_beside_its_cast_is_another_column() {
    let engine = engine().open();
    let sql = "select order_id, cast(order_id as varchar), cast(order_id as double) from orders order by order_id limit 1";
    assert_eq!(engine.ask(sql).await, [["1", "1", "1.0"]]);
    assert_eq!(engine.names(sql).await[..2], ["order_id", "CAST(order_id AS VARCHAR)"]);
    assert_eq!(engine.ask("select '1', cast('1' as int), null, cast(null as int)").await.len(), 1);
    assert_eq!(
        engine
            .ask("select status, count(*) from orders group by status order by count(*) limit 1")
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn ignored_parts_are_refused() {
    let engine = engine().open();
    for sql in [
        "select count(*) from orders prewhere order_id = 3",
        "select status, count(*) from orders group by status with rollup",
        "select count(*) from orders tablesample (10 percent)",
    ] {
        assert!(matches!(engine.refused(sql).await, Error::Invalid(_)), "{sql}");
    }
}

#[tokio::test]
async fn aggregates_with_and_without_cast_are_two_columns() {
    let engine = engine().open();
    let sql = "select max(total_amount), max(cast(total_amount as int)), max(cast(total_amount as bigint)) from orders";
    assert_eq!(engine.ask(sql).await, [["2498.57", "2498", "2498"]]);
    assert_eq!(engine.names(sql).await[..2], ["max(total_amount)", "max(CAST(total_amount AS INT))"]);
    let sql = "select status, max(cast(total_amount as int)) from orders group by status
               having max(cast(total_amount as int)) > max(total_amount) - 1
               order by max(cast(total_amount as int)) desc limit 1";
    assert_eq!(engine.ask(sql).await[0][1], "2498");
    let sql = "select sum(total_amount) over (), sum(cast(total_amount as int)) over () from orders limit 1";
    assert_ne!(engine.ask(sql).await[0][0], engine.ask(sql).await[0][1]);
}

#[tokio::test]
async fn subqueries_may_repeat_names() {
    let engine = engine().open();
    assert_eq!(engine.ask("select * from (select 1 as x, 2 as x) t").await, [["1", "2"]]);
    assert_eq!(engine.names("select * from (select 1 as x, 2 as x) t").await, ["x", "x"]);
    let sql = "with j as (select o.customer_id, c.customer_id, c.name from orders o join customers c on o.customer_id = c.customer_id)
               select * from j limit 1";
    assert_eq!(engine.names(sql).await, ["customer_id", "customer_id", "name"]);
    let sql =
        "select * from (select * from orders o join customers c on o.customer_id = c.customer_id) t limit 1";
    assert_eq!(
        engine.names(sql).await[..6],
        ["order_id", "customer_id", "order_date", "total_amount", "status", "customer_id"]
    );
    assert_eq!(
        engine.one("select \"count(*)\" from (select count(*), max(order_id) from orders) t").await,
        "5000"
    );
    assert_eq!(engine.names("select dimensions.width from products limit 1").await, ["width"]);
    let error = engine.refused("select x from (select 1 as x, 2 as x) t").await;
    assert!(error.to_string().starts_with("x is ambiguous"), "{error}");
}

#[tokio::test]
async fn equal_selects_in_each_other_are_both_computed() {
    let engine = engine().open();
    assert_eq!(engine.one("select x + 1 as x from (select x + 1 as x from (select 1 as x))").await, "3");
    let sql = "select a || a as a from (select a || a as a from (select status as a from orders limit 1))";
    assert_eq!(engine.one(sql).await, "shippedshippedshippedshipped");
    assert_eq!(engine.ask("select * from (select 1 as x), (select 2 as y)").await, [["1", "2"]]);
}
