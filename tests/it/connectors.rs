//! Published connectors read a table of SQL results, each through all of its APIs.

use std::path::Path;

use crate::support::{Connector, beside, packages, python, teal};

fn reads(connector: Connector, api: &str) {
    let _beside = beside();
    let server = teal().switch_every("0").run();
    python(connector).run(&server, "parameters.py", &[api]);
    python(connector).run(&server, "reading.py", &[api]);
}

fn lives(connector: Connector) {
    python(connector).run(&teal().run(), "living.py", &[]);
}

fn wakes_the_cluster(connector: Connector) {
    python(connector).run(&teal().run(), "cluster.py", &[]);
}

#[test]
fn v2_2_6_reads_right_rows() {
    reads(Connector::V2_2_6, "sync");
}

#[test]
fn v2_3_15_reads_right_rows() {
    reads(Connector::V2_3_15, "sync");
}

#[test]
fn v2_3_15_reads_right_rows_through_sqlalchemy() {
    reads(Connector::V2_3_15, "alchemy");
}

#[test]
fn v3_0_2_reads_right_rows() {
    reads(Connector::V3_0_2, "sync");
}

#[test]
fn v3_0_2_reads_rows_without_compiled_thrift() {
    reads(Connector::V3_0_2, "sync-pure");
}

#[test]
fn v3_0_2_reads_right_rows_in_envelopes() {
    reads(Connector::V3_0_2, "sync-v2");
}

#[test]
fn v3_0_2_reads_rows_with_a_token() {
    reads(Connector::V3_0_2, "sync-token");
}

#[test]
fn v3_0_2_reads_right_rows_through_asyncio() {
    reads(Connector::V3_0_2, "async");
}

#[test]
fn v3_0_2_reads_rows_through_asyncio_envelopes() {
    reads(Connector::V3_0_2, "async-v2");
}

#[test]
fn v3_0_2_reads_right_rows_through_sqlalchemy() {
    reads(Connector::V3_0_2, "alchemy");
}

#[test]
fn v3_0_2_reads_rows_through_sqlalchemy_envelopes() {
    reads(Connector::V3_0_2, "alchemy-v2");
}

#[test]
fn v3_0_2_reads_rows_through_async_sqlalchemy() {
    reads(Connector::V3_0_2, "async-alchemy");
}

#[test]
fn v3_0_2_reads_through_async_sqlalchemy_envelopes() {
    reads(Connector::V3_0_2, "async-alchemy-v2");
}

#[test]
fn v2_2_6_lives() {
    lives(Connector::V2_2_6);
}

#[test]
fn v2_3_15_lives() {
    lives(Connector::V2_3_15);
}

#[test]
fn v3_0_2_lives() {
    lives(Connector::V3_0_2);
}

#[test]
fn v2_2_6_wakes_the_cluster() {
    wakes_the_cluster(Connector::V2_2_6);
}

#[test]
fn v2_3_15_wakes_the_cluster() {
    wakes_the_cluster(Connector::V2_3_15);
}

#[test]
fn v3_0_2_wakes_the_cluster() {
    wakes_the_cluster(Connector::V3_0_2);
}

#[test]
fn v2_3_15_shares_a_pool() {
    python(Connector::V2_3_15).run(&teal().run(), "pools.py", &[]);
}

#[test]
fn v3_0_2_shares_a_pool() {
    python(Connector::V3_0_2).run(&teal().run(), "pools.py", &[]);
}

#[test]
fn v2_3_15_reflects_the_catalog() {
    python(Connector::V2_3_15).run(&teal().run(), "reflection.py", &[]);
}

#[test]
fn v3_0_2_reflects_the_catalog() {
    python(Connector::V3_0_2).run(&teal().run(), "reflection.py", &[]);
}

#[test]
fn the_pyspark_layer_answers_as_its_page_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/spark.md");
    packages("spark").run(&teal().switch_every("0").run(), "spark.py", &[&page.to_string_lossy()]);
}
