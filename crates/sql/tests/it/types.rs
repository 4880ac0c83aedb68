//! The built-in tables have every type, nulls, and the same rows on every start.

use std::collections::BTreeSet;

use sql::arrow::datatypes::{DataType, TimeUnit};

use crate::support::{engine, scope};

#[tokio::test]
async fn orders_and_customers_are_as_promised() {
    let engine = engine().open();
    let columns = |table: &'static str| engine.engine.columns(&engine.scope, table);
    let shape = |schema: sql::arrow::datatypes::SchemaRef| -> Vec<(String, DataType)> {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    assert_eq!(
        shape(columns("orders").await.expect("columns")),
        [
            ("order_id".into(), DataType::Int64),
            ("customer_id".into(), DataType::Int64),
            ("order_date".into(), timestamp),
            ("total_amount".into(), DataType::Float64),
            ("status".into(), DataType::Utf8),
        ]
    );
    assert_eq!(
        shape(columns("customers").await.expect("columns")),
        [
            ("customer_id".into(), DataType::Int64),
            ("name".into(), DataType::Utf8),
            ("email".into(), DataType::Utf8),
            ("created_date".into(), DataType::Date32),
        ]
    );
}

#[tokio::test]
async fn every_type_has_values_and_nulls() {
    let engine = engine().open();
    let (mut types, mut scales) = (BTreeSet::new(), BTreeSet::new());
    for catalog in engine.engine.catalogs() {
        for schema in engine.engine.schemas(&catalog.name) {
            let place = scope(&catalog.name, &schema);
            for table in engine.engine.tables(&place) {
                let columns = engine.engine.columns(&place, &table).await.expect("columns");
                let counts: Vec<_> =
                    columns.fields().iter().map(|field| format!("count({})", field.name())).collect();
                let sql =
                    format!("select count(*), {} from {}.{schema}.{table}", counts.join(", "), catalog.name);
                let counts: Vec<usize> =
                    engine.ask(&sql).await[0].iter().map(|n| n.parse().expect("a number")).collect();
                assert!(counts[0] >= 40, "{table} has rows");
                for (field, count) in columns.fields().iter().zip(&counts[1..]) {
                    assert!(*count > 0, "{table}.{} has values", field.name());
                    assert_eq!(*count < counts[0], field.is_nullable(), "{table}.{} has nulls", field.name());
                    let text = field.data_type().to_string();
                    types.insert(text.split(['(', ' ']).next().expect("a name").to_owned());
                    if let DataType::Decimal128(_, scale) = field.data_type() {
                        scales.insert(*scale);
                    }
                }
            }
        }
    }
    for name in [
        "Boolean",
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "UInt64",
        "Float32",
        "Float64",
        "Utf8",
        "Binary",
        "Date32",
        "Timestamp",
        "Decimal128",
        "List",
        "Map",
        "Struct",
        "Time64",
        "Interval",
        "Duration",
    ] {
        assert!(types.contains(name), "{name} is among {types:?}");
    }
    assert!(scales.len() >= 4, "{scales:?}");
}

#[tokio::test]
async fn rows_are_the_same_on_every_start() {
    let digest = "select count(*), round(sum(total_amount), 2), min(order_date), max(status), sum(customer_id) from orders";
    let (one, other) = (engine().open(), engine().batch_rows(100).open());
    let first = one.ask(digest).await;
    assert_eq!(first, other.ask(digest).await);
    assert_eq!(first[0][0], "5000");
    for table in ["products", "finance.transactions", "marketing.conversions", "analytics.dashboards.widgets"]
    {
        let sql = format!("select * from {table}");
        assert_eq!(one.ask(&sql).await, other.ask(&sql).await, "{table}");
    }
}

#[tokio::test]
async fn numbers_reach_their_ends() {
    let engine = engine().open();
    assert_eq!(
        engine.one("select max(transaction_id) > 9223372036854775807 from finance.transactions").await,
        "true"
    );
    assert_eq!(engine.one("select min(opened) < date '1970-01-01' from finance.accounts").await, "true");
    assert_eq!(engine.one("select max(length(cast(balance as varchar))) from finance.accounts").await, "40");
}
