//! Placeholders and their values.

use sql::{Error, Parameter, arrow::datatypes::DataType};

use crate::support::{Opened, batches, engine, parameter, text};

async fn run(engine: &Opened, sql: &str, parameters: &[Parameter]) -> Result<Vec<Vec<String>>, Error> {
    let rows = engine.plan(sql).await.execute(parameters).await?;
    Ok(text(&batches(rows).await?))
}

#[tokio::test]
async fn question_marks_are_numbered() {
    let engine = engine().open();
    let sql = "select order_id from orders where order_id > ? and order_id < ? order by order_id";
    let values = [parameter(1, DataType::Int64, "3"), parameter(2, DataType::Int64, "6")];
    assert_eq!(run(&engine, sql, &values).await, Ok(vec![vec!["4".into()], vec!["5".into()]]));
    let known: Vec<_> =
        engine.plan(sql).await.parameters().into_iter().map(|p| (p.index, p.data_type)).collect();
    assert_eq!(known, [(1, Some(DataType::Int64)), (2, Some(DataType::Int64))]);
}

#[tokio::test]
async fn dollars_may_repeat() {
    let engine = engine().open();
    let sql = "select count(*) from orders where order_id = $2 or customer_id = $1 or order_id = $2";
    let values = [parameter(2, DataType::Int64, "7"), parameter(1, DataType::Int64, "-1")];
    assert_eq!(run(&engine, sql, &values).await, Ok(vec![vec!["1".into()]]));
}

#[tokio::test]
async fn values_of_every_kind() {
    let engine = engine().open();
    for (data_type, value, answer) in [
        (DataType::Boolean, "true", "true"),
        (DataType::Int8, "-5", "-5"),
        (DataType::Int64, "9223372036854775807", "9223372036854775807"),
        (DataType::Float64, "1.5", "1.5"),
        (DataType::Utf8, "it's; -- ? $1", "it's; -- ? $1"),
        (DataType::Date32, "1969-12-31", "1969-12-31"),
        (
            DataType::Decimal128(38, 2),
            "123456789012345678901234567890.12",
            "123456789012345678901234567890.12",
        ),
    ] {
        let values = [parameter(1, data_type.clone(), value)];
        assert_eq!(
            run(&engine, "select ? as x", &values).await,
            Ok(vec![vec![answer.into()]]),
            "{data_type}"
        );
    }
    let null = Parameter { index: 1, data_type: Some(DataType::Int64), value: None };
    assert_eq!(run(&engine, "select ? is null", &[null]).await, Ok(vec![vec!["true".into()]]));
}

#[tokio::test]
async fn values_go_where_another_type_is_wanted() {
    let engine = engine().open();
    let sql = "select count(*) from orders where order_id = ?";
    for value in [
        parameter(1, DataType::Utf8, "7"),
        parameter(1, DataType::Int32, "7"),
        parameter(1, DataType::Float64, "7.0"),
    ] {
        assert_eq!(run(&engine, sql, &[value]).await, Ok(vec![vec!["1".into()]]));
    }
    let sql = "select order_id from orders order by order_id limit ?";
    assert_eq!(run(&engine, sql, &[parameter(1, DataType::Int64, "3")]).await.map(|rows| rows.len()), Ok(3));
    let untyped = Parameter { index: 1, data_type: None, value: Some("3".into()) };
    assert_eq!(run(&engine, sql, &[untyped]).await.map(|rows| rows.len()), Ok(3));
}

#[tokio::test]
async fn marks_in_literals_or_comments_are_no_parameters() {
    let engine = engine().open();
    assert!(engine.plan("select '?', \"a?\" from (select 1 as \"a?\") -- ?").await.parameters().is_empty());
}

#[tokio::test]
async fn both_kinds_in_one_query_are_refused() {
    let engine = engine().open();
    for sql in ["select ?, $1", "select :name", "select $name", "select $0", "select ?1"] {
        assert!(matches!(engine.refused(sql).await, Error::Invalid(_)), "{sql}");
    }
}

#[tokio::test]
async fn wrong_values_are_named() {
    let engine = engine().open();
    let sql = "select order_id from orders where order_id > ? and order_id < ?";
    let one = |value: &str| parameter(1, DataType::Int64, value);
    let two = parameter(2, DataType::Int64, "6");
    for (values, message) in [
        (vec![], "parameter 1 has no value"),
        (vec![one("1")], "parameter 2 has no value"),
        (
            vec![one("1"), two.clone(), parameter(3, DataType::Int64, "1")],
            "parameter 3 has no placeholder: the query has 2",
        ),
        (vec![one("1"), one("1"), two.clone()], "parameter 1 is given twice"),
        (vec![one("x"), two.clone()], "parameter 1: 'x' is not a valid Int64"),
    ] {
        assert_eq!(run(&engine, sql, &values).await, Err(Error::Invalid(message.into())));
    }
    let surplus = [parameter(1, DataType::Int64, "1")];
    assert_eq!(
        run(&engine, "select 1", &surplus).await,
        Err(Error::Invalid("parameter 1 has no placeholder: the query has 0".into()))
    );
}
