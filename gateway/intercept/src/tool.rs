//! Running the firewall's tools: from fixed folders, without environment or shell, within a time.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Where a distribution puts its administrator's tools. PATH is not asked: it belongs to whoever started us.
const FOLDERS: [&str; 5] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];

/// A table is read or written in milliseconds, and the tools of iptables wait at most 5 s for their lock.
const PATIENCE: Duration = Duration::from_secs(15);

/// As much of a complaint as fits a log line.
const LONGEST_COMPLAINT: usize = 1000;

/// Why a tool did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// It is not installed.
    #[error("{tool} is in none of {}; install the package {package}", FOLDERS.join(", "))]
    Missing {
        /// Its name.
        tool: &'static str,
        /// What has it, in Debian and most others.
        package: &'static str,
    },
    /// It could not be run.
    #[error("running {tool}: {source}")]
    Run {
        /// Its name.
        tool: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// It did not end.
    #[error("{tool} did not end within {} s and was stopped; another process may hold its lock", PATIENCE.as_secs())]
    Timeout {
        /// Its name.
        tool: &'static str,
    },
    /// It refused.
    #[error("`{tool} {arguments}`: {complaint}")]
    Refused {
        /// Its name.
        tool: &'static str,
        /// As it was called.
        arguments: String,
        /// What it said, or how it ended.
        complaint: String,
    },
}

/// A tool of the system.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    name: &'static str,
    path: PathBuf,
}

impl Tool {
    /// Finds it.
    ///
    /// # Errors
    /// It is not installed.
    pub(crate) fn find(name: &'static str, package: &'static str) -> Result<Self, ToolError> {
        FOLDERS
            .iter()
            .map(|folder| Path::new(folder).join(name))
            .find(|path| path.is_file())
            .map(|path| Self { name, path })
            .ok_or(ToolError::Missing {
                tool: name,
                package,
            })
    }

    /// Runs it to its end with `input` on its standard input; what it wrote to standard output comes back.
    ///
    /// # Errors
    /// It could not be run, took too long, or failed.
    pub(crate) async fn run(&self, arguments: &[&str], input: &str) -> Result<String, ToolError> {
        let tool = self.name;
        let failed = |source| ToolError::Run { tool, source };
        let child = self.start(arguments).map_err(failed)?;
        let output = timeout(PATIENCE, converse(child, input))
            .await
            .map_err(|_| ToolError::Timeout { tool })?
            .map_err(failed)?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(ToolError::Refused {
                tool,
                arguments: arguments.join(" "),
                complaint: complaint(&output),
            }),
        }
    }

    fn start(&self, arguments: &[&str]) -> io::Result<Child> {
        Command::new(&self.path)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

/// Writes and reads at the same time: a pipe holds 64 KiB, and who only writes may wait for ever.
async fn converse(mut child: Child, input: &str) -> io::Result<Output> {
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut pipe) = stdin {
            // A tool that ends without reading says why on standard error.
            let _ = pipe.write_all(input.as_bytes()).await;
        }
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    output
}

fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match said.is_empty() {
        true => output.status.to_string(),
        false => said.join("; ").chars().take(LONGEST_COMPLAINT).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_its_package() {
        let error = Tool::find("no-such-tool", "some-package").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("no-such-tool") && text.contains("some-package"));
    }

    #[tokio::test]
    async fn input_larger_than_a_pipe_comes_back_whole() {
        let cat = Tool::find("cat", "coreutils").unwrap();
        let input = "line\n".repeat(100_000);
        assert_eq!(cat.run(&[], &input).await.unwrap(), input);
    }

    #[tokio::test]
    async fn a_failure_says_what_the_tool_said() {
        let ls = Tool::find("ls", "coreutils").unwrap();
        let error = ls.run(&["/no/such/folder"], "").await.unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }

    #[tokio::test]
    async fn tools_inherit_no_variables() {
        let env = Tool::find("env", "coreutils").unwrap();
        assert_eq!(env.run(&[], "").await.unwrap(), "");
    }
}
