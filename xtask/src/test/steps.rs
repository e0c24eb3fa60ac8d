//! The steps, in the order in which they run: cheap ones first, and each build before what shares it.

use anyhow::{Result, ensure};

use super::{Skip, deny, packages, readme};
use crate::process::{build_with_tests, cargo, output, probe, run};
use crate::workspace::{EXAMPLES, GUESTS, NATIVE, PLUGINS, WORKSPACES, root};
use crate::{
    author, book, chart, clients, cluster, cluster_suite, crds, demo, netns, plugins, wit,
};

/// One step: its name is what `--only` takes.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) run: fn() -> Result<Option<Skip>>,
}

impl Step {
    const fn new(
        name: &'static str,
        about: &'static str,
        run: fn() -> Result<Option<Skip>>,
    ) -> Self {
        Self { name, about, run }
    }

    /// `clients` means `clients-python` and its like.
    pub(super) fn answers_to(&self, wanted: &str) -> bool {
        self.name
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

pub(super) const STEPS: [Step; 30] = [
    Step::new("fmt", "formatting of the four workspaces", fmt),
    Step::new(
        "readme",
        "the commands that the documents name exist",
        || ran(readme::check_documents()),
    ),
    Step::new(
        "deny",
        "licences, banned and duplicate crates, sources",
        || ran(deny::check()),
    ),
    Step::new(
        "advisories",
        "known vulnerabilities of the dependencies",
        deny::check_advisories,
    ),
    Step::new(
        "components",
        "the plugins and the tests' guests build",
        || ran(plugins::build_all()),
    ),
    Step::new(
        "plugins-clippy",
        "lints of the plugins, the examples and the guests",
        plugins_clippy,
    ),
    Step::new(
        "plugins-test",
        "the plugins' decisions, tested natively",
        plugins_test,
    ),
    Step::new("clippy", "lints of the native workspace", clippy),
    Step::new("docs", "the documentation builds without a warning", docs),
    Step::new("tests", "unit, property and integration tests", tests),
    Step::new("crds", "api/crds says what the types say", || {
        ran(crds::prove())
    }),
    Step::new(
        "wit",
        "the interfaces break nothing that was built for released ones",
        || ran(wit::prove()),
    ),
    Step::new(
        "author",
        "a plugin from an empty folder to a denied request, by each route",
        || ran(author::prove()),
    ),
    Step::new(
        "author-python",
        "a policy written in Python, as its page builds it",
        author::prove_python,
    ),
    Step::new(
        "chart",
        "what the helm chart becomes, and what it refuses",
        chart::prove,
    ),
    Step::new(
        "book",
        "the operators' book builds, its links lead somewhere, helm takes its commands",
        book::prove,
    ),
    Step::new(
        "clients-python",
        "the real azure-identity of Python",
        || client("python"),
    ),
    Step::new(
        "clients-js",
        "the real @azure/identity of JavaScript",
        || client("js"),
    ),
    Step::new("clients-java", "the real azure-identity of Java", || {
        client("java")
    }),
    Step::new(
        "clients-go",
        "the real armcompute of Go, against azure-sim",
        go_client,
    ),
    Step::new("cluster", "the test control plane", control_plane),
    Step::new(
        "cluster-source",
        "the gateway and a real API server, with the rights of docs/rbac.md",
        cluster_source,
    ),
    Step::new(
        "controller",
        "the controller and its election around a real API server",
        controller,
    ),
    Step::new(
        "cli-explain",
        "`podgate explain` around a real API server and on a real node",
        cli_explain,
    ),
    Step::new(
        "chart-server",
        "the helm chart in a real API server",
        chart_server,
    ),
    Step::new(
        "book-commands",
        "what the book tells to type, typed into a cluster and to the Azure CLI",
        book_commands,
    ),
    Step::new(
        "intercept",
        "the rules of the node's firewall, in network namespaces",
        intercept,
    ),
    Step::new(
        "netns",
        "the gateway on a node of network namespaces",
        netns::prove,
    ),
    Step::new(
        "cluster-suite",
        "podgate on real nodes: installed by helm, asked, upgraded, taken away",
        cluster_suite::prove,
    ),
    Step::new("demo", "the tour of the README", || ran(demo::prove())),
];

fn ran(result: Result<()>) -> Result<Option<Skip>> {
    result.map(|()| None)
}

fn fmt() -> Result<Option<Skip>> {
    ran(WORKSPACES.into_iter().try_for_each(|workspace| {
        run(cargo(root().join(workspace)).args(["fmt", "--all", "--check"]))
    }))
}

/// For both targets: the decisions and their tests natively, the glue as it is shipped.
fn plugins_clippy() -> Result<Option<Skip>> {
    lint(PLUGINS, &["--all-targets", "--target", "host-tuple"])?;
    lint(PLUGINS, &[])?;
    lint(EXAMPLES, &["--all-targets", "--target", "host-tuple"])?;
    lint(EXAMPLES, &[])?;
    ran(lint(GUESTS, &[]))
}

fn clippy() -> Result<Option<Skip>> {
    ran(lint(NATIVE, &["--all-targets"]))
}

fn lint(workspace: &str, selection: &[&str]) -> Result<()> {
    let mut cargo = cargo(root().join(workspace));
    cargo
        .args(["clippy", "--locked", "--workspace"])
        .args(selection);
    run(cargo.args(["--", "-D", "warnings"]))
}

fn plugins_test() -> Result<Option<Skip>> {
    let natively = ["test", "--locked", "--workspace", "--target", "host-tuple"];
    let test = |workspace| run(cargo(root().join(workspace)).args(natively));
    ran([PLUGINS, EXAMPLES].into_iter().try_for_each(test))
}

fn docs() -> Result<Option<Skip>> {
    let mut cargo = cargo(root());
    cargo.env("RUSTDOCFLAGS", "-D warnings");
    ran(run(cargo.args([
        "doc",
        "--locked",
        "--workspace",
        "--no-deps",
    ])))
}

/// Some tests run the gateway as a process, and `cargo test` alone does not build it.
fn tests() -> Result<Option<Skip>> {
    build_with_tests()?;
    ran(run(cargo(root()).args(["test", "--locked", "--workspace"])))
}

fn control_plane() -> Result<Option<Skip>> {
    if let Some(missing) = cluster::build_nodes()? {
        return Ok(Some(missing));
    }
    ran(run(cargo(root()).args([
        "test",
        "--locked",
        "--workspace",
        "--test",
        "cluster",
        "--test",
        "control_plane",
        "--test",
        "netns",
        "--",
        "--ignored",
    ])))
}

fn cluster_source() -> Result<Option<Skip>> {
    with_api_server(&["cluster_source"])
}

/// The tests run the controller as a process, which `cargo test --test` alone does not build.
fn controller() -> Result<Option<Skip>> {
    build_with_tests()?;
    let skipped = with_api_server(&["controller", "controller_lease", "retire"])?;
    match skipped {
        None => ran(demo::prove_cluster()),
        skipped => Ok(skipped),
    }
}

/// The tests run the command line and the gateway as processes.
fn cli_explain() -> Result<Option<Skip>> {
    if let Some(missing) = cluster::build_nodes()? {
        return Ok(Some(missing));
    }
    build_with_tests()?;
    with_api_server(&["cli_explain"])
}

/// Each test has an API server of its own, a third of a gigabyte.
fn with_api_server(tests: &[&str]) -> Result<Option<Skip>> {
    if let Some(missing) = cluster::build()? {
        return Ok(Some(missing));
    }
    let tests = tests.iter().flat_map(|test| ["--test", test]);
    ran(run(cargo(root())
        .args(["test", "--locked", "--workspace"])
        .args(tests)
        // What is in a module `scale` takes minutes: that is for `cargo xtask bench`.
        .args([
            "--",
            "--ignored",
            "--test-threads=2",
            "--skip",
            "scale::",
        ])))
}

fn chart_server() -> Result<Option<Skip>> {
    match chart::lacks_helm()? {
        Some(missing) => Ok(Some(missing)),
        None => with_api_server(&["chart"]),
    }
}

/// The tests type what stands in the book, and podgate's own programs are a part of that.
fn book_commands() -> Result<Option<Skip>> {
    if let Some(missing) = packages::ensure(&["openssl"])? {
        return Ok(Some(missing));
    }
    if let Some(missing) = clients::set_up("az")? {
        return Ok(Some(missing));
    }
    if let Some(missing) = chart::lacks_helm()? {
        return Ok(Some(missing));
    }
    build_with_tests()?;
    with_api_server(&["book_commands"])
}

/// The tests run the crate's example as a process, which `cargo test --test` alone does not build.
fn intercept() -> Result<Option<Skip>> {
    if probe("id", &["-u"]).as_deref() != Some("0") {
        let why = "network namespaces and firewall rules need root; run it as root";
        return Ok(Some(Skip::Missing(why.to_owned())));
    }
    let packages = [
        "nftables",
        "iptables",
        "conntrack",
        "iproute2",
        "procps",
        "util-linux",
    ];
    if let Some(missing) = packages::ensure(&packages)? {
        return Ok(Some(missing));
    }
    if probe("unshare", &["--net", "true"]).is_none() {
        let why = "this machine lets not even root make a network namespace";
        return Ok(Some(Skip::Environment(why.to_owned())));
    }
    build_with_tests()?;
    let arguments = [
        "test",
        "--locked",
        "--workspace",
        "--test",
        "intercept",
        "--",
        "--ignored",
    ];
    ran(run(cargo(root()).args(arguments)))
}

/// The tests of one language are the module of its name in tests/e2e/tests/clients.rs. They are marked as
/// ignored there, because without this step's set-up they could only fail.
fn client(language: &str) -> Result<Option<Skip>> {
    if let Some(missing) = clients::set_up(language)? {
        return Ok(Some(missing));
    }
    let tests = format!("{language}::");
    let list = output(client_tests().args([&tests, "--list"]))?;
    ensure!(
        list.lines().any(|line| line.ends_with(": test")),
        "tests/e2e/tests/clients.rs has no test in a module `{language}`: nothing would be proved"
    );
    ran(run(client_tests().arg(&tests)))
}

/// Go's SDK takes no address for IMDS: its program for tokens belongs into network namespaces, and here it is the
/// client of ARM that proves azure-sim.
fn go_client() -> Result<Option<Skip>> {
    if let Some(missing) = clients::set_up("go")? {
        return Ok(Some(missing));
    }
    let arguments = [
        "test",
        "--locked",
        "--workspace",
        "--test",
        "arm_go",
        "--",
        "--ignored",
    ];
    ran(run(cargo(root()).args(arguments)))
}

fn client_tests() -> std::process::Command {
    let mut cargo = cargo(root());
    cargo.args([
        "test",
        "--locked",
        "--workspace",
        "--test",
        "clients",
        "--",
        "--ignored",
    ]);
    cargo
}
