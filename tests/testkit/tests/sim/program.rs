//! The program: its help, its configuration file, its start and its end.

use std::net::SocketAddr;
use std::process::Stdio;

use podgate_testkit::{AzureSim, Client, Resources, SimConfig};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::setup::*;

const EXAMPLE: &str = include_str!("../../azure-sim.example.yaml");

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azure-sim"));
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

#[tokio::test]
async fn it_prints_its_addresses_when_it_is_ready_and_writes_its_ca() {
    let folder = tempfile::tempdir().unwrap();
    let (config, ca) = (folder.path().join("sim.yaml"), folder.path().join("ca.pem"));
    std::fs::write(&config, EXAMPLE).unwrap();
    let mut child = program()
        .args([
            "--config",
            config.to_str().unwrap(),
            "--ca-file",
            ca.to_str().unwrap(),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready: serde_json::Value =
        serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    let imds: SocketAddr = ready["imds"]
        .as_str()
        .unwrap()
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    let answer = Client::new(imds).get(ASK, &[METADATA]).await.unwrap();
    assert_eq!(
        answer.json()["client_id"],
        "22222222-2222-4222-8222-222222222222",
        "the system-assigned one"
    );
    let port = url::Url::parse(ready["entra"].as_str().unwrap())
        .unwrap()
        .port()
        .unwrap();
    let ca = std::fs::read_to_string(ca).unwrap();
    let entra = Client::new(([127, 0, 0, 1], port).into()).https(&ca, "login.example");
    assert_eq!(
        entra
            .get("/contoso.example/discovery/keys", &[])
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn it_says_what_is_wrong_with_its_configuration_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sim.yaml");
    std::fs::write(&config, "managed_identity: []\n").unwrap();
    let output = program()
        .args(["--config", config.to_str().unwrap()])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("managed_identity"),
        "{said}"
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let sim = AzureSim::start(SimConfig::default()).await.unwrap();
    let config = SimConfig {
        imds_listen: sim.imds_addr(),
        ..SimConfig::default()
    };
    let why = AzureSim::start(config).await.err().unwrap().to_string();
    assert!(
        why.contains(&sim.imds_addr().to_string()) && why.contains("port 0"),
        "{why}"
    );
}

#[tokio::test]
async fn a_simulation_that_is_dropped_frees_its_ports() {
    let sim = sim().await;
    let address = sim.imds_addr();
    drop(sim);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while Client::new(address).get(ASK, &[METADATA]).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn its_help_documents_the_admin_api_and_every_key_of_the_configuration() {
    let output = program().arg("--help").output().await.unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for path in [
        "calls",
        "faults",
        "identities",
        "applications",
        "limits",
        "token-lifetime",
        "ca.pem",
    ] {
        assert!(help.contains(&format!("/admin/{path}")), "{path}");
    }
    let keys = EXAMPLE
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, _)| key);
    for key in keys.filter(|key| {
        key.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    }) {
        assert!(help.contains(key), "{key}");
    }
}

#[test]
fn the_readme_documents_the_admin_api_as_the_help_does() {
    let help = include_str!("../../src/bin/azure-sim.help.txt");
    assert!(
        include_str!("../../README.md").contains(help),
        "copy the help's text into the README"
    );
}

#[test]
fn the_example_is_read_and_nothing_at_all_is_the_default() {
    let config = SimConfig::from_yaml(EXAMPLE).unwrap();
    assert_eq!(
        (config.managed_identities.len(), config.applications.len()),
        (2, 1)
    );
    assert_eq!(config.applications[0].trusted_issuers.len(), 1);
    assert!(matches!(config.resources, Resources::Only(known) if known.len() == 2));
    assert_eq!(
        SimConfig::from_yaml("# nothing\n").unwrap().resources,
        Resources::Any
    );
}
