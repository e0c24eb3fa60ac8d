//! Identities that cannot be had, beside such that can.

use anyhow::{Result, ensure};
use podgate_e2e::node::Outcome;
use serde_json::json;

use crate::acts::Beside;
use crate::lost::explain;
use crate::objects;
use crate::people;
use crate::scene::Scene;
use crate::standard::{no_records, states};

pub(crate) const BATCH: Beside = (
    "identities that do not exist stay Created, and harm neither those beside them nor those before",
    batch,
);
pub(crate) const RESOURCE_ID: Beside = (
    "a resourceID that no identity can have is told, and its pod gets a token once it is right",
    resource_id,
);

/// Not among the identities of Azure.
const MISSING: [&str; 3] = ["missing-1", "missing-2", "missing-3"];

fn batch(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let [first, second, third] = MISSING;
    let casts = ["good", first, second].map(|name| objects::cast("shop", name, name, "batch"));
    scene.apply(&casts.concat())?;
    let pod = scene.bound("batch", "node3", "batch")?;
    let good = people::client_id("good");
    let by_id = format!("&client_id={good}");
    let took = scene.gets(&pod, &by_id, &good)?;
    scene.apply(&objects::cast("shop", third, third, "batch"))?;
    scene.until("Azure has refused the third as well", || {
        let events = scene.kube.objects("events", "shop", "")?;
        let is_told = |event: &serde_json::Value| {
            let object = &event["involvedObject"]["name"];
            *object == third && event["type"] == "Warning"
        };
        Ok(events.iter().any(is_told))
    })?;
    for name in MISSING {
        let states = states(scene, name)?;
        ensure!(states == ["Created"], "{name}: {states:?}");
    }
    ensure!(
        states(scene, "good")? == ["Assigned"],
        "the good one's record"
    );
    ensure!(scene.azure.has(2, "good"), "the good one was taken");
    scene.gets(&pod, &by_id, &good)?;
    scene.delete([pod])?;
    for name in MISSING {
        no_records(scene, name)?;
    }
    Ok(crate::pods::figure("the good one after ms", took))
}

fn resource_id(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    scene.apply(&objects::misspelt("mended"))?;
    let pod = scene.bound("mended", "node3", "mended")?;
    scene.until("podgate explain names the field", || {
        let told = explain(scene, "mended")?;
        let cause = &told["cause"];
        ensure!(*cause == "identity-invalid", "{told:#}");
        Ok(format!("{told}").contains("resourceID"))
    })?;
    let person = people::identity("mended");
    scene.patch(
        "azureidentity mended",
        &json!({"spec": {"resourceID": person.resource_id}}),
    )?;
    scene.gets(&pod, "", &person.client_id)?;
    Ok(Outcome::new())
}
