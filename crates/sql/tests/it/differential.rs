//! Differential test: random queries, answered here and by Python's SQLite.

use std::{env, path::Path, process::Command};

/// The default seed; `TEAL_DIFFERENTIAL_SEED` sets another.
const SEED: &str = "1";

#[test]
fn random_queries_have_the_rows_of_sqlite() {
    let examples = env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
    assert!(examples.join("ask").exists(), "it needs: cargo build --release --example ask");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/sql/tests/differential/run.py");
    let seed = env::var("TEAL_DIFFERENTIAL_SEED").unwrap_or_else(|_| SEED.to_owned());
    let run = Command::new("python3")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .args(["--queries", "5000", "--seed", &seed, "--engine"])
        .arg(examples.join("ask"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    eprintln!("{said}");
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains(" 0 different"), "{said}");
}
