//! Microsoft's own ARM client and credentials (Go: armcompute, azidentity) against azure-sim, and the former against
//! its own fake: an independent check that azure-sim answers as they expect of Azure, long-running operations included.
//!
//! `cargo xtask test --only clients-go` builds the program and runs these tests.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use podgate_testkit::{
    Application, ArmBucket, ArmLimit, AzureSim, Call, Certificate, Client, Compute,
    FederatedCredential, IssuerKeys, ManagedIdentity, ServedKeys, SimConfig, SystemIdentity,
    Target, pki,
};
use serde_json::{Value, json};
use tokio::process::Command;

const SUBSCRIPTION: &str = "5ab50000-0000-4000-8000-000000000001";

const TENANT: &str = "7a1e0000-0000-4000-8000-00000000feed";
const APPLICATION: &str = "c1000000-0000-4000-8000-000000000001";
const SECRET: &str = "s3cr3t~of.the+app";

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
        tenant: TENANT.into(),
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

/// As whom azidentity signs in.
#[derive(Clone, Copy)]
enum By<'a> {
    ManagedIdentity,
    Secret,
    Certificate,
    WorkloadIdentity(&'a str),
}

/// As the node's managed identity.
async fn run_against(sim: &AzureSim, steps: &[Value]) -> Vec<Value> {
    run_as(sim, steps, By::ManagedIdentity).await
}

async fn run_as(sim: &AzureSim, steps: &[Value], by: By<'_>) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = write("ca.pem", sim.ca_pem());
    let (arm, login, imds) = (sim.arm_url(), sim.entra_url(), sim.imds_addr().to_string());
    let at = [
        "--arm", &arm, "--login", &login, "--imds", &imds, "--ca", &ca,
    ];
    let managed = known("controller").client_id;
    let (kind, client, file) = match by {
        By::ManagedIdentity => ("managed-identity", managed.as_str(), String::new()),
        By::Secret => ("secret", APPLICATION, String::new()),
        By::Certificate => (
            "certificate",
            APPLICATION,
            write("key.pem", &pki::issued().pem()),
        ),
        By::WorkloadIdentity(token) => ("workload-identity", APPLICATION, write("token", token)),
    };
    let who = [
        "--credential",
        kind,
        "--tenant",
        TENANT,
        "--client-id",
        client,
        "--file",
        &file,
    ];
    let variables: &[(&str, &str)] = match by {
        By::Secret => &[("AZURE_CLIENT_SECRET", SECRET)],
        _ => &[],
    };
    run(steps, &[&at[..], &who[..]].concat(), variables).await
}

/// A cluster's issuer of tokens: another simulation, whose OpenID discovery is over https.
struct Issuer {
    sim: AzureSim,
    token: String,
}

impl Issuer {
    async fn start() -> Self {
        let config = SimConfig {
            managed_identities: vec![known("workload")],
            ..SimConfig::default()
        };
        let sim = AzureSim::start(config).await.unwrap();
        let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://AzureADTokenExchange";
        let answer = Client::new(sim.imds_addr())
            .get(path, &[("Metadata", "true")])
            .await
            .unwrap();
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        Self { sim, token }
    }

    fn trusted(&self) -> FederatedCredential {
        let claims = self.sim.verify(&self.token).unwrap();
        let ca = Certificate::from_pem(self.sim.ca_pem()).unwrap();
        let keys = IssuerKeys::Served(ServedKeys {
            at: None,
            ca: Some(ca),
        });
        FederatedCredential::new(claims.iss, claims.sub, keys)
    }
}

fn application(federated_credentials: Vec<FederatedCredential>) -> Application {
    Application {
        tenant: TENANT.into(),
        client_id: APPLICATION.into(),
        secrets: vec![SECRET.into()],
        certificates: vec![pki::issued().certificate().clone()],
        federated_credentials,
        ..Application::default()
    }
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

#[tokio::test]
#[ignore = "needs `cargo xtask clients`; `cargo xtask test --only clients-go` does both"]
async fn microsoft_s_client_changes_a_scale_set_by_each_of_microsoft_s_credentials() {
    let issuer = Issuer::start().await;
    for by in [
        By::ManagedIdentity,
        By::Secret,
        By::Certificate,
        By::WorkloadIdentity(&issuer.token),
    ] {
        let sim = AzureSim::start(config()).await.unwrap();
        sim.add_application(application(vec![issuer.trusted()]));
        let steps = [look("vmss"), change("vmss", "UserAssigned", &["a"], &[])];
        let outcomes = run_as(&sim, &steps, by).await;
        assert_eq!(outcomes, [bare(), shown("UserAssigned", &["a"])]);
        let calls = sim.calls();
        assert!(calls.iter().all(|call| call.refusal.is_none()), "{calls:?}");
        let asked: Vec<&Call> = calls.iter().filter(|call| is_for_a_token(call)).collect();
        assert_eq!(asked.len(), 1, "{calls:?}");
        if !matches!(by, By::ManagedIdentity) {
            assert_asked_as_msal_does(asked[0]);
        }
    }
}

fn is_for_a_token(call: &Call) -> bool {
    call.path.ends_with("/token")
}

/// What azure-sim must take, because MSAL sends it with each request.
fn assert_asked_as_msal_does(call: &Call) {
    let scope = "https://management.azure.com/.default openid offline_access profile";
    assert_eq!(call.parameter("scope").as_deref(), Some(scope), "{call:?}");
    let claims = call.parameter("claims").unwrap();
    assert!(
        claims.contains(r#""xms_cc":{"values":["CP1"]}"#),
        "{claims}"
    );
}

#[tokio::test]
#[ignore = "needs `cargo xtask clients`; `cargo xtask test --only clients-go` does both"]
async fn microsoft_s_credentials_understand_why_entra_refuses_them() {
    let issuer = Issuer::start().await;
    let mut other = issuer.trusted();
    other.subject = "system:serviceaccount:other:other".into();
    let mut sim_config = config();
    sim_config.applications = vec![Application {
        secrets: vec!["another".into()],
        certificates: Vec::new(),
        ..application(vec![other])
    }];
    let sim = AzureSim::start(sim_config).await.unwrap();
    for (by, number) in [
        (By::Secret, "AADSTS7000215"),
        (By::Certificate, "AADSTS700027"),
        (By::WorkloadIdentity(&issuer.token), "AADSTS700213"),
    ] {
        let outcome = run_as(&sim, &[look("vmss")], by).await.remove(0);
        assert_eq!(outcome["ok"], false);
        let message = outcome["message"].as_str().unwrap();
        assert!(message.contains(number), "expected {number} in {message}");
    }
    assert_eq!(sim.calls_to(Target::Arm).len(), 0);
}

#[tokio::test]
#[ignore = "needs `cargo xtask clients`; `cargo xtask test --only clients-go` does both"]
async fn an_operation_that_was_preempted_is_a_failure_to_microsoft_s_client() {
    let mut config = config();
    config.arm.operation_ms = 60_000;
    let sim = AzureSim::start(config).await.unwrap();
    let set = sim.computes().remove(1).id;
    assert!(set.contains("virtualMachineScaleSets"));
    let steps = [change("vmss", "UserAssigned", &["a"], &[])];
    let preempting = async {
        while sim.compute(&set).unwrap().state != "Updating" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(sim.preempt(&set));
    };
    let (outcomes, ()) = tokio::join!(run_against(&sim, &steps), preempting);
    assert_eq!(outcomes[0]["code"], "OperationPreempted", "{outcomes:#?}");
}
