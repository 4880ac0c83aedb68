//! The commit that a program is built from. It is a macro and no build script, because after a commit cargo compiles
//! only what expands the macro. A build script that runs again makes cargo compile its whole package, with all tests.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use proc_macro::TokenStream;

/// Variables by which git would look at another repository: a hook sets them.
const OF_ANOTHER: [&str; 4] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"];

/// The commit of the package's folder, as `Option<(&'static str, i64)>`: its short hash, with `-dirty` if tracked files
/// differ from it, and its time in seconds since 1970. `None` if the folder is no git checkout, or git is missing.
#[proc_macro]
pub fn commit(_: TokenStream) -> TokenStream {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let code = match Commit::of(&root) {
        None => "::core::option::Option::None::<(&'static str, i64)>".to_owned(),
        // The compiler notes the file that it includes, so cargo compiles again once there is another commit.
        Some(Commit { name, time, log }) => {
            format!(
                "{{ const _: &[u8] = include_bytes!({log:?}); ::core::option::Option::Some(({name:?}, {time}i64)) }}"
            )
        }
    };
    code.parse().expect("it is Rust")
}

struct Commit {
    name: String,
    time: i64,
    /// A file that changes with each commit, checkout and reset.
    log: String,
}

impl Commit {
    fn of(root: &Path) -> Option<Self> {
        // A source archive may lie in another project's checkout.
        if !root.join(".git").exists() {
            return None;
        }
        let head = git(root, &["log", "-1", "--abbrev=10", "--format=%h %ct"])?;
        let (hash, time) = head.split_once(' ')?;
        let changed = git(root, &["status", "--porcelain", "--untracked-files=no"])?;
        let mark = if changed.is_empty() { "" } else { "-dirty" };
        let file = |name| {
            Some(root.join(git(root, &["rev-parse", "--git-path", name])?)).filter(|path| path.is_file())
        };
        let log = file("logs/HEAD").or_else(|| file("HEAD"))?;
        Some(Self { name: format!("{hash}{mark}"), time: time.parse().ok()?, log: log.to_str()?.to_owned() })
    }
}

/// The output of git, if it succeeds. git takes no lock, so that it does not disturb the user's own git.
fn git(root: &Path, args: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    for name in OF_ANOTHER {
        git.env_remove(name);
    }
    let output = git.arg("--no-optional-locks").arg("-C").arg(root).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
