//! The program under test, as a process.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::fixture::Namespace;

/// What one command came to.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

/// The example, which cargo builds along with the tests.
pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(std::path::Path::parent).unwrap();
    folder.join("examples").join("intercept")
}

/// Runs `intercept` with these words on a node.
pub(crate) fn intercept(node: &Namespace, words: &str) -> Ended {
    finish(node.command(program().to_str().unwrap()), words)
}

/// Runs it with these capabilities and no other, as root without privileges.
pub(crate) fn intercept_with(node: &Namespace, capabilities: &str, words: &str) -> Ended {
    let mut command = node.command("setpriv");
    command
        .arg(format!("--bounding-set=-all,{capabilities}"))
        .args(["--inh-caps=-all", "--no-new-privs", "--"])
        .arg(program());
    finish(command, words)
}

fn finish(mut command: Command, words: &str) -> Ended {
    let output = command
        .args(words.split_ascii_whitespace())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    Ended {
        code: output.status.code(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

impl Ended {
    /// It must have succeeded.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self.text
    }
}

/// `intercept watch` at work.
pub(crate) struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    /// Starts it, and waits until the rules are in place.
    pub(crate) fn start(node: &Namespace, words: &str) -> Self {
        let mut child = node
            .command(program().to_str().unwrap())
            .arg("watch")
            .args(words.split_ascii_whitespace())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (line_tx, lines) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            lines.for_each(|line| drop(line_tx.send(line)));
        });
        let watching = Self { child, lines };
        watching.await_line("interception is in place");
        watching
    }

    /// Waits for a line of its log.
    pub(crate) fn await_line(&self, wanted: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(wanted) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line with {wanted:?} in time: {seen:#?}"),
            }
        }
    }

    /// The lines that nobody awaited, so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Sends a signal and waits for its end.
    pub(crate) fn end(mut self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap();
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "not within 5 s: {what}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    start.elapsed()
}
