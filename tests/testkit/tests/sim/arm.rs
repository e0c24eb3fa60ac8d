//! ARM: who is let in, what is understood, what is refused, what it costs, and what comes of it.

mod changes;
mod effects;
mod fleet;
mod lists;
mod requests;
mod time;

use std::net::SocketAddr;
use std::time::Duration;

use podgate_testkit::{
    Answer, AzureSim, Client, Compute, HandChange, ManagedIdentity, SimConfig, SystemIdentity,
    Target,
};
use serde_json::{Value, json};

use crate::setup::*;

pub(super) const VERSION: &str = "2024-07-01";

pub(super) fn scale_set() -> String {
    "/subscriptions/s/resourceGroups/G/providers/Microsoft.Compute/virtualMachineScaleSets/np"
        .into()
}

pub(super) fn identity(name: &str) -> String {
    format!(
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
}

pub(super) fn config() -> SimConfig {
    let mut config = SimConfig {
        tenant: TENANT.into(),
        managed_identities: vec![reader()],
        applications: vec![application()],
        limits: generous(),
        ..SimConfig::default()
    };
    config.arm.operation_ms = 0;
    config.arm.identities = vec![reader(), writer()];
    config.arm.computes = vec![Compute {
        id: scale_set(),
        location: "westeurope".into(),
        state: "Succeeded".into(),
        ..Compute::default()
    }];
    config
}

pub(super) async fn start(config: SimConfig) -> AzureSim {
    AzureSim::start(config).await.unwrap()
}

pub(super) fn arm(sim: &AzureSim) -> Client {
    let port = url::Url::parse(&sim.arm_url()).unwrap().port().unwrap();
    Client::new(SocketAddr::from(([127, 0, 0, 1], port))).https(sim.ca_pem(), "localhost")
}

/// A bearer token for ARM, by IMDS.
pub(super) async fn bearer(sim: &AzureSim) -> String {
    bearer_for(sim, "https://management.azure.com/").await
}

pub(super) async fn bearer_for(sim: &AzureSim, resource: &str) -> String {
    let id = &reader().client_id;
    let path = format!(
        "/metadata/identity/oauth2/token?api-version=2018-02-01&client_id={id}&resource={resource}"
    );
    let answer = ask_imds(sim, &path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    format!("Bearer {}", answer.json()["access_token"].as_str().unwrap())
}

pub(super) async fn get(sim: &AzureSim, path: &str) -> Answer {
    let bearer = bearer(sim).await;
    let path = format!("{path}?api-version={VERSION}");
    arm(sim)
        .get(&path, &[("Authorization", &bearer)])
        .await
        .unwrap()
}

pub(super) async fn patch(sim: &AzureSim, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let bearer = bearer(sim).await;
    let path = format!("{}?api-version={VERSION}", scale_set());
    let own = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let headers = [&own[..], headers].concat();
    arm(sim)
        .request("PATCH", &path, &headers, body.to_string().as_bytes())
        .await
        .unwrap()
}

/// `{"identity": …}` of this type, with these additions and removals.
pub(super) fn body(kind: &str, add: &[String], remove: &[String]) -> Value {
    let add = add.iter().map(|id| (id.clone(), json!({})));
    let list: serde_json::Map<_, _> = add
        .chain(remove.iter().map(|id| (id.clone(), Value::Null)))
        .collect();
    match list.is_empty() {
        true => json!({"identity": {"type": kind}}),
        false => json!({"identity": {"type": kind, "userAssignedIdentities": list}}),
    }
}

pub(super) fn on_it(sim: &AzureSim) -> Vec<String> {
    sim.compute(&scale_set()).unwrap().identities
}

#[track_caller]
pub(super) fn assert_refused(answer: &Answer, status: u16, code: &str, message: &str) {
    let error = &answer.json()["error"];
    assert_eq!(
        (answer.status, error["code"].as_str()),
        (status, Some(code)),
        "{}",
        answer.text()
    );
    let said = error["message"].as_str().unwrap();
    assert!(said.contains(message), "expected '{message}' in '{said}'");
}

pub(super) fn by_hand(sim: &AzureSim, add: &[String], remove: &[String]) {
    let change = HandChange {
        compute: scale_set(),
        add: add.to_vec(),
        remove: remove.to_vec(),
    };
    assert!(sim.change_by_hand(&change));
}

/// Waits for a condition, with a deadline.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The system-assigned identity of the scale set.
pub(super) fn system() -> SystemIdentity {
    SystemIdentity {
        client_id: system_assigned().client_id,
        object_id: system_assigned().object_id,
    }
}

pub(super) fn named(name: &str) -> ManagedIdentity {
    ManagedIdentity {
        resource_id: identity(name),
        ..writer()
    }
}

pub(super) fn arm_calls(sim: &AzureSim) -> Vec<podgate_testkit::Call> {
    sim.calls_to(Target::Arm)
}
