//! Has the binary linked for little memory, and notes what it is built with for `teal --version`.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=TEAL_PORTABLE");
    println!("cargo:rustc-env=TEAL_FEATURES={}", features());
    println!("cargo:rustc-env=TEAL_RUSTC={}", said(&env::var("RUSTC").unwrap_or_default(), "--version"));
    if packs_relocations() {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether relative relocations can be packed: 7 MiB less that stay in memory. glibc reads them since 2.36; the one
/// that is here stands for the one that the binary will run with, unless `TEAL_PORTABLE=1` says that it may be older.
fn packs_relocations() -> bool {
    let is_native = env::var("HOST") == env::var("TARGET");
    let is_portable = env::var("TEAL_PORTABLE").is_ok_and(|portable| portable == "1");
    let libc = said("getconf", "GNU_LIBC_VERSION");
    let version = libc.strip_prefix("glibc ").and_then(|version| version.split_once('.'));
    let version = version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let is_glibc = env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu");
    is_native && !is_portable && is_glibc && version >= Some((2_u32, 36_u32))
}

/// The features that the package is compiled with.
fn features() -> String {
    let features =
        env::vars().filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase()));
    let mut features: Vec<String> = features.filter(|name| name != "default").collect();
    features.sort();
    if features.is_empty() { "none".to_owned() } else { features.join(" ") }
}

/// The output of a program; empty if there is no such program.
fn said(program: &str, arg: &str) -> String {
    let output = Command::new(program).arg(arg).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
