//! Runs every statement of these tests; no message shows Rust values.

use std::{fs, path::Path, time::Duration};

use tokio::time::timeout;

use crate::support::{batches, engine};

/// Signs of Rust values in a text.
const RUST: [&str; 10] =
    [" { ", "Some(", "None)", "Expr::", "DataType::", "Ident(", "Literal(", "InSubquery(", "DFSchema", "::{"];

/// The statements in these files: strings that begin with an SQL keyword.
fn corpus() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/sql/tests/it");
    let mut statements = Vec::new();
    for entry in fs::read_dir(folder).expect("the tests") {
        let path = entry.expect("a file").path();
        // These exhaust memory, or run for ever.
        if ["memory.rs", "results.rs", "limits.rs"].iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let text = fs::read_to_string(path).expect("a text");
        for part in text.split('"').filter(|part| part.len() < 2000) {
            let first = part.split_whitespace().next().unwrap_or_default().to_lowercase();
            if matches!(
                first.as_str(),
                "select" | "with" | "values" | "explain" | "show" | "describe" | "from"
            ) {
                statements.push(part.replace("\\n", "\n").replace("\\\\", "\\"));
            }
        }
    }
    statements
}

/// Constructs that are refused, with their names in the error.
const REFUSED: &[&str] = &[
    "SELECT x FROM (VALUES (1),(2)) t(x) ORDER BY x IN (SELECT 1)",
    "SELECT x FROM (VALUES (1)) o(x) WHERE x IN (SELECT y FROM (VALUES (1)) i(y) WHERE y = x LIMIT 1)",
    "SELECT x FROM (VALUES (1)) o(x) WHERE EXISTS (SELECT 1 FROM (SELECT count(*) c FROM (VALUES (1)) i(y) WHERE y = x) q WHERE c = 0)",
    "SELECT (SELECT y FROM (VALUES (1),(2)) i(y) WHERE y > x) FROM (VALUES (1)) o(x)",
    "SELECT a.x FROM (VALUES (1)) a(x) LEFT JOIN (VALUES (1)) b(y) ON EXISTS (SELECT 1 FROM (VALUES (1)) c(z) WHERE z = x + y)",
    "SELECT INTERVAL '1' FORTNIGHT",
    "SELECT EXTRACT(SECONDS_OF FROM now())",
    "SELECT date_trunc('fortnight', now())",
    "SELECT sum(status) FROM orders",
    "SELECT nothing(1)",
    "SELECT coalesc(1)",
    "SELECT * FROM orders PIVOT (sum(total_amount) FOR status IN ('paid'))",
    "SELECT * FROM orders MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS true)",
    "SELECT 1 WHERE (1, 2) IN (SELECT 1, 2)",
    "SELECT CAST('x' AS GEOMETRY)",
    "SELECT TRIM(BOTH FROM 1, 2)",
    "SELECT order_id FROM orders LIMIT (SELECT 1)",
    "SELECT count(*) FILTER (WHERE x IN (SELECT 1)) FROM (VALUES (1)) t(x)",
    "SELECT rank() OVER (ORDER BY x RANGE BETWEEN 'a' PRECEDING AND CURRENT ROW) FROM (VALUES (1)) t(x)",
    "SELECT * FROM LATERAL (SELECT 1)",
    "SELECT ARRAY[1, 'a', NOW()]",
    "SELECT 1 + DATE '2024-01-01'",
    "SELECT DATE '2024-99-01'",
    "SELECT 'a' COLLATE \"de\"",
    "SELECT POSITION('a' IN 1)",
    "SELECT OVERLAY('a' PLACING 'b' FROM 'x')",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_message_shows_rust() {
    let engine = engine().open();
    let statements = corpus();
    assert!(statements.len() > 250, "{}", statements.len());
    let (mut failed, mut shown) = (0, Vec::new());
    for sql in statements.iter().map(String::as_str).chain(REFUSED.iter().copied()) {
        let end = async {
            let statement = engine.engine.plan(&engine.scope, sql).await?;
            batches(statement.execute(&[]).await?).await
        };
        let Ok(Err(error)) = timeout(Duration::from_millis(500), end).await else { continue };
        failed += 1;
        let text = error.to_string();
        if RUST.iter().any(|mark| text.contains(mark)) && !RUST.iter().any(|mark| sql.contains(mark)) {
            shown.push(format!("{sql}\n  {text}"));
        }
    }
    assert!(failed > 40, "{failed}");
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

#[tokio::test]
async fn only_a_close_name_is_suggested() {
    let engine = engine().open();
    for (sql, text) in [
        ("select coalesc(1)", "there is no function coalesc: did you mean coalesce?"),
        ("select xyzzy(1)", "there is no function xyzzy"),
        ("select crd99('a')", "there is no function crd99"),
        ("select sum(status) from orders", "sum() does not take arguments of these types"),
    ] {
        assert_eq!(engine.refused(sql).await.to_string(), text, "{sql}");
    }
}
