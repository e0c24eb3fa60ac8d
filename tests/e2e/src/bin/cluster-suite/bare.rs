//! The README's third command.

use std::time::Instant;

use anyhow::{Result, ensure};
use podgate_e2e::node::Outcome;
use serde_json::json;

use crate::acts::Alone;
use crate::helm::RELEASE;
use crate::pods::{RESOURCE, figure};
use crate::scene::Scene;
use crate::uninstalled::gone;

pub(crate) const INSTALLED: Alone = (
    "`helm install podgate charts/podgate` works on a fresh cluster, says what is missing, and goes",
    installed,
);

/// Of whoever sets nothing.
const NAMESPACE: &str = "default";

/// Whatever its case has left.
pub(crate) fn take_away(scene: &Scene) {
    // There is nothing as a rule.
    let _ = scene.helm.uninstall_bare(NAMESPACE);
}

/// On nodes that are no machines of Azure, as far as the cluster can tell, and without a file of the cloud's on them.
fn installed(scene: &mut Scene) -> Result<Outcome> {
    let start = Instant::now();
    let notes = scene.helm.install_bare(NAMESPACE)?;
    ensure!(
        notes.contains("azure.json") && notes.contains("adminsecret"),
        "the notes do not say what is missing: {notes}"
    );
    let ready = |kind, name: &str, status: &str, count: usize| {
        scene.until(&format!("{name} is ready"), || {
            let set = scene.kube.object(kind, NAMESPACE, name)?;
            ensure!(set["status"][status] == count, "{}", set["status"]);
            Ok(true)
        })
    };
    let (gateways, controllers) = (
        format!("{RELEASE}-gateway"),
        format!("{RELEASE}-controller"),
    );
    ready("daemonsets", &gateways, "numberReady", scene.nodes.len())?;
    ready("deployments", &controllers, "readyReplicas", 2)?;
    let took = start.elapsed();
    let pod = scene.pod("shop", "nobody", "node1", &json!({}))?;
    let answer = pod.token(RESOURCE)?;
    ensure!(answer.status == 400, "{}: {}", answer.status, answer.text());
    scene.delete([pod])?;
    scene.helm.uninstall_bare(NAMESPACE)?;
    gone(scene)?;
    scene.kubectl(&format!(
        "--namespace {NAMESPACE} delete serviceaccount,role,rolebinding {gateways}"
    ))?;
    Ok(figure("all ready after ms", took))
}
