//! One pod and its identity, in standard mode.

use anyhow::{Result, ensure};
use podgate_e2e::demo::{LEDGER, WORKER};
use podgate_e2e::node::Outcome;
use serde_json::json;

use crate::acts::Beside;
use crate::objects;
use crate::people;
use crate::pods::{Pod, Wanted, figure};
use crate::scene::Scene;
use crate::standard::{no_records, states};

pub(crate) const VALIDATED: Beside = (
    "a pod gets its token by client id, by resource id and by neither",
    validated,
);
pub(crate) const POD_DELETED: Beside = (
    "the identity and its record go with the last pod that used it",
    pod_deleted,
);
pub(crate) const IDENTITY_DELETED: Beside = (
    "a deleted AzureIdentity ends the tokens, and comes back with them",
    identity_deleted,
);
pub(crate) const BINDING_DELETED: Beside =
    ("a deleted binding ends the tokens at once", binding_deleted);
pub(crate) const FIELDS_UPDATED: Beside = (
    "changed fields of an AzureIdentity reach the pod",
    fields_updated,
);
pub(crate) const RIGHT_AND_WRONG: Beside = (
    "of two identities the pod gets the one it names, with that one's rights and no others",
    right_and_wrong,
);
pub(crate) const SERVICE_PRINCIPALS: Beside = (
    "service principals work beside the controller, by secret and by certificate",
    service_principals,
);

/// A pod with an identity of its own: object, selector and identity have its name.
pub(crate) fn with_identity(scene: &Scene, name: &str, node: &str) -> Result<Pod> {
    scene.installed()?;
    scene.apply(&objects::cast("shop", name, name, name))?;
    let pod = scene.bound(name, node, name)?;
    scene.gets(&pod, "", &people::client_id(name))?;
    Ok(pod)
}

fn validated(scene: &Scene) -> Result<Outcome> {
    let pod = with_identity(scene, "single", "node1")?;
    let person = people::identity("single");
    for query in [
        format!("&client_id={}", person.client_id),
        format!("&msi_res_id={}", person.resource_id),
        format!("&mi_res_id={}", person.resource_id),
    ] {
        scene.gets(&pod, &query, &person.client_id)?;
    }
    ensure!(states(scene, "single")? == ["Assigned"], "its record");
    Ok(Outcome::new())
}

fn pod_deleted(scene: &Scene) -> Result<Outcome> {
    let pod = with_identity(scene, "doomed", "node1")?;
    ensure!(scene.azure.has(0, "doomed"), "ARM has not given it");
    scene.delete([pod])?;
    let took = scene.until("it is off the machine", || {
        Ok(!scene.azure.has(0, "doomed"))
    })?;
    no_records(scene, "doomed")?;
    Ok(figure("off after ms", took))
}

fn identity_deleted(scene: &Scene) -> Result<Outcome> {
    let pod = with_identity(scene, "first", "node3")?;
    scene.kubectl("delete azureidentity first --namespace shop")?;
    let took = scene.is_refused(&pod, "")?;
    no_records(scene, "first")?;
    scene.apply(&objects::cast("shop", "first", "first", "first"))?;
    scene.gets(&pod, "", &people::client_id("first"))?;
    Ok(figure("refused after ms", took))
}

fn binding_deleted(scene: &Scene) -> Result<Outcome> {
    let pod = with_identity(scene, "loose", "node1")?;
    scene.kubectl("delete azureidentitybinding loose --namespace shop")?;
    let took = scene.is_refused(&pod, "")?;
    no_records(scene, "loose")?;
    scene.delete([pod])?;
    Ok(figure("refused after ms", took))
}

fn fields_updated(scene: &Scene) -> Result<Outcome> {
    let pod = with_identity(scene, "changed", "node2")?;
    let other = people::identity("second");
    let spec = json!({"resourceID": other.resource_id, "clientID": other.client_id});
    scene.patch("azureidentity changed", &json!({"spec": spec}))?;
    let took = scene.gets(&pod, "", &other.client_id)?;
    ensure!(scene.azure.has(1, "second"), "ARM has not given it");
    Ok(figure("new identity after ms", took))
}

/// One of them may read at ARM, the other may not.
fn right_and_wrong(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let casts = ["right", "wrong"].map(|name| objects::cast("shop", name, name, "pair"));
    scene.apply(&casts.concat())?;
    let pod = scene.bound("pair", "node3", "pair")?;
    for (name, status) in [("right", 200), ("wrong", 403)] {
        let query = format!("&client_id={}", people::client_id(name));
        scene.gets(&pod, &query, &people::client_id(name))?;
        let answer = pod.token(&format!("resource=https://management.azure.com/{query}"))?;
        let listed = scene.azure.list(&answer)?;
        ensure!(listed.status == status, "{name}: {}", listed.text());
    }
    scene.is_refused(&pod, "")?;
    let stranger = format!("&client_id={}", people::client_id("single"));
    scene.is_refused(&pod, &stranger)?;
    Ok(Outcome::new())
}

/// Nothing of them is on any machine.
fn service_principals(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let kinds = [("worker", WORKER), ("ledger", LEDGER)];
    let wanted = kinds.map(|(kind, _)| Wanted::bound(&format!("{kind}-standard"), "node2", kind));
    let pods = scene.pods(&wanted)?;
    for (pod, (_, client_id)) in pods.iter().zip(kinds) {
        scene.gets(pod, "", client_id)?;
    }
    Ok(Outcome::new())
}
