//! Several identities, several pods, in standard mode.

use anyhow::{Result, ensure};
use podgate_e2e::node::Outcome;

use crate::acts::Beside;
use crate::objects;
use crate::people;
use crate::pods::{Wanted, figure};
use crate::scene::Scene;
use crate::standard::no_records;

pub(crate) const ONE_OF_FIVE: Beside = (
    "identities that are added in order and removed in another leave the others alone",
    one_of_five,
);
pub(crate) const RELABELLED: Beside = (
    "another label is another identity, for the pod that runs",
    relabelled,
);
pub(crate) const SAME_NAMES: Beside = (
    "identities of one name in two namespaces are each its own pods'",
    same_names,
);

const ADDED: [&str; 5] = ["m1", "m2", "m3", "m4", "m5"];
/// Of those, by place; the last one stays until the pod goes.
const REMOVED: [usize; 4] = [2, 0, 4, 1];

fn one_of_five(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let pod = scene.bound("five", "node3", "five")?;
    let by_id = |name: &str| format!("&client_id={}", people::client_id(name));
    for name in ADDED {
        let object = format!("five-{name}");
        scene.apply(&objects::cast("shop", &object, name, "five"))?;
    }
    for name in ADDED {
        scene.gets(&pod, &by_id(name), &people::client_id(name))?;
    }
    let mut there: Vec<&str> = ADDED.into();
    for place in REMOVED {
        let name = ADDED[place];
        there.retain(|one| *one != name);
        scene.kubectl(&format!(
            "delete azureidentitybinding five-{name} --namespace shop"
        ))?;
        scene.is_refused(&pod, &by_id(name))?;
        for one in &there {
            scene.gets(&pod, &by_id(one), &people::client_id(one))?;
        }
    }
    let last = scene.nodes.len() - 1;
    scene.until("the others are off the machine", || {
        let mut removed = REMOVED.iter().map(|place| ADDED[*place]);
        Ok(removed.all(|name| !scene.azure.has(last, name)))
    })?;
    ensure!(scene.azure.has(last, there[0]), "the last one is gone");
    scene.gets(&pod, "", &people::client_id(there[0]))?;
    Ok(Outcome::new())
}

fn relabelled(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let casts = ["red", "blue"].map(|name| objects::cast("shop", name, name, name));
    scene.apply(&casts.concat())?;
    let pod = scene.bound("relabelled", "node2", "red")?;
    scene.gets(&pod, "", &people::client_id("red"))?;
    scene.kubectl("label pod relabelled --namespace shop --overwrite aadpodidbinding=blue")?;
    let took = scene.gets(&pod, "", &people::client_id("blue"))?;
    no_records(scene, "red")?;
    Ok(figure("new identity after ms", took))
}

fn same_names(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let namespaces = ["shop", "depot"];
    let casts = namespaces
        .map(|namespace| objects::cast(namespace, "same", &format!("same-{namespace}"), "same"));
    scene.apply(&casts.concat())?;
    let pods = scene.pods(&namespaces.map(|namespace| Wanted {
        namespace,
        ..Wanted::bound("same", "node1", "same")
    }))?;
    for (pod, namespace) in pods.iter().zip(namespaces) {
        let own = people::client_id(&format!("same-{namespace}"));
        scene.gets(pod, "", &own)?;
    }
    Ok(Outcome::new())
}
