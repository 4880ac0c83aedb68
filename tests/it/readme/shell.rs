//! Runs blocks of shell as they stand, but for addresses and durations, with the real binary.

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use regex::Regex;
use tempfile::TempDir;

use super::pages::Block;
use crate::support::{Authority, Place, Running, Server, engine};

const WITHIN: Duration = Duration::from_secs(120);

/// Stands for `teal`: a server goes on in the background once it listens, and ends the one before it; commands
/// wait for a server.
const TEAL: &str = r#"#!/bin/bash
wait_for_server() {
    for _ in $(seq 600); do "$TEAL" status >/dev/null 2>&1 && return; sleep 0.1; done
    echo "no server for: teal $*" >&2; exit 1
}
case "${1:-}" in
status|switch|cutover|abort|rollback|timer|queries|clients|calls|verify|fault|token|cluster|reload)
    wait_for_server "$@"; exec "$TEAL" "$@" ;;
rehearse)
    wait_for_server "$@"; shift
    case " $* " in *" --duration "*) ;; *) set -- --duration 2s "$@" ;; esac
    exec "$TEAL" rehearse --to "http://$TEAL_LISTEN" "$@" ;;
check|scenario|completions|man|--*help|--version) exec "$TEAL" "$@" ;;
esac
case " $* " in
*" --gate off "*) export TEAL_ADMIN=off ;;
*)
    export TEAL_NOTICE=0s TEAL_GRACE=0s TEAL_ANNOUNCE_TIMEOUT=1s
    if [ -e "$FOLDER/server" ]; then
        tail --pid="$(cat "$FOLDER/server")" -f /dev/null & kill "$(cat "$FOLDER/server")"; wait $!
    fi ;;
esac
log=$(mktemp "$FOLDER/log.XXXXXX")
"$TEAL" "$@" >"$log" 2>&1 &
server=$!
[ "${TEAL_ADMIN}" = off ] || echo "$server" >"$FOLDER/server"
grep -q --max-count=1 'Server started on' < <(tail --pid=$server -n +1 -F "$log" 2>/dev/null) && exit 0
cat "$log" >&2; exit 1
"#;

/// Stands for `cargo`: what is run is the binary under test, other commands are not for a test to run.
const CARGO: &str = r#"#!/bin/bash
case "$1" in
run)
    shift; [ "${1:-}" = --release ] && shift; [ "${1:-}" = -- ] && shift
    exec teal "$@" ;;
test|bench|build) exit 0 ;;
esac
exit 1
"#;

/// Stands for `curl`: a stream that does not end is read for a while.
const CURL: &str = r#"#!/bin/bash
PATH="$OUTSIDE"
case " $* " in
*" -N "*) timeout 2 curl -sS "$@"; [ $? = 124 ] ;;
*) exec curl -sS "$@" ;;
esac
"#;

/// A user's program, of which teal knows nothing; or one that would fetch what is here already.
const NOTHING: &str = "#!/bin/sh\nexit 0\n";

/// Where the blocks of a page are run.
pub(super) struct Shell {
    folder: TempDir,
    engines: [Server; 2],
}

impl Shell {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().expect("there is room for files");
        fs::create_dir(folder.path().join("bin")).expect("folders can be made");
        let authority = Authority::new();
        let pair = authority.issue("localhost");
        for (from, to) in [
            (&pair.certificate, "server.pem"),
            (&pair.key, "server.key"),
            (&pair.certificate, "cert.pem"),
            (&pair.key, "key.pem"),
            (&authority.file(), "ca.pem"),
        ] {
            fs::copy(from, folder.path().join(to)).expect("files can be copied");
        }
        let shell = Self { folder, engines: [0, 1].map(|_| engine().with("--sessions", "any").run()) };
        for (name, text) in
            [("teal", TEAL), ("cargo", CARGO), ("curl", CURL), ("smoke-test", NOTHING), ("pip", NOTHING)]
        {
            shell.add(name, text);
        }
        shell
    }

    /// Adds a program.
    pub(super) fn add(&self, name: &str, text: &str) {
        let program = self.folder().join("bin").join(name);
        fs::write(&program, text).expect("files can be written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a block, after a server if it starts none: what it wrote. Fails unless each of its commands succeeds.
    pub(super) fn run(&self, block: &Block) -> String {
        let places = [(); 4].map(|()| Place::new());
        let [listen, admin, other, preview] = places.each_ref().map(|place| place.address.port());
        let mut text = block.text.clone();
        for (from, to) in [
            ("127.0.0.1:50051", format!("127.0.0.1:{listen}")),
            ("localhost:50051", format!("localhost:{listen}")),
            ("127.0.0.1:50061", format!("127.0.0.1:{admin}")),
            ("127.0.0.1:50071", format!("127.0.0.1:{other}")),
            ("127.0.0.1:50052", format!("127.0.0.1:{preview}")),
            ("http://b:80", format!("http://{}", self.engines[0].address)),
            ("http://g:80", format!("http://{}", self.engines[1].address)),
        ] {
            text = text.replace(from, &to);
        }
        let shorter = |text: &str, what: &str, by: &str| {
            Regex::new(what).expect("it is one").replace_all(text, by).into_owned()
        };
        let text = shorter(&text, r"--duration \S+", "--duration 2s");
        let text = shorter(&text, r"--clients \d\d+", "--clients 8");
        // Only of a rehearsal: it orders a switch or two while it runs.
        let text = shorter(&text, r"(rehearse .*)--switch-every \S+", "${1}--switch-every 1s");
        let starts_server = Regex::new(r"(?m)^\s*(cargo run|teal (--|serve))").expect("it is one");
        let first = if starts_server.is_match(&text) { "" } else { "teal --switch-every 0" };
        let bin = self.folder.path().join("bin");
        let outside = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([bin].into_iter().chain(env::split_paths(&outside)));
        let mut bash = Command::new("bash");
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TEAL_")) {
            bash.env_remove(name);
        }
        bash.args(["-c", &format!("set -e\n{first}\n{text}\nlast=$?; wait; exit $last")])
            .current_dir(self.folder.path())
            .env("PATH", path.expect("folders have plain names"))
            .env("OUTSIDE", &outside)
            .env("TEAL", env!("CARGO_BIN_EXE_teal"))
            .env("FOLDER", self.folder.path())
            .env("TEAL_LISTEN", format!("127.0.0.1:{listen}"))
            .env("TEAL_ADMIN", format!("127.0.0.1:{admin}"));
        let name = format!("{}:{}\n{text}\n", block.page, block.line);
        let said = Running::start(&name, &mut bash).succeed(WITHIN);
        _ = fs::remove_file(self.folder.path().join("server"));
        said
    }
}
