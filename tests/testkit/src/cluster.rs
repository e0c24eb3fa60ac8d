//! A whole cluster on this machine: real kubelets in namespaces, made by `tests/cluster/up.sh`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;

use crate::{cache_folder, programs};

/// Nodes that run pods. It ends with this object, and with this process however that ends.
pub struct Cluster {
    script: Child,
    said: Mutex<BufReader<ChildStdout>>,
    folder: PathBuf,
}

impl Cluster {
    /// A cluster whose nodes are ready, with these images on each. Needs root.
    ///
    /// # Errors
    /// The programs are not built, or a node does not get ready; what the script said is on standard error.
    pub fn start(nodes: usize, images: &[PathBuf]) -> Result<Self> {
        Self::launch(nodes, images, "")
    }

    /// The same, where a node that is silent for so many seconds (at least 20) counts as not ready; otherwise it is 50.
    ///
    /// # Errors
    /// Likewise.
    pub fn start_with_grace(nodes: usize, images: &[PathBuf], seconds: u32) -> Result<Self> {
        Self::launch(nodes, images, &seconds.to_string())
    }

    fn launch(nodes: usize, images: &[PathBuf], grace: &str) -> Result<Self> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster");
        let images: Vec<_> = images
            .iter()
            .map(|image| image.display().to_string())
            .collect();
        let mut script = Command::new(scripts.join("up.sh"))
            .env("BIN", programs()?)
            .env("IMAGES", cache_folder().join("images"))
            .env("NODES", nodes.to_string())
            .env("NODE_GRACE", grace)
            .env("EXTRA_IMAGES", images.join(" "))
            // Its end tells the script that nobody needs the cluster any more.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("tests/cluster/up.sh")?;
        let mut said = BufReader::new(script.stdout.take().context("its output")?);
        let folder = line(&mut said)?;
        ensure!(
            !folder.is_empty(),
            "tests/cluster/up.sh ended before the nodes were ready"
        );
        Ok(Self {
            script,
            said: Mutex::new(said),
            folder: folder.into(),
        })
    }

    /// Ends all processes of a node (`node1`, …) at once, as if its power were cut. Its disk stays.
    ///
    /// # Errors
    /// There is no such node, or it does not run.
    pub fn kill_node(&self, node: &str) -> Result<()> {
        self.ask(&format!("kill {node}"))
    }

    /// Lets a killed node come back; its kubelet has begun when this returns.
    ///
    /// # Errors
    /// There is no such node, or it cannot be started.
    pub fn start_node(&self, node: &str) -> Result<()> {
        self.ask(&format!("start {node}"))
    }

    /// The script does it, as the node's processes have to die with that.
    fn ask(&self, request: &str) -> Result<()> {
        let mut said = self.said.lock();
        let mut script = self.script.stdin.as_ref().context("its input")?;
        writeln!(script, "{request}")?;
        let answer = line(&mut said)?;
        ensure!(
            answer == request,
            "tests/cluster/up.sh did not `{request}`; what it said is on standard error"
        );
        Ok(())
    }

    /// Where the cluster's files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `kubectl`, as a user who may do everything; what it wrote.
    ///
    /// # Errors
    /// It failed, with what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        output(Command::new(self.folder.join("kubectl")).args(arguments))
    }

    /// A command in the namespaces of a node (`node1`, …) or of the control plane (`hub`); what it wrote.
    ///
    /// # Errors
    /// It failed, with what it said.
    pub fn on(&self, node: &str, command: &[&str]) -> Result<String> {
        output(Command::new(self.folder.join("on")).arg(node).args(command))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // What it could not take away, the next one does.
        let _ = self.script.wait();
    }
}

/// Empty at the end.
fn line(said: &mut BufReader<ChildStdout>) -> Result<String> {
    let mut line = String::new();
    said.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
