//! The program of `examples/embed/`.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use super::Server;

/// Starts it on free ports.
pub(crate) fn orders() -> Server {
    Server::start("orders", &mut orders_with(&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]))
}

/// The program, to be started with these arguments.
pub(crate) fn orders_with(args: &[&str]) -> Command {
    let mut command = Command::new(&*ORDERS);
    command.args(args);
    command
}

/// cargo builds programs of other packages for no test, so it is asked. All that the program depends on is built already. It
/// would be built again without `teal` beside it, because cargo shares what macros depend on only where there is use for it.
static ORDERS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_BIN_EXE_teal")).parent().expect("it is in a folder");
    let profile = match folder.file_name().and_then(|name| name.to_str()).expect("a profile has a plain name")
    {
        "debug" => "dev",
        profile => profile,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--bin", "teal", "--bin", "orders"]);
    cargo.args(["--profile", profile, "--target-dir"]);
    cargo.arg(folder.parent().expect("a profile is in the target folder"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // They are about the package under test. Build scripts that look at them would run again.
    let about = ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"];
    for (name, _) in env::vars_os() {
        if about.iter().any(|about| name.to_string_lossy().starts_with(about)) {
            cargo.env_remove(name);
        }
    }
    let output = cargo.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join("orders")
});
