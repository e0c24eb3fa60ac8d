//! The test control plane: its programs, built once from pinned Go modules into the cache folder, and a way to
//! start and end it by hand. The tests start their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cli::{Cluster, ClusterTask};
use crate::demo::become_program;
use crate::process::{build_with_tests, probe, run};
use crate::test::{Skip, packages};
use crate::workspace::{program, root};

mod running;

/// The Kubernetes release that tests/cluster/go/kube pins, as its programs say it.
const KUBERNETES: &str = "v1.33.4";

/// What is built: a folder of tests/cluster/go, its packages, and the programs that they become.
struct Pin {
    folder: &'static str,
    packages: &'static [(&'static str, &'static str)],
    cost: &'static str,
}

const PINS: [Pin; 3] = [
    Pin {
        folder: "etcd",
        packages: &[("go.etcd.io/etcd/server/v3", "etcd")],
        cost: "half a minute",
    },
    Pin {
        folder: "kube",
        packages: &[("./allinone", "kube")],
        cost: "six minutes on two idle cores",
    },
    Pin {
        folder: "tools",
        packages: &[("./pause", "pause"), ("./whoami", "whoami")],
        cost: "a second",
    },
];

/// What a node consists of besides.
const PACKAGES: [&str; 14] = [
    "bc",
    "busybox-static",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "curl",
    "iproute2",
    "iptables",
    "jq",
    "nftables",
    "openssl",
    "procps",
    "runc",
    "util-linux",
];

/// The names by which the one Kubernetes program knows what it is to be.
const COMPONENTS: [&str; 6] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
];

pub(crate) fn perform(options: &Cluster) -> Result<()> {
    match &options.task {
        ClusterTask::Build => {
            if let Some(Skip::Missing(why) | Skip::Environment(why)) = build()? {
                anyhow::bail!(why);
            }
            println!("{}", bin().display());
            Ok(())
        }
        ClusterTask::Up {
            nodes: Some(nodes), ..
        } => up_with_nodes(*nodes),
        ClusterTask::Up { controllers, .. } => up(*controllers),
        ClusterTask::Status => status(),
        ClusterTask::Down { folder } => down(folder.as_deref()),
    }
}

/// Builds what is not there yet; says what is missing on a machine that cannot.
pub(crate) fn build() -> Result<Option<Skip>> {
    let Some(version) = probe("go", &["version"]) else {
        let why = "the test control plane is built from Go modules, and there is no `go`; install Go 1.24 or later";
        return Ok(Some(Skip::Missing(why.to_owned())));
    };
    for pin in &PINS {
        pin.build(&version)?;
    }
    for component in COMPONENTS {
        link(component)?;
    }
    Ok(None)
}

/// A control plane in the foreground.
fn up(controllers: bool) -> Result<()> {
    if let Some(Skip::Missing(why) | Skip::Environment(why)) = build()? {
        anyhow::bail!(why);
    }
    build_with_tests()?;
    let mut plane = Command::new(program("debug", "control-plane"));
    become_program(plane.args(controllers.then_some("--controllers")))
}

/// Ends with Ctrl-C, or with Ctrl-D, which ends the script's standard input.
fn up_with_nodes(nodes: u8) -> Result<()> {
    if let Some(Skip::Missing(why) | Skip::Environment(why)) = build_nodes()? {
        anyhow::bail!(why);
    }
    println!(
        "the last line names the cluster's folder: FOLDER/kubectl, FOLDER/on node1 COMMAND; Ctrl-C ends it"
    );
    let mut script = Command::new(root().join("tests/cluster/up.sh"));
    script
        .env("BIN", bin())
        .env("IMAGES", images())
        .env("NODES", nodes.to_string())
        .env("BY_HAND", "1");
    become_program(&mut script)
}

fn status() -> Result<()> {
    for one in running::all()? {
        let whose = match one.by_hand {
            true => "by cluster up",
            false => "by a test",
        };
        println!("{}  {whose}", one.folder.display());
    }
    Ok(())
}

/// The one with this folder, or all but those of tests that run now.
fn down(folder: Option<&Path>) -> Result<()> {
    let meant = |one: &running::Running| folder.map_or(one.by_hand, |folder| one.folder == folder);
    let mut found = running::all()?;
    found.retain(meant);
    if let (Some(folder), true) = (folder, found.is_empty()) {
        anyhow::bail!(
            "no cluster runs in {}; `cargo xtask cluster status` shows those that do",
            folder.display()
        );
    }
    found.iter().try_for_each(running::Running::end)
}

/// The control plane's programs, the packages of a node and the images of its pods.
pub(crate) fn build_nodes() -> Result<Option<Skip>> {
    if probe("id", &["-u"]).as_deref() != Some("0") {
        let why = "nodes are namespaces with mounts and control groups of their own, which need root; run it as root";
        return Ok(Some(Skip::Missing(why.to_owned())));
    }
    if let Some(missing) = packages::ensure(&PACKAGES)? {
        return Ok(Some(missing));
    }
    if let Some(missing) = build()? {
        return Ok(Some(missing));
    }
    if ["pause.tar", "tools.tar"]
        .iter()
        .any(|image| !images().join(image).exists())
    {
        println!(
            "making the images of the test pods in {}",
            images().display()
        );
        let mut script = Command::new(root().join("tests/cluster/images.sh"));
        run(script.env("BIN", bin()).env("IMAGES", images()))?;
    }
    Ok(None)
}

fn images() -> PathBuf {
    cache().join("images")
}

impl Pin {
    fn build(&self, version: &str) -> Result<()> {
        let sources = root().join("tests/cluster/go").join(self.folder);
        let stamp = format!("{version}\n{KUBERNETES}\n{}", contents(&sources)?);
        let note = bin().join(format!(".{}.made-from", self.folder));
        let made = fs::read_to_string(&note).is_ok_and(|text| text == stamp);
        if made
            && self
                .packages
                .iter()
                .all(|(_, name)| bin().join(name).exists())
        {
            return Ok(());
        }
        println!(
            "building {} (once, {}) into {}",
            self.folder,
            self.cost,
            bin().display()
        );
        for (package, name) in self.packages {
            run(&mut go(&sources, package, name)).with_context(|| format!("building {name}"))?;
        }
        fs::write(note, stamp).context("noting what was built")
    }
}

/// Caches of its own, so that one folder has everything, and nothing of the user's settings changes the result.
fn go(sources: &Path, package: &str, name: &str) -> Command {
    let mut go = Command::new("go");
    go.current_dir(sources)
        .env("GOMODCACHE", cache().join("go/modules"))
        .env("GOCACHE", cache().join("go/build"))
        .env("GOFLAGS", "-mod=readonly -modcacherw -buildvcs=false")
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-ldflags", &linker_flags(), "-o"])
        .arg(bin().join(name))
        .arg(package);
    go
}

/// Without its version the API server says v0.0.0, and clients complain.
fn linker_flags() -> String {
    let of = |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
    let minor = KUBERNETES.split('.').nth(1).unwrap_or_default();
    [
        "-s -w".to_owned(),
        of("gitVersion", KUBERNETES),
        of("gitMajor", "1"),
        of("gitMinor", minor),
        of("gitTreeState", "clean"),
        of("buildDate", "1970-01-01T00:00:00Z"),
        format!("-X k8s.io/client-go/pkg/version.gitVersion={KUBERNETES}"),
    ]
    .join(" ")
}

/// All files of a folder in one text.
fn contents(folder: &Path) -> Result<String> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("listing {}", folder.display()))?;
    entries.sort();
    let texts = entries.into_iter().map(|path| match path.is_dir() {
        true => contents(&path),
        false => fs::read_to_string(&path).with_context(|| path.display().to_string()),
    });
    texts.collect()
}

fn link(component: &str) -> Result<()> {
    let path = bin().join(component);
    if path.exists() {
        return Ok(());
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("kube", &path).with_context(|| path.display().to_string())?;
    Ok(())
}

fn bin() -> PathBuf {
    cache().join("bin")
}

/// The same rule as podgate_testkit's, which is not linked here.
fn cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    variable("PODGATE_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("podgate")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/podgate")))
        .unwrap_or_else(|| std::env::temp_dir().join("podgate"))
}
