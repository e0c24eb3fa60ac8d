//! Who gets which token.

use anyhow::{Context, Result, ensure};
use podgate_e2e::demo::{ARCHIVE, LEDGER, NODE, WEB, WORKER};
use podgate_e2e::node::Outcome;
use serde_json::json;

use crate::acts::Beside;
use crate::objects;
use crate::pods::{RESOURCE, Wanted, figure};
use crate::scene::{PATIENCE, Scene};
use crate::started::asked;

pub(crate) const KINDS: Beside = (
    "each kind of identity is given to its pod on every node",
    kinds,
);
pub(crate) const STRANGER: Beside = ("a pod that no binding selects gets nothing", stranger);
pub(crate) const EXCEPTED: Beside = ("an excepted pod gets the node's own identity", excepted);
pub(crate) const ONCE: Beside = (
    "init containers and Jobs have their tokens before they end",
    once,
);

/// Pods of the Job: some on each node.
const JOBS: usize = 6;

/// Managed identities, and service principals with a secret and with a certificate.
pub(crate) fn kinds(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let kinds = [
        ("web", WEB),
        ("archive", ARCHIVE),
        ("worker", WORKER),
        ("ledger", LEDGER),
    ];
    let on = |node: &String| {
        let wanted = |(kind, _): &(&str, _)| Wanted::bound(&format!("{kind}-{node}"), node, kind);
        kinds.iter().map(wanted).collect::<Vec<_>>()
    };
    let wanted: Vec<Wanted> = scene.nodes.iter().flat_map(on).collect();
    let pods = scene.pods(&wanted)?;
    for pod in &pods {
        let known = kinds.iter().find(|(kind, _)| pod.name.starts_with(kind));
        let (_, client_id) = known.context("a pod of these")?;
        let got = scene.azure.client_id(&pod.token(RESOURCE)?)?;
        ensure!(got == *client_id, "{} got the identity {got}", pod.name);
    }
    scene.delete(pods)?;
    Ok(Outcome::new())
}

fn stranger(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let pod = scene.pod("shop", "stranger", "node1", &json!({}))?;
    for query in [
        "",
        &format!("&client_id={WEB}"),
        &format!("&client_id={NODE}"),
    ] {
        let answer = pod.token(&format!("{RESOURCE}{query}"))?;
        ensure!(answer.status == 400, "{}: {}", answer.status, answer.text());
    }
    scene.delete([pod])?;
    Ok(Outcome::new())
}

fn excepted(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    scene.apply(&[objects::exception("shop", "team", "platform")])?;
    let wanted = |namespace, name: &str, labels| Wanted {
        namespace,
        labels,
        ..Wanted::bound(name, "node1", "")
    };
    let pods = scene.pods(&[
        wanted("shop", "excepted", json!({"team": "Platform"})),
        // By the exception that the chart brings for the add-ons of AKS.
        wanted(
            "kube-system",
            "addon",
            json!({"kubernetes.azure.com/managedby": "aks"}),
        ),
    ])?;
    for pod in &pods {
        scene.gets(pod, "", NODE)?;
    }
    scene.delete(pods)?;
    scene.kubectl("delete azurepodidentityexception excepted --namespace shop")?;
    Ok(Outcome::new())
}

/// In the init container already: it runs in the moment in which the pod gets its address.
fn once(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    scene.apply(&[objects::job("once", JOBS, true)])?;
    let took = scene.succeeded("once", JOBS, PATIENCE)?;
    let restarts = asked(scene, "once")?.restarts;
    scene.kubectl("delete job once --namespace shop --wait=false")?;
    ensure!(restarts == 0, "{restarts} containers had to try again");
    Ok(figure("done after ms", took))
}
