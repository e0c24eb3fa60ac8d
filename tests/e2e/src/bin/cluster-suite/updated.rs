//! Gateways come and go, and pods go on asking.

use anyhow::{Result, ensure};
use podgate_e2e::load::{Seen, under_load};
use podgate_e2e::node::Outcome;

use crate::Promise;
use crate::helm::RELEASE;
use crate::scene::{Pod, Scene};
use crate::tokens::RESOURCE;

pub(crate) const PROMISES: [Promise; 3] = [
    ("an upgrade loses no request", upgrade),
    ("a rollback loses no request", rollback),
    ("a deleted gateway opens nothing, and comes back", deleted),
];

/// Of each pod; half of them keep their connections.
const CLIENTS: usize = 4;
/// The same images under another tag: what a new release is to the nodes.
const NEXT: &str = "next";

/// Everything there is: in standard mode the controllers as well.
pub(crate) fn upgrade(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    for node in &scene.nodes {
        for image in ["gateway", "intercept", "controller"] {
            let from = format!("docker.io/podgate/{image}:{}", env!("CARGO_PKG_VERSION"));
            let to = format!("docker.io/podgate/{image}:{NEXT}");
            scene.on(
                node,
                &format!("ctr --namespace k8s.io images tag --force {from} {to}"),
            )?;
        }
    }
    loses_nothing(scene, |scene| {
        scene.helm.upgrade(&[&format!("image.tag={NEXT}")])?;
        ensure!(tag(scene)? == NEXT, "the gateways have another tag");
        Ok(())
    })
}

/// To what was installed first.
pub(crate) fn rollback(scene: &mut Scene) -> Result<Outcome> {
    loses_nothing(scene, |scene| {
        scene.helm.rollback("1")?;
        ensure!(tag(scene)? != NEXT, "the gateways have the new tag still");
        Ok(())
    })
}

/// While this is done, pods of all nodes ask, and all get what they ask for.
fn loses_nothing(scene: &Scene, work: impl FnOnce(&Scene) -> Result<()> + Send) -> Result<Outcome> {
    let before = gateways(scene)?;
    let (pods, seen) = load(scene, |scene| {
        work(scene)?;
        scene.installed()
    })?;
    let after = gateways(scene)?;
    scene.delete(pods, "shop")?;
    ensure!(
        before.iter().all(|old| !after.contains(old)),
        "an old gateway is still there: {after:?}"
    );
    ensure!(seen.failed == 0, "{seen:?}");
    Ok(seen.figures())
}

/// Requests fail until its successor is there. The runner counts leaks.
fn deleted(scene: &mut Scene) -> Result<Outcome> {
    let (pods, seen) = load(scene, |scene| {
        let before = gateways(scene)?;
        for uid in &before {
            let pods = scene.get(&format!("pods --namespace {RELEASE}"))?;
            let pods = pods["items"].as_array().into_iter().flatten();
            let one = pods.into_iter().find(|pod| pod["metadata"]["uid"] == **uid);
            let name = one.and_then(|pod| pod["metadata"]["name"].as_str());
            if let Some(name) = name {
                scene.kubectl(&format!(
                    "delete pod {name} --namespace {RELEASE} --wait=false"
                ))?;
            }
        }
        scene.until("new gateways are there", || {
            let now = gateways(scene)?;
            Ok(now.len() == before.len() && before.iter().all(|old| !now.contains(old)))
        })?;
        scene.installed()
    })?;
    scene.delete(pods, "shop")?;
    Ok(seen.figures())
}

fn load<'a>(
    scene: &'a Scene,
    work: impl FnOnce(&'a Scene) -> Result<()> + Send,
) -> Result<(Vec<Pod>, Seen)> {
    scene.installed()?;
    let pods = scene.bound_everywhere("asker", "web")?;
    for pod in &pods {
        // In standard mode its identity may still be on its way.
        scene.until(
            "it has its token",
            || Ok(pod.token(RESOURCE)?.status == 200),
        )?;
    }
    let all: Vec<&Pod> = pods.iter().collect();
    let ((), seen) = under_load(&all, CLIENTS, || work(scene))?;
    Ok((pods, seen))
}

/// The uids of the gateways that run and are not ending.
fn gateways(scene: &Scene) -> Result<Vec<String>> {
    let pods = scene.get(&format!(
        "pods --namespace {RELEASE} --selector app.kubernetes.io/component=gateway"
    ))?;
    let pods = pods["items"].as_array().into_iter().flatten();
    let living = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    Ok(living
        .filter_map(|pod| pod["metadata"]["uid"].as_str())
        .map(str::to_owned)
        .collect())
}

fn tag(scene: &Scene) -> Result<String> {
    let set = scene.get(&format!(
        "daemonset {RELEASE}-gateway --namespace {RELEASE}"
    ))?;
    let image = &set["spec"]["template"]["spec"]["containers"][0]["image"];
    let image = image.as_str().unwrap_or_default();
    Ok(image.rsplit(':').next().unwrap_or_default().to_owned())
}
