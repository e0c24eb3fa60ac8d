//! A whole cluster on this machine: real kubelets in namespaces, made by `tests/cluster/up.sh`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{cache_folder, programs};

/// Nodes that run pods. It ends with this object, and with this process however that ends.
pub struct Cluster {
    script: Child,
    folder: PathBuf,
}

impl Cluster {
    /// A cluster whose nodes are ready, with these images on each. Needs root.
    ///
    /// # Errors
    /// The programs are not built, or a node does not get ready; what the script said is on standard error.
    pub fn start(nodes: usize, images: &[PathBuf]) -> Result<Self> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster");
        let images: Vec<_> = images
            .iter()
            .map(|image| image.display().to_string())
            .collect();
        let mut script = Command::new(scripts.join("up.sh"))
            .env("BIN", programs()?)
            .env("IMAGES", cache_folder().join("images"))
            .env("NODES", nodes.to_string())
            .env("EXTRA_IMAGES", images.join(" "))
            // Its end tells the script that nobody needs the cluster any more.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("tests/cluster/up.sh")?;
        let said = script.stdout.take().context("its output")?;
        let folder = BufReader::new(said).lines().next().transpose()?;
        let folder = folder.context("tests/cluster/up.sh ended before the nodes were ready")?;
        Ok(Self {
            script,
            folder: folder.into(),
        })
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

fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
