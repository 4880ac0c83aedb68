//! A child process whose output is always drained, and which does not outlive its test.

use std::{
    convert::Infallible,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Condvar, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// What an ended child wrote is read in this time.
const DRAINS_WITHIN: Duration = Duration::from_secs(60);

/// A running child in a process group of its own, and the lines it has written.
pub(crate) struct Running {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Arc<Lines>,
    /// Disconnected once both readers have come to the end.
    readers: Mutex<Receiver<Infallible>>,
}

#[derive(Default)]
struct Lines {
    written: Mutex<Vec<String>>,
    more: Condvar,
}

impl Running {
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let lines = Arc::new(Lines::default());
        let (reads, readers) = mpsc::channel();
        lines.collect(child.stdout.take().expect("stdout is piped"), reads.clone());
        lines.collect(child.stderr.take().expect("stderr is piped"), reads);
        let readers = Mutex::new(readers);
        Self { name: name.to_owned(), stdin: child.stdin.take(), child, lines, readers }
    }

    /// Lines written so far that contain `text`.
    pub(crate) fn lines_with(&self, text: &str) -> Vec<String> {
        let lines = self.lines.written.lock().expect("no reader panics");
        lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// All that was written so far.
    pub(crate) fn output(&self) -> String {
        self.lines.written.lock().expect("no reader panics").join("\n")
    }

    /// Waits until `text` was written in `times` lines, and fails after `within`.
    pub(crate) fn wait_for(&self, text: &str, times: usize, within: Duration) -> Vec<String> {
        let seen = |lines: &Vec<String>| lines.iter().filter(|line| line.contains(text)).count();
        let lines = self.lines.written.lock().expect("no reader panics");
        let (lines, _) = self
            .lines
            .more
            .wait_timeout_while(lines, within, |lines| seen(lines) < times)
            .expect("no reader panics");
        let found = seen(&lines);
        assert!(
            found >= times,
            "{}: {found} of {times} lines with {text:?} within {within:?}; it wrote\n{}",
            self.name,
            lines.join("\n")
        );
        lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// Gives the child a line to read.
    pub(crate) fn write_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        writeln!(stdin, "{line}").expect("the child reads");
    }

    /// Ends the input of the child: a script under load stops then.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The child's process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child's resident memory, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = fs::read_to_string(self.about("status")).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("memory is told");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("in kB") << 10
    }

    /// How many files and sockets the child has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(self.about("fd")).expect("the process runs").count()
    }

    fn about(&self, what: &str) -> PathBuf {
        Path::new("/proc").join(self.id().to_string()).join(what)
    }

    pub(crate) fn signal(&self, signal: &str) {
        kill(signal, &self.child.id().to_string());
    }

    /// Waits for the end of the child, and fails after `within`.
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            if Instant::now() > deadline {
                kill("KILL", &format!("-{}", self.child.id()));
                panic!("{} did not end within {within:?}; it wrote\n{}", self.name, self.output());
            }
            // Nothing in std waits for a child and for a deadline.
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of the child, and fails unless it succeeded.
    pub(crate) fn succeed(mut self, within: Duration) -> String {
        let status = self.wait(within);
        self.drained();
        assert!(status.success(), "{} ended with {status}; it wrote\n{}", self.name, self.output());
        self.output()
    }

    /// Waits until the readers hold all that the ended child wrote.
    pub(crate) fn drained(&mut self) {
        // A grandchild that outlives its parent would hold the pipes open.
        kill("KILL", &format!("-{}", self.child.id()));
        let readers = self.readers.get_mut().expect("nobody panics with it");
        let ended = readers.recv_timeout(DRAINS_WITHIN);
        assert_eq!(ended, Err(RecvTimeoutError::Disconnected), "{}: its output has no end", self.name);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill("KILL", &format!("-{}", self.child.id()));
        let _ = self.child.wait();
    }
}

impl Lines {
    fn collect(self: &Arc<Self>, stream: impl Read + Send + 'static, reads: Sender<Infallible>) {
        let lines = Arc::clone(self);
        thread::spawn(move || {
            let _reads = reads;
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                lines.written.lock().expect("no reader panics").push(line);
                lines.more.notify_all();
            }
        });
    }
}

/// Sends a signal to a process or, with a leading `-`, to its group; one that is gone is fine.
fn kill(signal: &str, target: &str) {
    let _ = Command::new("sh")
        .args(["-c", "kill -s \"$0\" -- \"$1\"", signal, target])
        .stderr(Stdio::null())
        .status();
}
