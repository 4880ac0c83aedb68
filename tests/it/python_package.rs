//! The wheel, in an environment that has nothing else; and the package's own tests, its types and its examples there.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    time::Duration,
};

use crate::support::{Running, beside, has, packages};

/// The time for building the wheel, or for all tests of the package.
const SOON: Duration = Duration::from_secs(300);

/// A virtual environment with the wheel alone, which the next run of the tests replaces.
struct Installed {
    folder: PathBuf,
    wheel: String,
}

static INSTALLED: LazyLock<Installed> = LazyLock::new(install);

fn install() -> Installed {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = temporary.join("python-package");
    let _ = fs::remove_dir_all(&folder);
    let wheels = folder.join("wheels");
    let mut maturin = packages("wheel").program("maturin");
    maturin.args(["build", "--quiet", "--locked", "--compression-method", "stored"]);
    // Stripped, it would be linked once more, and take the place of the binary that other tests run.
    maturin.args(["--strip", "false", "--out"]).arg(&wheels).current_dir(root().join("python"));
    // What cargo sets for a test would have it compile much again: build scripts read it.
    let starts = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_"];
    let names = ["CARGO", "LD_LIBRARY_PATH", "OUT_DIR"];
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if names.contains(&name.as_str()) || starts.iter().any(|start| name.starts_with(start)) {
            maturin.env_remove(name);
        }
    }
    maturin.env("CARGO_TARGET_DIR", temporary.parent().expect("it is in the target folder"));
    Running::start("maturin", &mut maturin).succeed(SOON);
    let mut built = fs::read_dir(&wheels).expect("the wheel is there");
    let wheel = built.next().expect("the wheel is there").expect("it is listed");
    let home = folder.join("environment");
    Running::start("venv", Command::new("python3").args(["-m", "venv"]).arg(&home)).succeed(SOON);
    let mut pip = Command::new(home.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"]);
    Running::start("pip", pip.arg(wheel.path())).succeed(SOON);
    fs::remove_file(wheel.path()).expect("it is there");
    Installed { folder, wheel: wheel.file_name().to_string_lossy().into_owned() }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Installed {
    /// A program of the environment, which finds no Rust, and no teal but this one.
    fn program(&self, name: &str) -> Command {
        let bin = self.folder.join("environment/bin");
        let mut command = Command::new(bin.join(name));
        let path =
            env::join_paths([bin, "/usr/bin".into(), "/bin".into()]).expect("folders have plain names");
        command.env("PATH", path).env("PYTHONDONTWRITEBYTECODE", "1").env("GRPC_VERBOSITY", "ERROR");
        command.current_dir(&self.folder);
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("TEAL_") && name != "TEAL_UPDATE_TYPES" {
                command.env_remove(name);
            }
        }
        command
    }

    /// A module of Python, with the packages of `requirements/package.txt` and the examples beside the wheel.
    fn python(&self, module: &str) -> Command {
        let path = env::join_paths([site_packages(), root().join("examples/pytest")]);
        let mut command = self.program("python");
        command.env("PYTHONPATH", path.expect("folders have plain names")).args(["-m", module]);
        command
    }

    /// Runs pytest over a folder.
    fn passes(&self, options: &[&str], folder: &Path) -> String {
        let _beside = beside();
        let mut command = self.python("pytest");
        command.args(["-q", "-p", "no:cacheprovider"]).args(options).arg(folder);
        Running::start("pytest", &mut command).succeed(SOON)
    }

    /// Runs mypy, as strict as it is.
    fn is_typed(&self, what: &[&str]) {
        let mut mypy = self.python("mypy");
        mypy.args(["--strict", "--config-file=", "--cache-dir=/dev/null"]).args(what);
        Running::start("mypy", &mut mypy).succeed(SOON);
    }
}

/// Where the packages of `requirements/package.txt` are.
fn site_packages() -> PathBuf {
    let mut ask = packages("package").program("python");
    let said = ask.args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).output();
    let said = String::from_utf8(said.expect("Python starts").stdout).expect("it has a plain name");
    said.trim().into()
}

#[test]
fn the_wheel_serves_without_anything_else() {
    let installed = &*INSTALLED;
    let program = "import teal; server = teal.Server(); server.start(); print(server.state()['phase'])";
    let said =
        Running::start("python", installed.program("python").args(["-I", "-c", program])).succeed(SOON);
    assert_eq!(said, "STABLE");
    let said = Running::start("teal", installed.program("teal").arg("--version")).succeed(SOON);
    assert!(said.starts_with(concat!("teal ", env!("CARGO_PKG_VERSION"))), "{said}");
    let start = concat!("teal_proxy-", env!("CARGO_PKG_VERSION"), "-py3-none-manylinux_2_");
    assert!(installed.wheel.starts_with(start), "{}", installed.wheel);
}

#[test]
fn the_package_passes_its_tests() {
    INSTALLED.passes(&["-n2"], &root().join("python/tests"));
}

#[test]
fn the_package_is_typed() {
    let tests = root().join("python/tests");
    INSTALLED.is_typed(&["-p", "teal"]);
    INSTALLED.is_typed(&[tests.to_str().expect("it has a plain name")]);
}

#[test]
fn the_examples_of_pytest_pass() {
    let said = INSTALLED.passes(&["-n2"], &root().join("examples/pytest"));
    assert!(said.contains("24 passed"), "{said}");
}

#[test]
fn the_tests_of_the_vendor_pass() {
    if !has("openssl", "openssl") {
        return;
    }
    let tests = site_packages().join("test/integration");
    let said = INSTALLED.passes(&["-p", "vendor"], &tests);
    assert!(said.contains("35 passed, 2 xfailed"), "{said}");
}
