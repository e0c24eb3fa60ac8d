//! Commands that are not typed here, each with the reason: a new one of their kind has to be looked at by a person.

use crate::pages::Command;

/// Commands by their first words.
struct Elsewhere {
    /// Empty: any.
    page: &'static str,
    /// Empty: all.
    starts: &'static str,
    why: &'static str,
}

impl Elsewhere {
    const fn of(page: &'static str, starts: &'static str, why: &'static str) -> Self {
        Self { page, starts, why }
    }

    fn means(&self, command: &Command) -> bool {
        let page = self.page.is_empty() || self.page == command.page;
        page && command.text.starts_with(self.starts)
    }
}

const IMAGES: &str = "docs/book/src/install/private-registries.md";
const MACHINE: &str = "it changes the machine that runs the tests";
const REGISTRY: &str = "it needs a registry that can be written to";
const NAME: &str = "it names a command, of which this is a part";

const ELSEWHERE: [Elsewhere; 11] = [
    Elsewhere::of(
        "",
        "cargo xtask ",
        "step `readme` gives it to its own parser",
    ),
    Elsewhere::of(
        "docs/plugin-guide.md",
        "",
        "step `author` types it word for word",
    ),
    Elsewhere::of(
        "docs/refusals.md",
        "curl ",
        "it asks a gateway that runs: the gateway's own tests do",
    ),
    Elsewhere::of(IMAGES, "apt-get install gcc-aarch64-linux-gnu", MACHINE),
    Elsewhere::of(
        IMAGES,
        "rustup target add aarch64-unknown-linux-gnu",
        MACHINE,
    ),
    Elsewhere::of(IMAGES, "crane push target/images/amd64/", REGISTRY),
    Elsewhere::of(
        IMAGES,
        "helm push podgate-0.2.0.tgz oci://registry.example.com/charts",
        REGISTRY,
    ),
    Elsewhere::of(
        "docs/book/src/migrating.md",
        "az extension add --name aks-preview",
        "it downloads a program",
    ),
    Elsewhere::of(
        "docs/book/src/migrating.md",
        "az aks update --resource-group GROUP --name CLUSTER --disable-pod-identity",
        "the option is of that extension; the CLI alone refuses it",
    ),
    Elsewhere::of("docs/cli.md", "kubectl auth can-i", NAME),
    Elsewhere::of(
        "docs/book/src/runbook/controller.md",
        "az identity show --query id",
        NAME,
    ),
];

/// The reason, if it is listed.
pub(crate) fn why(command: &Command) -> Option<&'static str> {
    let listed = ELSEWHERE.iter().find(|listed| listed.means(command));
    listed.map(|listed| listed.why)
}

/// What is listed and on no page.
pub(crate) fn idle(commands: &[Command]) -> Vec<&'static str> {
    let is_idle = |listed: &&Elsewhere| !commands.iter().any(|command| listed.means(command));
    ELSEWHERE
        .iter()
        .filter(is_idle)
        .map(|listed| listed.starts)
        .collect()
}
