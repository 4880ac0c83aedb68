//! Listing catalogs, schemas, tables and columns.

use sql::{Catalog, Error, NewCatalog, Scope};

use crate::support::{engine, scope};

#[tokio::test]
async fn the_built_in_catalogs() {
    let engine = engine().open().engine;
    let catalog = |name: &str, is_default| Catalog { name: name.into(), is_default };
    assert_eq!(engine.catalogs(), [catalog("analytics", false), catalog("default", true)]);
    assert_eq!(engine.schemas(""), ["finance", "marketing", "sales"]);
    assert_eq!(engine.schemas("analytics"), ["dashboards", "metrics", "reports"]);
    assert_eq!(engine.tables(&scope("", "marketing")), ["campaigns", "conversions", "leads"]);
    assert_eq!(engine.tables(&scope("default", "finance")), ["accounts", "budgets", "transactions"]);
    assert_eq!(engine.tables(&Scope::default()), ["customers", "orders", "products"]);
}

#[tokio::test]
async fn unknown_names_list_nothing() {
    let engine = engine().open().engine;
    assert!(engine.schemas("nope").is_empty());
    assert!(engine.tables(&scope("nope", "sales")).is_empty());
    assert!(engine.tables(&scope("", "nope")).is_empty());
    for place in [scope("", ""), scope("nope", ""), scope("", "nope")] {
        assert!(engine.columns(&place, "nope").await.expect("columns").fields().is_empty());
    }
}

#[tokio::test]
async fn unknown_scopes_matter_only_to_name_lookups() {
    let engine = engine().open().within("nope", "neither");
    assert_eq!(engine.ask("select 1").await, [["1"]]);
    assert_eq!(engine.one("select count(*) from default.sales.orders").await, "5000");
    let error = engine.refused("select * from orders").await;
    assert_eq!(error, Error::Invalid("table orders not found: no catalog nope".into()));
}

#[tokio::test]
async fn qualified_names_go_their_own_way() {
    let engine = engine().open().within("analytics", "metrics");
    assert_ne!(engine.one("select count(*) from counters").await, "0");
    assert_ne!(engine.one("select count(*) from reports.report_runs").await, "0");
    let sql = "select count(*) from default.sales.orders join page_views on orders.customer_id = page_views.customer_id";
    assert_ne!(engine.one(sql).await, "0");
}

#[tokio::test]
async fn unknown_tables_are_generated_if_configured() {
    let engine = engine().generating().open();
    let names = engine.names("select * from Whatever").await;
    assert_eq!(names, ["id", "name", "amount", "created_at"]);
    assert_eq!(engine.one("select count(*) from whatever").await, "1000");
    let digest = |table: &str| format!("select sum(amount), max(name), min(created_at) from {table}");
    assert_eq!(engine.ask(&digest("whatever")).await, engine.ask(&digest("nope.nowhere.WHATEVER")).await);
    assert_ne!(engine.ask(&digest("whatever")).await, engine.ask(&digest("another")).await);
    assert_eq!(engine.one("select count(*) from whatever w join others o on w.ID = O.id").await, "1000");
    assert_eq!(engine.one("select count(*) from orders").await, "5000");
}

#[tokio::test]
async fn nothing_is_added_to_the_built_in_catalogs() {
    let engine = engine().open().engine;
    let new = NewCatalog { name: "more".into(), path: "more".into(), default: false };
    let error = engine.add_catalog(&new).await.expect_err("there is no data directory");
    assert!(error.to_string().contains("no data directory"), "{error}");
    engine.refresh().await.expect("has nothing to look at");
}
