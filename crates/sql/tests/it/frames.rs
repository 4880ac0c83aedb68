//! DataFrames, step by step.

use std::fs;

use sql::{Aggregate, Error, Frame};

use crate::support::{Opened, batches, engine, text};

async fn orders() -> (Opened, Frame) {
    let engine = engine().open();
    let frame = engine.engine.table_frame(&engine.scope, "ORDERS").await.expect("a table");
    (engine, frame)
}

async fn rows(frame: &Frame) -> Vec<Vec<String>> {
    let rows = frame.statement().expect("a query").execute(&[]).await.expect("runs");
    text(&batches(rows).await.expect("rows"))
}

fn names(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

#[tokio::test]
async fn steps_follow_each_other() {
    let (engine, frame) = orders().await;
    let frame = frame.filter("Status = 'paid' and orders.total_amount > 100").expect("filters");
    let frame = frame.project(&names(&["ORDER_ID", "total_amount"])).expect("projects");
    let frame = frame.order_by(&[("total_amount".into(), true), ("order_id".into(), false)]).expect("sorts");
    let frame = frame.limit(3).expect("limits");
    let sql = "select order_id, total_amount from orders where status = 'paid' and total_amount > 100
               order by total_amount desc, order_id limit 3";
    assert_eq!(rows(&frame).await, engine.ask(sql).await);
}

#[tokio::test]
async fn aggregates_of_groups() {
    let (engine, frame) = orders().await;
    let field = |name: &str, what| (name.to_owned(), what);
    let all = [
        field("total_amount", Aggregate::Sum),
        field("status", Aggregate::Count),
        field("", Aggregate::CountStar),
        field("CUSTOMER_ID", Aggregate::CountDistinct),
    ];
    let grouped = frame.aggregate(&all, &names(&["Status"])).expect("aggregates");
    let schema = grouped.statement().expect("a query").schema();
    let titles: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(
        titles,
        ["status", "sum(total_amount)", "count(status)", "count(*)", "count(distinct customer_id)"]
    );
    let sorted = grouped.order_by(&[("status".into(), false)]).expect("sorts");
    let sql = "select status, sum(total_amount), count(status), count(*), count(distinct customer_id) from orders group by status order by status";
    assert_eq!(rows(&sorted).await, engine.ask(sql).await);
    let big = grouped.filter("\"count(*)\" > 0").expect("filters");
    assert_eq!(rows(&big).await.len(), 6);
    let total = frame.aggregate(&[field("order_id", Aggregate::Sum)], &[]).expect("aggregates");
    assert_eq!(rows(&total).await, [["12502500"]]);
}

#[tokio::test]
async fn errors_name_the_problem() {
    let (engine, frame) = orders().await;
    let field = |name: &str, what| [(name.to_owned(), what)];
    for (result, text) in [
        (frame.project(&names(&["nope"])), "column nope not found, known are order_id"),
        (frame.project(&[]), "needs at least one field"),
        (frame.aggregate(&field("status", Aggregate::Sum), &[]), "sum(status): status is Utf8, not a number"),
        (frame.aggregate(&field("nope", Aggregate::Count), &[]), "column nope not found"),
        (frame.aggregate(&[], &[]), "needs at least one field"),
        (frame.aggregate(&[], &names(&["nope"])), "column nope not found"),
        (frame.filter("nope > 1"), "column nope not found"),
        (frame.filter("status ="), "Expected"),
        (frame.filter("status = 'a' order by 1"), "expected the end of the expression"),
        (frame.filter("total_amount + 1"), "a filter is true or false"),
        (frame.filter("sum(total_amount) > 1"), "can't have aggregates"),
        (frame.filter("order_id in (select 1)"), "can't have subqueries"),
        (frame.filter("exists (select 1 from orders)"), "can't have subqueries"),
        (frame.filter("row_number() over () = 1"), "can't have window functions"),
        (frame.filter(""), "empty"),
        (frame.filter("order_id = ?"), "placeholders"),
        (frame.filter("status > 1 + true"), ""),
        (frame.order_by(&[("nope".into(), false)]), "column nope not found"),
    ] {
        let error = result.and_then(|frame| frame.statement()).expect_err(text);
        assert!(matches!(&error, Error::Invalid(message) if message.contains(text)), "{text}: {error:?}");
    }
    assert!(matches!(engine.engine.table_frame(&engine.scope, "nope").await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn filters_understand_escapes() {
    let (_engine, frame) = orders().await;
    let frame = frame.filter(r"status <> 'it\'s' and status like 'p%'").expect("filters");
    assert!(!rows(&frame).await.is_empty());
}

#[tokio::test]
async fn only_files_below_the_data_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("c/s")).expect("a schema");
    fs::write(folder.path().join("c/s/x.parquet"), "none").expect("a file");
    let engine = engine().data(folder.path()).open().engine;
    for path in ["../x.parquet", "/etc/passwd", "c/../../x"] {
        assert!(matches!(engine.parquet_frame(path).await, Err(Error::Forbidden(_))), "{path}");
    }
    for path in ["c/s/none.parquet", "c/s/x.parquet"] {
        let error = engine.parquet_frame(path).await.expect_err("is refused");
        assert!(matches!(&error, Error::Invalid(text) if text.contains(path)), "{error:?}");
    }
}
