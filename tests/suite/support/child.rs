//! Programs that tests start beside themselves. However the test process ends, they and their children end with it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// Starts the program named by its arguments, tells its id and passes on its exit code. When its own standard input
/// ends, it kills (`kill -9`) the process group: the kernel closes that when the test process ends.
const GUARD: &str = r#"
    exec 3<&0
    "$@" </dev/null 3<&- & process=$!
    ( cat <&3; kill -9 0 ) >/dev/null 2>&1 & watch=$!
    echo "process $process"
    wait $process; code=$?
    kill $watch
    exit $code
"#;

/// A process under guard, whose standard output is read line by line.
pub(crate) struct Process {
    guard: Child,
    pid: u32,
    lines: BufReader<ChildStdout>,
}

impl Process {
    /// Standard error goes into `log`.
    pub(crate) fn start(program: &Path, arguments: &[&str], log: &Path) -> Self {
        use std::os::unix::process::CommandExt as _;
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(program)
            .args(arguments)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let lines = BufReader::new(guard.stdout.take().unwrap());
        let mut process = Self { guard, pid: 0, lines };
        let pid = process.line(|line| line.strip_prefix("process ").map(str::to_owned));
        process.pid = pid.expect("the guard tells the id").parse().unwrap();
        process
    }

    /// Reads on until `wanted` finds what it looks for; nothing when the process ends before.
    pub(crate) fn line<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if let Some(found) = wanted(line.trim_end()) {
                return Some(found);
            }
            line.clear();
        }
        None
    }

    /// Sends `signal` (as `kill` names it) and waits for the end.
    pub(crate) fn end_with(mut self, signal: &str) -> ExitStatus {
        let told = Command::new("kill").args([signal, &self.pid.to_string()]).status().unwrap();
        assert!(told.success(), "the process {} was there to get {signal}", self.pid);
        // Waiting would close it, and the guard would kill.
        let _open = self.guard.stdin.take();
        self.guard.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
