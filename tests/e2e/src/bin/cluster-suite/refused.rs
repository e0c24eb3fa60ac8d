//! Nodes on which podgate refuses to be, and what it refuses to pods.

use anyhow::{Result, ensure};
use podgate_e2e::node::Outcome;

use crate::acts::Alone;
use crate::helm::RELEASE;
use crate::pods::figure;
use crate::scene::Scene;

pub(crate) const KUBENET: Alone = (
    "kubenet is refused with its cure, and allowed where it is said so; the instance document can be refused to pods",
    kubenet,
);

const FLAGS: &str = "KUBELET_FLAGS=--network-plugin=kubenet\n";

/// The new gateway does not start; the old one stays.
fn kubenet(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    let file = scene.folder.join("kubelet");
    std::fs::write(&file, FLAGS)?;
    let config = format!("nmi.kubeletConfig={}", file.display());
    scene.helm.begin("upgrade", &[&config])?;
    let what = "the refusal is in the log";
    let took = scene.until(what, || Ok(refusals(scene)? > 0))?;
    let set = format!("{RELEASE}-gateway");
    let set = scene.kube.object("daemonsets", RELEASE, &set)?;
    let ready = &set["status"]["numberReady"];
    ensure!(
        *ready == scene.nodes.len(),
        "only {ready} gateways serve while the new one is refused"
    );
    let allowed = "nmi.allowNetworkPluginKubenet=true";
    let blocked = "nmi.blockInstanceMetadata=true";
    scene.helm.upgrade(&[&config, allowed, blocked])?;
    scene.installed()?;
    instance_is_refused(scene)?;
    Ok(figure("said after ms", took))
}

/// How many gateways' pods said why they do not start.
fn refusals(scene: &Scene) -> Result<usize> {
    let labels = "app.kubernetes.io/component=gateway";
    let pods = scene.kube.objects("pods", RELEASE, labels)?;
    let says = |pod: &&serde_json::Value| {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        // It may have none yet.
        let log = scene.kube.log(RELEASE, name, "intercept-apply");
        let log = log.unwrap_or_default();
        log.contains("uses kubenet") && log.contains("--allow-network-plugin-kubenet")
    };
    Ok(pods.iter().filter(says).count())
}

/// To everybody but those with an exception.
fn instance_is_refused(scene: &Scene) -> Result<()> {
    let pod = scene.bound("curious", "node1", "web")?;
    let answer = pod.ask("/metadata/instance?api-version=2021-02-01")?;
    ensure!(answer.status == 403, "{}: {}", answer.status, answer.text());
    scene.gets(&pod, "", podgate_e2e::demo::WEB)?;
    scene.delete([pod])
}
