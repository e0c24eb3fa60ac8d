//! Microsoft's own ARM client (Go: armcompute) against azure-sim, and against its own fake: an
//! independent check that azure-sim answers as that client expects of Azure, long-running operations included.
//!
//! `cargo xtask test --only clients-go` builds the program and runs these tests.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use podgate_testkit::{
    ArmBucket, ArmLimit, AzureSim, Call, Client, Compute, ManagedIdentity, SimConfig,
    SystemIdentity, Target,
};
use serde_json::{Value, json};
use tokio::process::Command;

const SUBSCRIPTION: &str = "5ab50000-0000-4000-8000-000000000001";

/// Two operations with polls a second apart, twice over, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn compute(kind: &str, system_assigned: Option<SystemIdentity>) -> Compute {
    Compute {
        id: format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/MC_g/providers/Microsoft.Compute/{kind}/np"
        ),
        location: "westeurope".into(),
        state: "Succeeded".into(),
        system_assigned,
        ..Compute::default()
    }
}

fn identity(name: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourcegroups/app/providers/microsoft.managedidentity/userassignedidentities/{name}"
    )
}

fn config() -> SimConfig {
    let mut config = SimConfig {
        managed_identities: vec![known("controller")],
        ..SimConfig::default()
    };
    config.arm.operation_ms = 300;
    config.arm.retry_after_seconds = Some(1);
    config.arm.computes = vec![
        compute("virtualMachineScaleSets", None),
        compute("virtualMachines", None),
    ];
    config.arm.identities = ["a", "b"].map(known).to_vec();
    config
}

fn known(name: &str) -> ManagedIdentity {
    ManagedIdentity {
        client_id: format!("client-{name}"),
        object_id: format!("object-{name}"),
        resource_id: identity(name),
    }
}

fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients/go/bin/arm");
    assert!(
        path.is_file(),
        "{} is not there: `cargo xtask clients` builds it",
        path.display()
    );
    path
}

/// A look.
fn look(kind: &str) -> Value {
    json!({"kind": kind, "group": "MC_g", "name": "np"})
}

/// A change to this type, with these additions and removals.
fn change(kind: &str, identity_type: &str, add: &[&str], remove: &[&str]) -> Value {
    let list = |names: &[&str]| names.iter().map(|name| identity(name)).collect::<Vec<_>>();
    let mut step = look(kind);
    step["type"] = json!(identity_type);
    step["add"] = json!(list(add));
    step["remove"] = json!(list(remove));
    step
}

fn under_if_match(mut step: Value) -> Value {
    step["if_match"] = json!(true);
    step
}

/// What the official client says of each step.
async fn run(steps: &[Value], arguments: &[&str], variables: &[(&str, &str)]) -> Vec<Value> {
    let mut command = Command::new(program());
    command
        .args(["--subscription", SUBSCRIPTION, "--steps"])
        .arg(Value::from(steps).to_string())
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .kill_on_drop(true)
        .stdin(Stdio::null());
    let output = tokio::time::timeout(DEADLINE, command.output())
        .await
        .expect("the program ends in time")
        .unwrap();
    let (said, complained) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{complained}");
    let outcomes: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(outcomes.len(), steps.len());
    outcomes
}

async fn run_against(sim: &AzureSim, steps: &[Value]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, sim.ca_pem()).unwrap();
    let (arm, token) = (sim.arm_url(), token(sim).await);
    let arguments = ["--arm", &arm, "--ca", ca.to_str().unwrap()];
    run(steps, &arguments, &[("ARM_TOKEN", &token)]).await
}

/// The controller's token for ARM, by the simulation's IMDS.
async fn token(sim: &AzureSim) -> String {
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/";
    let answer = Client::new(sim.imds_addr())
        .get(path, &[("Metadata", "true")])
        .await
        .unwrap();
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn shown(identity_type: &str, names: &[&str]) -> Value {
    let names: Vec<String> = names.iter().map(|name| identity(name)).collect();
    json!({"ok": true, "type": identity_type, "identities": names, "has_etag": true})
}

fn bare() -> Value {
    json!({"ok": true, "has_etag": true})
}

/// Additions, a removal, and the last one by its type.
fn life(kind: &str) -> Vec<Value> {
    vec![
        look(kind),
        change(kind, "UserAssigned", &["a"], &[]),
        change(kind, "UserAssigned", &["b"], &["a"]),
        look(kind),
        under_if_match(change(kind, "None", &[], &[])),
        look(kind),
    ]
}

fn life_shown() -> Vec<Value> {
    vec![
        bare(),
        shown("UserAssigned", &["a"]),
        shown("UserAssigned", &["b"]),
        shown("UserAssigned", &["b"]),
        bare(),
        bare(),
    ]
}

fn polls(calls: &[Call]) -> usize {
    calls
        .iter()
        .filter(|call| call.path.contains("/operations/"))
        .count()
}

#[tokio::test]
#[ignore = "needs `cargo xtask clients`; `cargo xtask test --only clients-go` does both"]
async fn microsoft_s_client_sees_the_same_of_azure_sim_as_of_its_own_fake() {
    for kind in ["vmss", "vm"] {
        let sim = AzureSim::start(config()).await.unwrap();
        let of_the_sim = run_against(&sim, &life(kind)).await;
        let of_the_fake = run(&life(kind), &["--fake"], &[]).await;
        assert_eq!(of_the_sim, life_shown(), "{kind}");
        assert_eq!(of_the_fake, life_shown(), "{kind}");
        let calls = sim.calls_to(Target::Arm);
        assert!(
            polls(&calls) >= 3,
            "three operations were followed: {calls:?}"
        );
        assert!(calls.iter().all(|call| call.refusal.is_none()), "{calls:?}");
    }
}

#[tokio::test]
#[ignore = "needs `cargo xtask clients`; `cargo xtask test --only clients-go` does both"]
async fn microsoft_s_client_understands_each_refusal_of_azure_sim() {
    let mut config = config();
    config.arm.unassignable = vec![identity("b")];
    config.arm.buckets = [(
        ArmLimit::MachineGet,
        ArmBucket {
            capacity: 1,
            per_minute: 1,
        },
    )]
    .into();
    let sim = AzureSim::start(config).await.unwrap();
    let mut nobody = look("vmss");
    nobody["name"] = json!("gone");
    let steps = [
        nobody,
        change("vmss", "UserAssigned", &["ghost"], &[]),
        change("vmss", "UserAssigned", &["b"], &[]),
        change("vmss", "UserAssigned", &["a"], &["b"]),
        look("vm"),
        look("vm"),
    ];
    let outcomes = run_against(&sim, &steps).await;
    let refusals: Vec<_> = outcomes
        .iter()
        .map(|one| (&one["status"], &one["code"]))
        .collect();
    let expected = [
        (json!(404), json!("ResourceNotFound")),
        (json!(400), json!("FailedIdentityOperation")),
        (json!(403), json!("LinkedAuthorizationFailed")),
        (json!(400), json!("InvalidParameter")),
        (Value::Null, Value::Null),
        (json!(429), json!("OperationNotAllowed")),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(status, code)| (status, code))
        .collect();
    assert_eq!(refusals, expected, "{outcomes:#?}");
}

#[tokio::test]
#[ignore = "needs `cargo xtask clients`; `cargo xtask test --only clients-go` does both"]
async fn an_operation_that_fails_is_a_failure_to_microsoft_s_client() {
    let sim = AzureSim::start(config()).await.unwrap();
    let kind = podgate_testkit::FaultKind::OperationFails {
        code: "InternalExecutionError".into(),
        message: "An internal execution error occurred.".into(),
        adds: 0,
    };
    sim.fail(
        podgate_testkit::Fault::new(Target::Arm, kind)
            .for_method("PATCH")
            .once(),
    );
    let outcomes = run_against(&sim, &[change("vmss", "UserAssigned", &["a"], &[])]).await;
    assert_eq!(outcomes[0]["ok"], false);
    assert_eq!(
        outcomes[0]["code"], "InternalExecutionError",
        "{outcomes:#?}"
    );
}
