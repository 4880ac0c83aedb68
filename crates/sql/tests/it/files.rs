//! Tables in files.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
};

use sql::{
    Error, NewCatalog, Scope,
    arrow::{
        array::{
            ArrayRef, Int64Array, IntervalYearMonthArray, ListArray, RecordBatch, StringArray, StructArray,
        },
        datatypes::{DataType, Field, Int64Type},
    },
    parquet::{
        arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
        file::properties::WriterProperties,
    },
};
use tempfile::TempDir;

use crate::support::{Opened, batches, engine, scope};

fn parquet(path: &Path, rows: std::ops::Range<i64>) {
    let ids = Int64Array::from_iter_values(rows.clone());
    let names = StringArray::from_iter(rows.clone().map(|id| (id % 7 != 0).then(|| format!("name {id}"))));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(rows.map(|id| Some(vec![Some(id), None])));
    let inner = Arc::new(Field::new("Deep", DataType::Utf8, true));
    let deep = StructArray::new(vec![inner].into(), vec![Arc::new(names.clone()) as _], None);
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("Id", Arc::new(ids) as _, false),
        ("name", Arc::new(names) as _, true),
        ("list", Arc::new(lists) as _, true),
        ("nested", Arc::new(deep) as _, true),
    ])
    .expect("a batch");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1000)).build();
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("writes");
    writer.close().expect("closes");
}

/// `shop.main` with `sales.csv`, `events.json`, `log.parquet`, the folder `parts`, and files that are no tables.
fn shop() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let schema = folder.path().join("shop/main");
    fs::create_dir_all(schema.join("parts")).expect("a schema");
    fs::create_dir_all(schema.join("notes")).expect("a folder");
    fs::write(schema.join("sales.csv"), "id,day,amount,what\n1,2024-01-31,1.5,\"a, b\"\n2,2024-02-29,,c\n")
        .expect("a file");
    fs::write(
        schema.join("events.json"),
        "{\"id\": 1, \"tags\": [\"a\"], \"at\": {\"x\": 1}}\n{\"id\": 2}\n",
    )
    .expect("a file");
    fs::write(schema.join("readme.txt"), "no table").expect("a file");
    fs::write(schema.join(".hidden.csv"), "a\n1\n").expect("a file");
    parquet(&schema.join("log.parquet"), 0..10_000);
    parquet(&schema.join("parts/a.parquet"), 0..1500);
    parquet(&schema.join("parts/b.parquet"), 1500..3000);
    fs::create_dir_all(folder.path().join("empty")).expect("a catalog");
    folder
}

fn open(folder: &TempDir) -> Opened {
    engine().data(folder.path()).open().within("shop", "main")
}

#[tokio::test]
async fn folders_are_schemas_and_files_are_tables() {
    let folder = shop();
    let engine = open(&folder).engine;
    let names: Vec<_> =
        engine.catalogs().into_iter().map(|catalog| (catalog.name, catalog.is_default)).collect();
    assert_eq!(names, [("empty".into(), true), ("shop".into(), false)]);
    assert_eq!(engine.schemas("shop"), ["main"]);
    assert_eq!(engine.tables(&scope("shop", "main")), ["events", "log", "parts", "sales"]);
    assert_eq!(engine.tables(&scope("shop", "")), ["events", "log", "parts", "sales"]);
    assert!(engine.tables(&Scope::default()).is_empty());
}

#[tokio::test]
async fn csv_has_a_header_and_types() {
    let folder = shop();
    let engine = open(&folder);
    let sql = "select id, day, amount, what from sales order by id";
    assert_eq!(engine.ask(sql).await, [["1", "2024-01-31", "1.5", "a, b"], ["2", "2024-02-29", "null", "c"]]);
    assert_eq!(
        engine.one("select sum(amount) + max(id) from sales where day > date '2024-01-01'").await,
        "3.5"
    );
}

#[tokio::test]
async fn json_is_one_object_a_line() {
    let folder = shop();
    let engine = open(&folder);
    assert_eq!(
        engine.ask("select id, tags[1], at.x from events order by id").await,
        [["1", "a", "1"], ["2", "null", "null"]]
    );
}

#[tokio::test]
async fn parquet_is_read_in_order_as_needed() {
    let folder = shop();
    let engine = open(&folder);
    let all = engine.ask("select id from log").await;
    assert_eq!(all.len(), 10_000);
    assert!(all.iter().enumerate().all(|(at, row)| row[0] == at.to_string()));
    assert_eq!(engine.ask("select name, ID from log limit 2").await, [["null", "0"], ["name 1", "1"]]);
    assert_eq!(engine.ask("select list, id from log limit 1 offset 9999").await, [["[9999, null]", "9999"]]);
    assert_eq!(engine.one("select count(*) from log").await, "10000");
    assert_eq!(engine.one("select count(nested.deep) from log where id < 8").await, "6");
    let rows = engine.plan("select id from log").await.execute(&[]).await.expect("runs");
    assert_eq!(rows.exact_rows(), Some(10_000));
    assert!(batches(rows).await.expect("rows").iter().all(|batch| batch.num_rows() <= 8192));
}

#[tokio::test]
async fn a_folder_of_parquet_files_is_one_table() {
    let folder = shop();
    let engine = open(&folder);
    assert_eq!(engine.one("select count(distinct id) from parts").await, "3000");
    let sql = "select id from parts limit 1600";
    assert_eq!(engine.ask(sql).await.last().expect("rows")[0], "1599");
    let rows = engine.plan(sql).await.execute(&[]).await.expect("runs");
    assert_eq!(rows.exact_rows(), Some(1600));
}

#[tokio::test]
async fn a_broken_file_breaks_only_its_table() {
    let folder = shop();
    let schema = folder.path().join("shop/main");
    fs::write(schema.join("broken.parquet"), "no parquet").expect("a file");
    fs::write(schema.join("ragged.csv"), "a,b\n1,2\n1,2,3\n").expect("a file");
    fs::write(schema.join("blank.csv"), "").expect("a file");
    fs::write(schema.join("odd.json"), "{\"a\": 1}\n{\"a\": \n").expect("a file");
    fs::write(schema.join("sales.json"), "{}\n").expect("a file");
    let mut late = String::from("n\n");
    (0..30_000).for_each(|n| late.push_str(&format!("{n}\n")));
    late.push_str("many\n");
    fs::write(schema.join("late.csv"), late).expect("a file");
    let engine = open(&folder);
    assert_eq!(engine.one("select count(*) from log").await, "10000");
    for (table, file) in [
        ("broken", "shop/main/broken.parquet"),
        ("ragged", "shop/main/ragged.csv"),
        ("blank", "shop/main/blank.csv"),
        ("odd", "shop/main/odd.json"),
        ("sales", "shop/main/sales.csv, shop/main/sales.json"),
    ] {
        let error = engine.refused(&format!("select * from {table}")).await;
        assert!(matches!(&error, Error::Invalid(text) if text.contains(file)), "{table}: {error:?}");
        assert!(engine.engine.columns(&engine.scope, table).await.is_err(), "{table}");
    }
    // One word after 30 000 numbers makes the column text.
    assert_eq!(engine.one("select max(n) from late").await, "many");
}

#[tokio::test]
async fn all_rows_determine_column_types() {
    let folder = shop();
    let mut numbers = String::from("n\n");
    (0..30_000).for_each(|n| numbers.push_str(&format!("{n}\n")));
    numbers.push_str("0.5\n");
    fs::write(folder.path().join("shop/main/numbers.csv"), numbers).expect("a file");
    let engine = open(&folder);
    assert_eq!(engine.ask("select sum(n), typeof(max(n)) from numbers").await, [["449985000.5", "double"]]);
}

#[tokio::test]
async fn changed_files_are_reread_new_after_refresh() {
    let folder = shop();
    let engine = open(&folder);
    assert_eq!(engine.one("select count(*) from sales").await, "2");
    let schema = folder.path().join("shop/main");
    fs::write(schema.join("sales.csv"), "other,columns\nx,y\nx,y\nx,y\n").expect("a file");
    assert_eq!(engine.one("select count(columns) from sales").await, "3");
    fs::write(schema.join("fresh.csv"), "a\n1\n").expect("a file");
    fs::create_dir_all(folder.path().join("default/one")).expect("a catalog");
    assert!(engine.refused("select * from fresh").await.to_string().contains("not found"));
    engine.engine.refresh().await.expect("refreshes");
    assert_eq!(engine.one("select a from fresh").await, "1");
    fs::remove_file(schema.join("fresh.csv")).expect("removes");
    engine.engine.refresh().await.expect("refreshes");
    assert!(engine.refused("select * from fresh").await.to_string().contains("not found"));
}

#[tokio::test]
async fn catalogs_are_added_from_below_the_data_directory() {
    let folder = shop();
    fs::create_dir_all(folder.path().join("more/extra/main")).expect("a catalog");
    fs::write(folder.path().join("more/extra/main/t.csv"), "a\n5\n").expect("a file");
    let engine = open(&folder);
    let new = |name: &str, path: &str, default| NewCatalog { name: name.into(), path: path.into(), default };
    engine.engine.add_catalog(&new("added", "more/extra", true)).await.expect("adds");
    assert_eq!(engine.one("select a from added.main.t").await, "5");
    assert!(engine.engine.catalogs().contains(&sql::Catalog { name: "added".into(), is_default: true }));
    engine.engine.refresh().await.expect("refreshes");
    assert_eq!(engine.one("select a from ADDED.main.t").await, "5");
    for (new, text) in [
        (new("added", "more/extra", false), "exists already"),
        (new("x", "../", false), "not below the data directory"),
        (new("x", "more/../../..", false), "not below the data directory"),
        (new("x", "/etc", false), "not below the data directory"),
        (new("x", "nowhere", false), "not found"),
        (new("x", "shop/main/sales.csv", false), "is not a folder"),
        (new("", "shop", false), "needs a name"),
    ] {
        let error = engine.engine.add_catalog(&new).await.expect_err("is refused");
        assert!(error.to_string().contains(text), "{new:?}: {error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn links_do_not_lead_out() {
    let outside = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(outside.path().join("main")).expect("a folder");
    fs::write(outside.path().join("main/secret.csv"), "a\n1\n").expect("a file");
    let folder = shop();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).expect("a link");
    std::os::unix::fs::symlink(
        outside.path().join("main/secret.csv"),
        folder.path().join("shop/main/secret.csv"),
    )
    .expect("a link");
    let engine = open(&folder);
    assert!(engine.engine.schemas("link").is_empty());
    assert!(!engine.engine.tables(&engine.scope).contains(&"secret".to_owned()));
    let new = NewCatalog { name: "x".into(), path: "link".into(), default: false };
    assert!(matches!(engine.engine.add_catalog(&new).await, Err(Error::Forbidden(_))));
    assert!(matches!(engine.engine.parquet_frame("link/main/secret.csv").await, Err(Error::Forbidden(_))));
}

#[cfg(unix)]
#[tokio::test]
async fn a_later_link_leads_nowhere_outside() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("secret.csv"), "id,day,amount,what\n7,2024-01-31,1.5,secret\n")
        .expect("a file");
    fs::write(outside.path().join("secret.json"), "{\"id\": 7}\n").expect("a file");
    parquet(&outside.path().join("secret.parquet"), 0..7);
    for (table, kind) in [("sales", "csv"), ("events", "json"), ("log", "parquet")] {
        let folder = shop();
        let engine = open(&folder);
        let sql = format!("select id from {table}");
        let prepared = engine.plan(&sql).await;
        let file = folder.path().join(format!("shop/main/{table}.{kind}"));
        fs::remove_file(&file).expect("removes");
        symlink(outside.path().join(format!("secret.{kind}")), &file).expect("a link");
        assert!(matches!(engine.refused(&sql).await, Error::Forbidden(_)), "{table}");
        let error = match prepared.execute(&[]).await {
            Ok(rows) => batches(rows).await.expect_err("is refused"),
            Err(error) => error,
        };
        assert!(matches!(error, Error::Forbidden(_)), "{table}: {error:?}");
    }
}

#[tokio::test]
async fn a_file_gone_by_execution_is_an_error() {
    for (table, kind) in [("sales", "csv"), ("events", "json"), ("log", "parquet")] {
        let folder = shop();
        let engine = open(&folder);
        let prepared = engine.plan(&format!("select id from {table}")).await;
        fs::remove_file(folder.path().join(format!("shop/main/{table}.{kind}"))).expect("removes");
        let error = match prepared.execute(&[]).await {
            Ok(rows) => batches(rows).await.expect_err("there is no file"),
            Err(error) => error,
        };
        assert!(error.to_string().contains(&format!("{table}.{kind}")), "{error}");
    }
}

#[tokio::test]
async fn names_with_spaces_and_signs() {
    let folder = tempfile::tempdir().expect("a folder");
    let schema = folder.path().join("my shop/50% [off]");
    fs::create_dir_all(&schema).expect("a schema");
    fs::write(schema.join("a *b?.csv"), "x\n1\n").expect("a file");
    parquet(&schema.join("grün.parquet"), 0..3);
    let engine = engine().data(folder.path()).open().within("my shop", "50% [off]");
    assert_eq!(engine.one("select x from \"a *b?\"").await, "1");
    assert_eq!(engine.one("select count(*) from `my shop`.`50% [off]`.GRÜN").await, "3");
}

/// A Parquet file with a column of intervals. Its months can be read only if Arrow's schema is stored.
fn intervals(folder: &Path, stored: bool) {
    let months = IntervalYearMonthArray::from(vec![Some(14), None, Some(-1)]);
    let columns: [(&str, ArrayRef, bool); 2] =
        [("m", Arc::new(months), true), ("n", Arc::new(Int64Array::from(vec![1, 2, 3])), false)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
    let options = ArrowWriterOptions::new().with_skip_arrow_metadata(!stored);
    let file = File::create(folder.join("spans.parquet")).expect("a file");
    let mut writer = ArrowWriter::try_new_with_options(file, batch.schema(), options).expect("a writer");
    writer.write(&batch).expect("writes");
    writer.close().expect("closes");
}

#[tokio::test]
async fn parquet_intervals_keep_their_months_or_are_refused() {
    for stored in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let schema = folder.path().join("shop/main");
        fs::create_dir_all(&schema).expect("a schema");
        intervals(&schema, stored);
        let engine = engine().data(folder.path()).open();
        if stored {
            let sql = "select date '2024-01-31' + m from spans order by n";
            assert_eq!(engine.ask(sql).await, [["2025-03-31"], ["null"], ["2023-12-31"]]);
        } else {
            let error = engine.failed("select m from spans").await.to_string();
            assert!(error.contains("column m is an INTERVAL of Parquet"), "{error}");
            assert_eq!(engine.one("select sum(n) from spans").await, "6");
        }
    }
}
