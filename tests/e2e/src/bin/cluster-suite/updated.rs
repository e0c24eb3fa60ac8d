//! Gateways come and go, and pods go on asking.

use anyhow::{Result, ensure};
use podgate_e2e::load::{Seen, under_load};
use podgate_e2e::node::Outcome;

use crate::acts::Alone;
use crate::helm::RELEASE;
use crate::pods::Pod;
use crate::scene::Scene;
use podgate_e2e::demo::WEB;

pub(crate) const DELETED: Alone = ("deleted gateways open nothing, and come back", deleted);
pub(crate) const UPGRADED: Alone = (
    "an upgrade from the previous chart loses no request",
    upgraded,
);
pub(crate) const ROLLED_BACK: Alone = (
    "a rollback to the previous chart loses no request, nor does the next upgrade",
    rolled_back,
);

/// Of each pod; half of them keep their connections.
const CLIENTS: usize = 4;
/// The same images under another tag: what an old release is to the nodes.
pub(crate) const PREVIOUS: &str = "previous";

/// The images of the previous release, as far as nodes can tell.
pub(crate) fn have_previous_images(scene: &Scene) -> Result<()> {
    for node in &scene.nodes {
        for image in ["gateway", "intercept", "controller"] {
            let from = format!("docker.io/podgate/{image}:{}", env!("CARGO_PKG_VERSION"));
            let to = format!("docker.io/podgate/{image}:{PREVIOUS}");
            scene.on(
                node,
                &format!("ctr --namespace k8s.io images tag --force {from} {to}"),
            )?;
        }
    }
    Ok(())
}

/// Gateways and controllers at once.
fn upgraded(scene: &mut Scene) -> Result<Outcome> {
    ensure!(
        !scene.helm.is_installed() || tag(scene)? == PREVIOUS,
        "the previous chart is not what is installed"
    );
    loses_nothing(scene, "upgraded", |scene| {
        scene.helm.upgrade(&[])?;
        ensure!(tag(scene)? != PREVIOUS, "the gateways have the old tag");
        Ok(())
    })
}

fn rolled_back(scene: &mut Scene) -> Result<Outcome> {
    let back = loses_nothing(scene, "back", |scene| {
        scene.helm.rollback("1")?;
        ensure!(tag(scene)? == PREVIOUS, "the gateways have the new tag");
        Ok(())
    })?;
    let again = loses_nothing(scene, "again", |scene| scene.helm.upgrade(&[]).map(drop))?;
    let mut both = back;
    for (name, value) in again {
        let sum = both.entry(name).or_default();
        *sum = match name {
            "longest gap ms" => sum.max(value),
            _ => *sum + value,
        };
    }
    Ok(both)
}

/// While this is done, pods of all nodes ask, and all get what they ask for.
fn loses_nothing(
    scene: &Scene,
    name: &str,
    work: impl FnOnce(&Scene) -> Result<()> + Send,
) -> Result<Outcome> {
    let (pods, before) = (askers(scene, name)?, gateways(scene)?);
    let seen = load(scene, &pods, |scene| {
        work(scene)?;
        scene.installed()
    })?;
    let after = gateways(scene)?;
    scene.delete(pods)?;
    ensure!(
        before.iter().all(|old| !after.contains(old)),
        "an old gateway is still there: {after:?}"
    );
    ensure!(seen.failed == 0, "{seen:?}");
    Ok(seen.figures())
}

/// Requests fail until its successor is there. The runner counts leaks.
fn deleted(scene: &mut Scene) -> Result<Outcome> {
    let pods = askers(scene, "meanwhile")?;
    let seen = load(scene, &pods, |scene| {
        let before = gateways(scene)?;
        let all = format!("{RELEASE}-gateway");
        let all = scene.kube.object("daemonsets", RELEASE, &all)?;
        ensure!(before.len() == scene.nodes.len(), "{}", all["status"]);
        scene.kubectl(&format!(
            "delete pods --namespace {RELEASE} --selector app.kubernetes.io/component=gateway --wait=false"
        ))?;
        scene.until("new gateways are there", || {
            let now = gateways(scene)?;
            Ok(now.len() == before.len() && before.iter().all(|old| !now.contains(old)))
        })?;
        scene.installed()
    })?;
    scene.delete(pods)?;
    Ok(seen.figures())
}

/// A pod on each node that has a token. In standard mode its identity may still be on its way.
pub(crate) fn askers(scene: &Scene, name: &str) -> Result<Vec<Pod>> {
    scene.installed()?;
    let pods = scene.bound_everywhere(name, "web")?;
    for pod in &pods {
        scene.gets(pod, "", WEB)?;
    }
    Ok(pods)
}

/// What clients in these pods see while something is done.
pub(crate) fn load<'a>(
    scene: &'a Scene,
    pods: &[Pod],
    work: impl FnOnce(&'a Scene) -> Result<()> + Send,
) -> Result<Seen> {
    let all: Vec<&Pod> = pods.iter().collect();
    let ((), seen) = under_load(&all, CLIENTS, || work(scene))?;
    Ok(seen)
}

/// The uids of the gateways that run and are not ending.
fn gateways(scene: &Scene) -> Result<Vec<String>> {
    let labels = "app.kubernetes.io/component=gateway";
    let pods = scene.kube.objects("pods", RELEASE, labels)?;
    let living = pods
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    Ok(living
        .filter_map(|pod| pod["metadata"]["uid"].as_str())
        .map(str::to_owned)
        .collect())
}

fn tag(scene: &Scene) -> Result<String> {
    let name = format!("{RELEASE}-gateway");
    let set = scene.kube.object("daemonsets", RELEASE, &name)?;
    let image = &set["spec"]["template"]["spec"]["containers"][0]["image"];
    let image = image.as_str().unwrap_or_default();
    Ok(image.rsplit(':').next().unwrap_or_default().to_owned())
}
