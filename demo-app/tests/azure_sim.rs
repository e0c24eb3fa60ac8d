//! The demonstration against azure-sim: the lines that the old tutorials show.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output, Stdio};

use podgate_testkit::{AzureSim, Compute, Fault, FaultKind, ManagedIdentity, SimConfig, Target};

const CLIENT_ID: &str = "11111111-1111-4111-8111-111111111111";

fn mk_config() -> SimConfig {
    let identity = ManagedIdentity {
        client_id: CLIENT_ID.into(),
        object_id: "0b1ec700-1111-4111-8111-111111111111".into(),
        resource_id: "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/demo".into(),
    };
    SimConfig {
        managed_identities: vec![identity],
        ..SimConfig::default()
    }
}

async fn mk_sim() -> AzureSim {
    AzureSim::start(mk_config()).await.unwrap()
}

/// One round, to its end.
async fn demo(sim: &AzureSim, arguments: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, sim.ca_pem()).unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_podgate-demo-app"));
    demo.args(["--once", "--imds-url", &sim.imds_url()])
        .args(["--arm-url", &sim.arm_url()])
        .arg("--ca-file")
        .arg(&ca)
        .args(arguments)
        .env("MY_POD_NAMESPACE", "default")
        .env("MY_POD_NAME", "demo")
        .env("MY_POD_IP", "10.244.1.7")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || demo.output().unwrap())
        .await
        .unwrap();
    let log = String::from_utf8(output.stdout.clone()).unwrap();
    (output, log)
}

/// What the lines say, without time and place.
fn messages(log: &str) -> Vec<&str> {
    let message = |line| str::split_once(line, ": ").map(|(_, message)| message);
    log.lines().filter_map(message).collect()
}

fn all_in(log: &str, lines: &[&str]) {
    for line in lines {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_third_generations_lines_are_there_and_no_usable_token_is() {
    let sim = mk_sim().await;
    let (output, log) = demo(&sim, &["--identity-client-id", CLIENT_ID]).await;
    assert!(output.status.success(), "{log}");
    let user = format!("from IMDS using a user-assigned identity ({CLIENT_ID})");
    all_in(
        &log,
        &[
            "/metadata/instance?api-version=2017-08-01\": {\"compute\"",
            "curl -H Metadata:true \"http://127.0.0.1:",
            &user,
            "Try decoding your token ey",
            " at https://jwt.io",
        ],
    );
    let shown = log.split("your token ").nth(1).unwrap();
    let shown = shown.split(' ').next().unwrap();
    assert!(sim.verify(shown).is_err(), "the log has a token to use");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_generations_lines_are_there() {
    let sim = mk_sim().await;
    let (_, log) = demo(&sim, &["--clientid", CLIENT_ID]).await;
    let endpoint = format!(
        "msiEndpoint({}/metadata/identity/oauth2/token)",
        sim.imds_url()
    );
    all_in(
        &log,
        &[
            "starting demo pod default/demo 10.244.1.7",
            &format!("successfully acquired a token using the MSI, {endpoint}"),
            &format!(
                "successfully acquired a token, userAssignedID MSI, {endpoint} clientID({CLIENT_ID})"
            ),
            "successfully made GET on instance metadata, {\"compute\"",
        ],
    );
}

/// azure-sim gives the same identity two different tokens, as nothing is cached between them and the program.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_differ_are_told_of_in_each_generations_words() {
    let sim = mk_sim().await;
    for (arguments, words) in [
        (vec!["--clientid", CLIENT_ID], "msi, emsi test failed"),
        (
            vec!["--generation=2", "--identity-client-id", CLIENT_ID],
            "Tokens acquired from IMDS with and without identity client ID do not match",
        ),
    ] {
        let (output, log) = demo(&sim, &arguments).await;
        assert!(!output.status.success());
        all_in(&log, &[words]);
    }
}

const GROUP: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute";

/// With a scale set and three virtual machines, of which a page has two.
async fn mk_group(readers: &[&str]) -> AzureSim {
    let compute = |name: &str| Compute {
        id: format!("{GROUP}/{name}"),
        location: "westeurope".into(),
        state: "Succeeded".into(),
        ..Compute::default()
    };
    let mut config = mk_config();
    config.arm.computes = [
        "virtualMachines/vm-1",
        "virtualMachines/vm-2",
        "virtualMachines/vm-3",
        "virtualMachineScaleSets/pool-1",
        "virtualMachineScaleSets/pool-2",
    ]
    .map(compute)
    .into();
    config.arm.page_size = Some(2);
    config.arm.readers = Some(readers.iter().map(|id| (*id).to_owned()).collect());
    AzureSim::start(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_are_counted_with_the_identitys_token_in_the_words_of_the_first_generation() {
    let sim = mk_group(&[CLIENT_ID]).await;
    let arguments = [
        "--clientid",
        CLIENT_ID,
        "--subscriptionid=s",
        "--resourcegroup=g",
    ];
    let (_, log) = demo(&sim, &arguments).await;
    let messages = messages(&log);
    for line in [
        "starting demo pod default/demo 10.244.1.7",
        "successfully doARMOperations vm count 3",
        "successfully counted VM from ARM: 3",
    ] {
        assert!(messages.contains(&line), "{line}: {log}");
    }
    let calls = sim.calls_to(Target::Arm);
    assert_eq!(calls.len(), 2, "two pages");
    assert_eq!(calls[0].path, format!("{GROUP}/virtualMachines"));
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_sets_are_named_in_the_words_of_the_second_generation() {
    let sim = mk_group(&[CLIENT_ID]).await;
    let arguments = [
        "--generation=2",
        "--identity-client-id",
        CLIENT_ID,
        "--subscription-id=s",
        "--resource-group=g",
    ];
    let (_, log) = demo(&sim, &arguments).await;
    let line = "successfully listed VMSS instances via ARM with AAD Pod Identity: [pool-1 pool-2]";
    assert!(messages(&log).contains(&line), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_without_the_role_is_told_what_arm_says() {
    let sim = mk_group(&[]).await;
    let arguments = [
        "--clientid",
        CLIENT_ID,
        "--subscriptionid=s",
        "--resourcegroup=g",
    ];
    let (output, log) = demo(&sim, &arguments).await;
    assert!(!output.status.success());
    all_in(
        &log,
        &[
            "failed to list virtualMachines of g",
            "status 403",
            "AuthorizationFailed",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_is_on_its_way_is_waited_for() {
    let sim = mk_sim().await;
    sim.fail(Fault::new(Target::Imds, FaultKind::throttled(1)).times(2));
    let (output, log) = demo(&sim, &["--identity-client-id", CLIENT_ID]).await;
    assert!(output.status.success(), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_at_once_with_its_reason() {
    let sim = mk_sim().await;
    let stranger = "99999999-1111-4111-8111-111111111111";
    let (output, log) = demo(&sim, &["--identity-client-id", stranger]).await;
    assert!(!output.status.success());
    all_in(
        &log,
        &[
            "Failed to acquire token from IMDS with identity client ID",
            "failed to refresh the service principal token, error",
            "status 400",
            "Identity not found",
        ],
    );
}
