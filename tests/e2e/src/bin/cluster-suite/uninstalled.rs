//! What is left on the nodes when podgate goes.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use podgate_e2e::node::Outcome;

use crate::acts::Alone;
use crate::helm::RELEASE;
use crate::scene::Scene;
use crate::started::untainted;

pub(crate) const LEAVES_NOTHING: Alone = (
    "an uninstall in managed mode leaves nothing on any node",
    leaves_nothing,
);

/// The kinds of which objects could be left, and of which the chart keeps those that nodes need to see its end.
const KINDS: &str = "daemonsets,deployments,jobs,pods,configmaps,secrets,serviceaccounts,roles,rolebindings,poddisruptionbudgets,leases";

fn leaves_nothing(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    scene.helm.uninstall()?;
    let took = gone(scene)?;
    untainted(scene)?;
    only_rights_are_left(scene)?;
    // People's own objects stay, and nothing keeps them from being deleted.
    scene.kubectl(
        "delete azureidentities,azureidentitybindings --all --namespace shop --timeout 10s",
    )?;
    Ok([("rules gone after ms", took)].into())
}

/// What the chart keeps for the nodes to see the end by, and which goes by the word of the notes.
pub(crate) fn only_rights_are_left(scene: &Scene) -> Result<()> {
    let expected: BTreeSet<String> = [
        "role.rbac.authorization.k8s.io/podgate-gateway",
        "rolebinding.rbac.authorization.k8s.io/podgate-gateway",
        "serviceaccount/podgate-gateway",
    ]
    .map(str::to_owned)
    .into();
    // The last pods are still ending.
    scene.until("only what has to see the end is left", || {
        let kept = left(scene)?;
        ensure!(kept == expected, "{kept:?} are left");
        Ok(true)
    })?;
    scene.kubectl(&format!(
        "--namespace {RELEASE} delete serviceaccount,role,rolebinding {RELEASE}-gateway"
    ))?;
    Ok(())
}

/// Waits until no node has anything of podgate's in its network; in milliseconds.
pub(crate) fn gone(scene: &Scene) -> Result<f64> {
    let took = scene.until("the nodes are clean", || {
        for node in &scene.nodes {
            let traces = traces(scene, node)?;
            ensure!(traces.is_empty(), "{node}: {traces}");
        }
        Ok(true)
    })?;
    Ok(took.as_secs_f64() * 1e3)
}

/// Lines of a node's network that are podgate's.
fn traces(scene: &Scene, node: &str) -> Result<String> {
    let looks = [
        ("nft list tables", "podgate"),
        ("ip rule", "169.254.169.254"),
        ("ip address show dev lo", "169.254.170.24"),
        ("iptables-legacy-save", "PODGATE"),
    ];
    let mut traces = Vec::new();
    for (look, word) in looks {
        let text = scene.on(node, look)?;
        traces.extend(
            text.lines()
                .filter(|line| line.contains(word))
                .map(str::to_owned),
        );
    }
    Ok(traces.join("\n"))
}

/// Objects of the release, as KIND/NAME.
fn left(scene: &Scene) -> Result<BTreeSet<String>> {
    let named = scene.kubectl(&format!(
        "get {KINDS} --namespace {RELEASE} --selector app.kubernetes.io/instance={RELEASE} -o name"
    ))?;
    Ok(named.lines().map(str::to_owned).collect())
}
