//! Programs of `tests/go` and `tests/java`, by Debian's packages of grpc-go and grpc-java, compiled once below the
//! target directory.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use super::{Running, has};

/// Where Debian's sources of Go's libraries are.
const GO_PATH: &str = "/usr/share/gocode";
/// Where Debian's libraries of Java are, and those that grpc-java needs at run time.
const JARS: &str = "/usr/share/java";
const LIBRARIES: [&str; 15] = [
    "grpc-api",
    "grpc-context",
    "grpc-core",
    "grpc-netty",
    "guava",
    "netty-buffer",
    "netty-codec",
    "netty-codec-http",
    "netty-codec-http2",
    "netty-common",
    "netty-handler",
    "netty-resolver",
    "netty-transport",
    "netty-transport-native-unix-common",
    "perfmark-api",
];
/// The Debian packages of those.
const JAVA_PACKAGES: &str = "libgrpc-java libnetty-java libperfmark-java";

/// Starts the program of `tests/go`. `None` where Go or the library is missing, as [`has`] says it.
pub(crate) fn go(args: &[&str]) -> Option<Running> {
    let library = format!("{GO_PATH}/src/google.golang.org/grpc/clientconn.go");
    if !has("go", "golang-go") || !has(&library, "golang-google-grpc-dev") {
        return None;
    }
    Some(Running::start("go peer", Command::new(GO.join("peer")).args(args)))
}

static GO: LazyLock<PathBuf> = LazyLock::new(|| {
    compiled("go", |sources, folder| {
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(folder.join("peer")).arg(".").current_dir(sources);
        // No module is looked for elsewhere.
        go.env("GO111MODULE", "off").env("GOPATH", GO_PATH).env("GOFLAGS", "").env("GOPROXY", "off");
        go.env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache"));
        go
    })
});

/// Starts the program of `tests/java`. `None` where a JDK or a library is missing, as [`has`] says it.
pub(crate) fn java(args: &[&str]) -> Option<Running> {
    let is_there = |name: &&str| has(&format!("{JARS}/{name}.jar"), JAVA_PACKAGES);
    if !has("javac", "default-jdk-headless") || !LIBRARIES.iter().all(is_there) {
        return None;
    }
    let mut java = Command::new("java");
    // Two cores for all: no threads beyond need, and no long search for hot code.
    java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-cp"]);
    java.arg(format!("{}:{}", JAVA.display(), class_path())).arg("Peer").args(args);
    Some(Running::start("java peer", &mut java))
}

static JAVA: LazyLock<PathBuf> = LazyLock::new(|| {
    compiled("java", |sources, folder| {
        let mut javac = Command::new("javac");
        javac.args(["-Xlint:all,-processing", "-Werror", "-cp", &class_path(), "-d"]).arg(folder);
        javac.args(files(sources));
        javac
    })
});

fn class_path() -> String {
    LIBRARIES.map(|name| format!("{JARS}/{name}.jar")).join(":")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the sources are there")
        .map(|entry| entry.expect("the sources are there").path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// A folder with what `command` makes of `tests/LANGUAGE`: one for each state of the sources.
fn compiled(language: &str, command: impl FnOnce(&Path, &Path) -> Command) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(language);
    let mut hasher = DefaultHasher::new();
    for file in files(&sources) {
        fs::read(file).expect("the sources are there").hash(&mut hasher);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{language}-{:016x}", hasher.finish()));
    let finished = folder.join("finished");

    // Held by the one that makes it, in whatever process; released by its end, however it ends.
    let lock = File::create(folder.with_extension("lock")).expect("the target folder is writable");
    lock.lock().expect("a file can be locked");
    if !finished.exists() {
        fs::create_dir_all(&folder).expect("the target folder is writable");
        let output = command(&sources, &folder).output().expect("a compiler starts");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "tests/{language} is not compiled: {said:?}");
        File::create(&finished).expect("the target folder is writable");
    }
    folder
}
