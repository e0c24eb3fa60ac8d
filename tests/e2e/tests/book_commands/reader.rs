//! Somebody with a shell, a clone of the repository and a cluster.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use podgate_e2e::process::binary;
use podgate_testkit::{ControlPlane, fixtures, programs};
use tempfile::TempDir;

use crate::kubelet::Kubelet;
use crate::pages::root;

/// podgate's programs that somebody types.
const OWN: [&str; 4] = [
    "podgate",
    "kubectl-podgate",
    "podgate-gateway",
    "podgate-controller",
];
/// Seconds, of which helm may need many on a machine that compiles beside it.
const LIMIT: &str = "240";
/// Where `cargo xtask` installs them.
const AZ: &str = "target/clients/az/venv/bin/az";
const HELM: &str = "target/helm/helm";
/// What a reader has in variables by then.
const VARIABLES: [(&str, &str); 7] = [
    ("KUBELET", "00000000-0000-0000-0000-000000000001"),
    ("NODES", "nodes"),
    ("SUBSCRIPTION", "00000000-0000-0000-0000-000000000000"),
    ("PASSWORD", fixtures::PASSWORD),
    ("AZURE_CORE_COLLECT_TELEMETRY", "no"),
    ("AZURE_CORE_ONLY_SHOW_ERRORS", "yes"),
    ("LC_ALL", "C.UTF-8"),
];
/// Of scripts: the first pod of a namespace with a label; what is read holds no such line.
const FUNCTIONS: &str = "\
pod() { kubectl --namespace \"$1\" get pods --selector \"$2\" --output 'jsonpath={.items[0].metadata.name}'; }
none() { if grep \"$@\"; then return 1; fi; }
";

/// The cluster ends with this object, and the folder goes.
pub(crate) struct Reader {
    _plane: ControlPlane,
    pub(crate) kubelet: Kubelet,
    folder: TempDir,
    kubeconfig: PathBuf,
}

/// What came of a line.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Reader {
    /// With a cluster of one node, and nothing in it.
    pub(crate) async fn new() -> Self {
        let plane = ControlPlane::start().await.unwrap();
        plane.start_controllers().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        lay_out(folder.path());
        let busy = folder.path().join("desk/jobs-are-busy");
        let kubelet = Kubelet::start(plane.client().await.unwrap(), &busy).await;
        Self {
            kubeconfig: plane.kubeconfig(),
            _plane: plane,
            kubelet,
            folder,
        }
    }

    /// A file beside the clone.
    pub(crate) fn saves(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join("desk").join(name), text).unwrap();
    }

    /// Into a shell without a terminal, whose prompts get the password. It ends within the limit.
    pub(crate) fn types(&self, line: &str) -> Typed {
        let mut words = vec!["--wait", "timeout", "--kill-after=5", LIMIT, "sh", "-c"];
        let script = format!("{FUNCTIONS}{line}");
        words.push(&script);
        let output = self.shell().args(words).output().unwrap();
        Typed {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn shell(&self) -> Command {
        let inherited = std::env::var_os("PATH").unwrap();
        let own = [self.folder.path().join("bin")];
        let path = own.into_iter().chain(std::env::split_paths(&inherited));
        let desk = self.folder.path().join("desk");
        let answers = File::open(self.folder.path().join("answers")).unwrap();
        let mut shell = Command::new("setsid");
        shell
            .env_clear()
            .envs(VARIABLES)
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", self.folder.path())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("REPOSITORY", root())
            .current_dir(desk)
            .stdin(Stdio::from(answers));
        shell
    }
}

/// ```text
/// bin/   what is typed, before the machine's own
/// desk/  where it is typed: the clone's folders, and files of the reader's own
/// ```
fn lay_out(folder: &Path) {
    let (bin, desk) = (folder.join("bin"), folder.join("desk"));
    fs::create_dir(&bin).unwrap();
    fs::create_dir(&desk).unwrap();
    for name in ["charts", "examples"] {
        symlink(root().join(name), desk.join(name)).unwrap();
    }
    symlink(programs().unwrap().join("kubectl"), bin.join("kubectl")).unwrap();
    for name in OWN {
        symlink(binary(name).unwrap(), bin.join(name)).unwrap();
    }
    let az = root().join(AZ);
    assert!(az.exists(), "{AZ} is not there: cargo xtask clients");
    symlink(az, bin.join("az")).unwrap();
    // Else the machine has the right one.
    if root().join(HELM).exists() {
        symlink(root().join(HELM), bin.join("helm")).unwrap();
    }
    let twice = format!("{0}\n{0}\n", fixtures::PASSWORD);
    fs::write(folder.join("answers"), twice).unwrap();
}
