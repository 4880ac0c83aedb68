//! Has the binary linked for little memory.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if packs_relocations() {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether relative relocations can be packed: 7 MiB less that stay in memory. glibc reads them since 2.36; the one
/// that is here stands for the one that the binary will run with.
fn packs_relocations() -> bool {
    let is_native = env::var("HOST") == env::var("TARGET");
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let version = said.trim().strip_prefix("glibc ").and_then(|version| version.split_once('.'));
    let version = version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    is_native && env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") && version >= Some((2_u32, 36_u32))
}
