//! The floor: a bare client that writes as many records, as many at a time, and does nothing else.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kube::api::{Api, Patch, PatchParams, PostParams};
use podgate_api::AzureAssignedIdentity;
use podgate_testkit::client_of;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::process::Command;

use super::stage::{Stage, create_namespace, each};
use crate::bench::proc;

/// Where it writes.
const NAMESPACE: &str = "floor";
/// What the controller writes at a time, `--createDeleteBatch`.
const AT_A_TIME: usize = 20;

/// What the writes cost.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Cost {
    /// From the first to the last one.
    pub(super) took: Duration,
    /// Processor time of the whole process.
    pub(super) cpu: Duration,
}

/// Writes of each kind that it makes at the most. More are counted as so many times as many, which is what they cost, and
/// takes a minute less.
const MOST: usize = 4_000;

/// Has a process of its own write: it creates so many records, then sets the state of so many of them.
pub(super) async fn measure(stage: &Stage, records: usize, changes: usize) -> Result<Cost> {
    let share = (MOST as f64 / records.max(1) as f64).min(1.0);
    let of = |number: usize| (number as f64 * share).round() as usize;
    let cost = written_apart(stage, of(records), of(changes)).await?;
    Ok(Cost {
        took: cost.took.div_f64(share),
        cpu: cost.cpu.div_f64(share),
    })
}

async fn written_apart(stage: &Stage, records: usize, changes: usize) -> Result<Cost> {
    create_namespace(&stage.kube, NAMESPACE).await?;
    let output = Command::new(std::env::current_exe()?)
        .arg("write")
        .arg(stage.kubeconfig())
        .arg(records.to_string())
        .arg(changes.to_string())
        .kill_on_drop(true)
        .output()
        .await?;
    let told = String::from_utf8_lossy(&output.stdout);
    let trouble = || String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(&told).with_context(trouble)
}

/// What that process does. It prints what it cost.
pub async fn write(kubeconfig: PathBuf, records: usize, changes: usize) -> Result<()> {
    let cost = written(&kubeconfig, records, changes).await?;
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

async fn written(kubeconfig: &Path, records: usize, changes: usize) -> Result<Cost> {
    let kube = client_of(&std::fs::read_to_string(kubeconfig)?).await?;
    let api: Api<AzureAssignedIdentity> = Api::namespaced(kube, NAMESPACE);
    let begun = Instant::now();
    let creating = api.clone();
    each((0..records).collect(), AT_A_TIME, move |number| {
        let api = creating.clone();
        async move {
            api.create(&PostParams::default(), &record(number)?).await?;
            Ok(())
        }
    })
    .await?;
    each((0..changes).collect(), AT_A_TIME, move |number| {
        let api = api.clone();
        async move {
            let assigned = Patch::Merge(json!({"status": {"status": "Assigned"}}));
            api.patch(
                &format!("record{number}"),
                &PatchParams::default(),
                &assigned,
            )
            .await?;
            Ok(())
        }
    })
    .await?;
    Ok(Cost {
        took: begun.elapsed(),
        cpu: proc::cpu(std::process::id())?,
    })
}

/// As long as the controller's are.
fn record(number: usize) -> Result<AzureAssignedIdentity> {
    let identity = format!(
        "/subscriptions/5ab50000-0000-4000-8000-00000000f1ee/resourceGroups/identities/providers/\
         Microsoft.ManagedIdentity/userAssignedIdentities/id-{number:04}"
    );
    let origin = |name: &str| {
        json!({"name": name, "namespace": "shop", "resourceVersion": "1234",
            "uid": "6a1f6d1e-5a55-4d0e-8f7e-6a4f3a1b2c3d"})
    };
    Ok(serde_json::from_value(json!({
        "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureAssignedIdentity",
        "metadata": {"name": format!("record{number}"), "labels": {"nodename": "aks-np000-vmss000000"},
            "finalizers": ["azureassignedidentity.finalizers.aadpodidentity.k8s.io"]},
        "spec": {
            "azureIdentityRef": {"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
                "metadata": origin("web1"), "spec": {"type": 0, "resourceID": identity,
                "clientID": "1d000000-0000-4000-8000-000000000001"}},
            "azureBindingRef": {"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentityBinding",
                "metadata": origin("web1"), "spec": {"azureIdentity": "web1", "selector": "web1"}},
            "pod": "pod1", "podNamespace": "shop", "nodename": "aks-np000-vmss000000",
        },
        "status": {"status": "Created"},
    }))?)
}
