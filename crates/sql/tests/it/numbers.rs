//! Numbers and times keep their precision, or are refused.

use sql::{
    Error,
    arrow::datatypes::{DataType, TimeUnit},
};

use crate::support::{Opened, engine};

async fn kind(engine: &Opened, sql: &str) -> DataType {
    engine.plan(sql).await.schema().field(0).data_type().clone()
}

#[tokio::test]
async fn literals_keep_their_digits() {
    let engine = engine().open();
    for literal in [
        "12345678901234567890",
        "123456789012345678901234567890",
        "-123456789012345678901234567890",
        "-9223372036854775808",
        "-9223372036854775809",
        "12345678901234567.25",
        "0.12345678901234567890123456789",
        "-0.12345678901234567890123456789",
        "99999999999999999999999999999999999999",
        "123456789012345678901234567890123456789012345.25",
    ] {
        assert_eq!(engine.one(&format!("select {literal}")).await, literal);
    }
    for literal in ["2.5", "0.1", "1e3", "1234567.125", "2.50"] {
        assert_eq!(kind(&engine, &format!("select {literal}")).await, DataType::Float64, "{literal}");
    }
    assert_eq!(kind(&engine, "select 0.1234567890123456789").await, DataType::Decimal128(19, 19));
    assert_eq!(kind(&engine, "select -5").await, DataType::Int64);
}

#[tokio::test]
async fn whole_numbers_do_not_wrap() {
    let engine = engine().open();
    for sql in [
        "select 9223372036854775807 + 1",
        "select -9223372036854775808 - 1",
        "select 9223372036854775807 * 2",
        "select order_id + 9223372036854775807 from orders",
        "select order_id * 9223372036854775807 from orders",
        "select cast(2147483647 as int) + cast(order_id as int) from orders",
        "select cast(127 as tinyint) + cast(1 as tinyint)",
        "select - (order_id - 9223372036854775807 - 2) from orders where order_id = 1",
        "select sum(order_id + 9223372036854775000) from orders where order_id > 1000",
        "select count(*) from orders where order_id + 9223372036854775807 > 0",
        "select max(order_id + 9223372036854775807) over () from orders",
        "select 1 from orders a join customers b on a.order_id = b.customer_id * 9223372036854775807",
    ] {
        let error = engine.failed(sql).await;
        assert!(
            matches!(&error, Error::Invalid(text) if text.to_lowercase().contains("overflow")),
            "{sql}: {error:?}"
        );
    }
    for (sql, value) in [
        ("select 9223372036854775806 + 1", "9223372036854775807"),
        ("select - (order_id + 1) from orders where order_id = 1", "-2"),
        ("select max(order_id * 2 - 1) from orders", "9999"),
        ("select count(*) from orders a join orders b on a.order_id + 1 = b.order_id", "4999"),
        ("select cast(1 as int) + 2147483647", "2147483648"),
        ("select null + 1", "null"),
        ("select date '2024-01-31' + interval '1 month'", "2024-02-29"),
    ] {
        assert!(engine.one(sql).await.starts_with(value), "{sql}");
    }
    assert_eq!(engine.names("select order_id + 1 from orders").await, ["order_id + 1"]);
}

#[tokio::test]
async fn timestamps_reach_as_far_as_results_do() {
    let engine = engine().open();
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    assert_eq!(kind(&engine, "select cast('2024-01-01' as timestamp)").await, micros);
    for (sql, value) in [
        ("select timestamp '0001-01-01 00:00:00'", "0001-01-01T00:00:00"),
        ("select timestamp '9999-12-31 23:59:59.999999'", "9999-12-31T23:59:59.999999"),
        ("select cast('1500-06-01' as timestamp)", "1500-06-01T00:00:00"),
        ("select cast(date '3000-01-01' as timestamp)", "3000-01-01T00:00:00"),
        ("select timestamp '3000-01-01' + interval '1 day'", "3000-01-02T00:00:00"),
        ("select extract(year from timestamp '3000-01-01')", "3000"),
        ("select timestamp '9999-12-31' > now()", "true"),
        ("select timestamp '9999-12-31' > current_timestamp", "true"),
        ("select count(*) from orders where order_date < timestamp '9999-12-31'", "5000"),
    ] {
        assert_eq!(engine.one(sql).await, value, "{sql}");
    }
    assert_eq!(
        kind(&engine, "select cast('2024-01-01' as timestamp(3))").await,
        DataType::Timestamp(TimeUnit::Millisecond, None)
    );
}

#[tokio::test]
async fn timestamps_with_a_zone_keep_it() {
    let engine = engine().open();
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    assert_eq!(kind(&engine, "select cast('2024-01-01' as timestamp with time zone)").await, utc);
    assert_eq!(kind(&engine, "select now()").await, utc);
    for (sql, value) in [
        ("select cast('2024-01-01T00:00:00+05:30' as timestamp with time zone)", "2023-12-31T18:30:00Z"),
        ("select timestamptz '2024-01-01 00:00:00-08:00'", "2024-01-01T08:00:00Z"),
        ("select timestamp '3000-01-01 00:00:00' at time zone '+01:00'", "3000-01-01T00:00:00+01:00"),
    ] {
        assert_eq!(engine.one(sql).await, value, "{sql}");
    }
    for sql in ["select now() at time zone status from orders", "select now() at time zone 'x\")'"] {
        assert!(matches!(engine.refused(sql).await, Error::Invalid(_)), "{sql}");
    }
}
