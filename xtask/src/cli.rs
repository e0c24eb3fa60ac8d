//! The sub-commands and their options: what the documents' commands are checked against.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// podgate's one door.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Build the WebAssembly components: the built-in plugins and the misbehaving guests of the tests.
    Plugins,
    /// Show the whole token path on this machine: no root, no cluster, no Azure.
    Demo(Demo),
    /// Run every check and every test, step by step.
    Test(Test),
    /// Install the real Azure SDK clients (Python, JavaScript, Java, Go) that the tests drive.
    Clients,
    /// Write the custom resource definitions to api/crds.
    Crds(Crds),
    /// Measure the gateway or the controller; the options are those of the bench program.
    Bench(Bench),
    /// The test control plane: etcd and kube-apiserver, built once from pinned Go modules.
    Cluster(Cluster),
    /// Fuzz what reads hostile bytes for a while, or reload plugins under load.
    Soak(Soak),
    /// Write what is made of the helm chart: definitions, README, and what it renders to.
    Chart(Chart),
    /// Build the container images as OCI layouts and as archives, without a container engine.
    Images(Images),
    /// Write the WIT packages as a registry of files to target/wit, and into the templates of plugins.
    Wit(Wit),
    /// Build the operators' book of docs/book to target/book, and check its links.
    Book,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Demo {
    /// End after the tour instead of staying up for your own requests.
    #[arg(long)]
    pub(crate) once: bool,
    /// Show interception live instead: a node of network namespaces with real rules and a real API server (root).
    #[arg(long)]
    pub(crate) netns: bool,
    /// Show the controller instead: a real kube-apiserver, records, and a scale set that gets and loses an identity.
    #[arg(long, conflicts_with = "netns")]
    pub(crate) cluster: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Cluster {
    #[command(subcommand)]
    pub(crate) task: ClusterTask,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterTask {
    /// Build its programs into the cache folder; a second time takes no time.
    Build,
    /// Start one in the foreground and say how to reach it: etcd and kube-apiserver with podgate's kinds, or with
    /// --nodes a whole cluster.
    Up {
        /// Real nodes (root): kubelet, containerd, kube-proxy and a bridge for pods, each in namespaces of its own.
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=9))]
        nodes: Option<u8>,
        /// The controller-manager and the scheduler too, which come with nodes anyway.
        #[arg(long)]
        controllers: bool,
    },
    /// List those that run on this machine, by folder.
    Status,
    /// End those that were started by hand.
    Down {
        /// Only the one with this folder, whoever started it.
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// How long, in all.
    #[arg(long, default_value_t = 10)]
    pub(crate) minutes: u64,
    /// Instead of fuzzing, reload the plugins of a gateway under load so often.
    #[arg(long, value_name = "NUMBER", conflicts_with = "minutes", num_args = 0..=1, default_missing_value = "1000")]
    pub(crate) reloads: Option<u64>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Test {
    /// Count a step that this machine cannot run as failed.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Run only this step, or the steps whose names begin with it and a dash; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// List the steps and run none.
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Crds {
    /// Write nothing; fail when a file differs from what the types say.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Wit {
    /// Write nothing; fail when plugins built for the last released version would break, or a template's copy differs.
    #[arg(long)]
    pub(crate) check: bool,
    /// Keep this version in wit/released, as one that nothing may break.
    #[arg(long, conflicts_with = "check")]
    pub(crate) release: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Chart {
    /// Write nothing; fail when something differs, or the chart takes values that it should refuse.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Images {
    /// What they are to run on.
    #[arg(long, value_enum, default_value_t = Arch::host())]
    pub(crate) arch: Arch,
    /// Where they go; each is a folder and an archive of its name.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// These alone: `gateway`, `intercept`, `controller`, `demo`. May be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Of the programs as `cargo build` has left them, and archives alone: large, made in seconds, for clusters of tests.
    #[arg(long)]
    pub(crate) dev: bool,
}

/// A processor, as images name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// x86-64
    Amd64,
    /// AArch64
    Arm64,
}

impl Arch {
    /// This machine's.
    pub(crate) fn host() -> Self {
        if cfg!(target_arch = "aarch64") {
            Self::Arm64
        } else {
            Self::Amd64
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Measure the controller instead, in front of the test control plane.
    #[arg(long)]
    pub(crate) controller: bool,
    /// Passed on as they are, for instance --json FILE.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTIONS"
    )]
    pub(crate) options: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bench_passes_options_it_does_not_know() {
        let cli = Cli::try_parse_from(["cargo xtask", "bench", "--json", "out.json"]).unwrap();
        let Task::Bench(bench) = cli.task else {
            panic!("{cli:?}");
        };
        assert_eq!(bench.options, ["--json", "out.json"]);
        assert!(!bench.controller);
    }

    #[test]
    fn bench_takes_the_controller_before_the_options() {
        let cli = Cli::try_parse_from(["cargo xtask", "bench", "--controller", "--quick"]).unwrap();
        let Task::Bench(bench) = cli.task else {
            panic!("{cli:?}");
        };
        assert_eq!(
            (bench.controller, bench.options),
            (true, vec!["--quick".into()])
        );
    }
}
