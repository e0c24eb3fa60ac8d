//! Nodes on which podgate refuses to be.

use anyhow::{Result, ensure};
use podgate_e2e::node::Outcome;

use crate::Promise;
use crate::helm::RELEASE;
use crate::scene::Scene;

pub(crate) const PROMISES: [Promise; 1] = [(
    "kubenet is refused with its cure, and allowed where it is said so",
    kubenet,
)];

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
    let set = scene.get(&format!(
        "daemonset {RELEASE}-gateway --namespace {RELEASE}"
    ))?;
    let ready = &set["status"]["numberReady"];
    ensure!(
        *ready == scene.nodes.len(),
        "only {ready} gateways serve while the new one is refused"
    );
    scene
        .helm
        .upgrade(&[&config, "nmi.allowNetworkPluginKubenet=true"])?;
    scene.installed()?;
    scene.helm.upgrade(&[])?;
    scene.installed()?;
    Ok([("said after ms", took.as_secs_f64() * 1e3)].into())
}

/// How many gateways' pods said why they do not start.
fn refusals(scene: &Scene) -> Result<usize> {
    let pods = scene.kubectl(&format!("get pods --namespace {RELEASE} -o name"))?;
    let log = |pod: &str| {
        let line = format!("logs {pod} --namespace {RELEASE} --container intercept-apply");
        // It may have none yet.
        scene.kubectl(&line).unwrap_or_default()
    };
    let says = |pod: &&str| {
        let log = log(pod);
        log.contains("uses kubenet") && log.contains("--allow-network-plugin-kubenet")
    };
    Ok(pods.lines().filter(says).count())
}
