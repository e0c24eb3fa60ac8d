//! The gateway on a node of network namespaces: real rules, a real API server, real clients in pods.

use std::process::Command;

use anyhow::Result;

use crate::demo::become_program;
use crate::process::{build_with_tests, probe, run};
use crate::test::{Skip, packages};
use crate::workspace::{installed, program};
use crate::{clients, cluster};

/// What the node and its pods are made of.
const PACKAGES: [&str; 5] = ["nftables", "iptables", "iproute2", "util-linux", "curl"];

/// The SDKs that ask from inside a pod, at the address that they know.
const LANGUAGES: [&str; 5] = ["python", "js", "java", "go", "az"];

/// Every case; the report is kept.
pub(crate) fn prove() -> Result<Option<Skip>> {
    if let Some(missing) = set_up()? {
        return Ok(Some(missing));
    }
    for language in LANGUAGES {
        if let Some(missing) = clients::set_up(language)? {
            return Ok(Some(missing));
        }
    }
    build_with_tests()?;
    let report = installed("reports").join("netns.json");
    run(Command::new(program("debug", "netns"))
        .arg("--report")
        .arg(&report))?;
    println!("the report is kept in {}", report.display());
    Ok(None)
}

/// One pod's token, and then the node is the reader's.
pub(crate) fn show(once: bool) -> Result<()> {
    if let Some(Skip::Missing(why) | Skip::Environment(why)) = set_up()? {
        anyhow::bail!(why);
    }
    build_with_tests()?;
    let mut netns = Command::new(program("debug", "netns"));
    netns.args([
        "--only",
        "real metadata service",
        "--only",
        "each kind of identity",
        "--only",
        "flushed chain",
    ]);
    become_program(netns.args((!once).then_some("--stay")))
}

fn set_up() -> Result<Option<Skip>> {
    if probe("id", &["-u"]).as_deref() != Some("0") {
        let why = "network namespaces and firewall rules need root; run it as root";
        return Ok(Some(Skip::Missing(why.to_owned())));
    }
    if let Some(missing) = packages::ensure(&PACKAGES)? {
        return Ok(Some(missing));
    }
    cluster::build()
}
