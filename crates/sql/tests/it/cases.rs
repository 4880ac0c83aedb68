//! Unquoted names match in any case, quoted names exactly.

use std::fs;

use sql::Error;
use tempfile::TempDir;

use crate::support::{Opened, engine};

fn mixed() -> (TempDir, Opened) {
    let folder = tempfile::tempdir().expect("a folder");
    let schema = folder.path().join("Shop/Main");
    fs::create_dir_all(&schema).expect("a schema");
    fs::write(schema.join("Orders.csv"), "OrderId,customerID,Total\n1,10,2.5\n2,20,7.5\n").expect("a file");
    fs::write(schema.join("clash.csv"), "id,ID,other\n1,2,3\n").expect("a file");
    fs::write(schema.join("people.csv"), "ID,name\n10,Ada\n20,Bo\n").expect("a file");
    fs::write(schema.join("Twin.csv"), "a\n1\n").expect("a file");
    fs::write(schema.join("twin.csv"), "a\n2\n").expect("a file");
    let engine = engine().data(folder.path()).open();
    (folder, engine)
}

#[tokio::test]
async fn tables_schemas_and_catalogs() {
    let (_folder, engine) = mixed();
    for name in [
        "orders",
        "ORDERS",
        "main.orders",
        "MAIN.Orders",
        "shop.MAIN.orders",
        "`Orders`",
        "\"Shop\".\"Main\".\"Orders\"",
    ] {
        assert_eq!(engine.one(&format!("select count(*) from {name}")).await, "2", "{name}");
    }
    for name in ["\"orders\"", "`ORDERS`", "\"shop\".main.orders"] {
        let error = engine.refused(&format!("select count(*) from {name}")).await;
        assert!(error.to_string().contains("not found"), "{name}: {error}");
    }
}

#[tokio::test]
async fn columns_of_a_file() {
    let (_folder, engine) = mixed();
    for name in ["orderid", "ORDERID", "OrderId", "orders.orderid", "\"OrderId\"", "`OrderId`"] {
        assert_eq!(engine.one(&format!("select max({name}) from orders")).await, "2", "{name}");
    }
    assert_eq!(engine.one("select max(MAIN.ORDERS.ORDERID) from main.orders").await, "2");
    for name in ["\"orderid\"", "`ORDERID`", "orders.\"orderid\""] {
        let error = engine.refused(&format!("select max({name}) from orders")).await;
        assert!(error.to_string().contains("not found"), "{name}: {error}");
    }
    assert_eq!(engine.names("select orderid, CUSTOMERID from orders").await, ["OrderId", "customerID"]);
    assert_eq!(engine.names("select * from orders").await, ["OrderId", "customerID", "Total"]);
}

#[tokio::test]
async fn in_every_clause() {
    let (_folder, engine) = mixed();
    let sql = "select CustomerId, sum(TOTAL) as Paid from ORDERS where orderid > 0 group by customerid
               having SUM(total) > 1 order by PAID desc limit 1";
    assert_eq!(engine.ask(sql).await, [["20", "7.5"]]);
    let sql =
        "select p.NAME, o.ORDERID from orders O join People P on o.customerid = p.id order by O.OrderID";
    assert_eq!(engine.ask(sql).await, [["Ada", "1"], ["Bo", "2"]]);
    let sql =
        "select name from people P where exists (select 1 from orders where customerid = p.ID and TOTAL > 5)";
    assert_eq!(engine.ask(sql).await, [["Bo"]]);
    assert_eq!(
        engine
            .ask("select NAME from people where id in (select CUSTOMERID from orders where total < 5)")
            .await,
        [["Ada"]]
    );
    assert_eq!(engine.names("select O.* from orders o").await.len(), 3);
    assert_eq!(engine.names("select * exclude (ORDERID) from orders").await, ["customerID", "Total"]);
    let sql = "select sum(TOTAL) over W as s from orders window w as (order by ORDERID)";
    assert_eq!(engine.ask(sql).await, [["2.5"], ["10.0"]]);
}

#[tokio::test]
async fn names_that_the_statement_gives() {
    let (_folder, engine) = mixed();
    assert_eq!(engine.ask("with Foo as (select 1 as Bar) select bar from FOO").await, [["1"]]);
    assert_eq!(engine.ask("select FOO.bar from (select 1 as \"Bar\") as Foo").await, [["1"]]);
    assert_eq!(engine.ask("select B from (values (1, 2)) as t(A, b)").await, [["2"]]);
    assert_eq!(engine.ask("with t(X) as (select 7) select x from T").await, [["7"]]);
    assert_eq!(engine.ask("with Orders as (select 3 as orderid) select ORDERID from orders").await, [["3"]]);
    assert_eq!(engine.names("select Total as Amount from orders order by AMOUNT").await, ["Amount"]);
    assert_eq!(engine.ask("with a as (select 1 as X union all select 2), B as (select x + 1 as Y from A) select y from b order by Y").await.len(), 2);
}

#[tokio::test]
async fn two_that_differ_only_in_case_need_quotes() {
    let (_folder, engine) = mixed();
    for sql in
        ["select id from clash", "select clash.Id from clash", "select * from twin", "select * from TWIN"]
    {
        let error = engine.refused(sql).await;
        let Error::Invalid(text) = &error else { panic!("{sql}: {error:?}") };
        assert!(text.contains("is ambiguous: quote one of"), "{sql}: {text}");
    }
    assert_eq!(engine.ask("select \"id\", \"ID\", other from clash").await, [["1", "2", "3"]]);
    assert_eq!(engine.ask("select clash.\"ID\" from clash").await, [["2"]]);
    assert_eq!(engine.one("select a from \"twin\"").await, "2");
    assert_eq!(engine.one("select a from \"Twin\"").await, "1");
}

#[tokio::test]
async fn the_scope_ignores_case() {
    let (_folder, engine) = mixed();
    let engine = engine.within("SHOP", "main");
    assert_eq!(engine.one("select count(*) from orders").await, "2");
    assert_eq!(engine.engine.tables(&engine.scope).len(), 5);
    assert_eq!(engine.engine.columns(&engine.scope, "ORDERS").await.expect("columns").fields().len(), 3);
}

#[tokio::test]
async fn fields_of_structs() {
    let engine = engine().open();
    let sql = "select count(Dimensions.WIDTH), count(p.dimensions.Height) from products p where products.dimensions['depth'] > 0";
    assert!(engine.engine.plan(&engine.scope, &sql.replace("products.dim", "p.dim")).await.is_ok());
    assert_ne!(engine.one("select count(p.Dimensions.Width) from products P").await, "0");
}
