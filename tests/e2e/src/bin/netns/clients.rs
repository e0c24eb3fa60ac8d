//! Real clients inside pods: curl, and the official SDKs at the fixed address that they know.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use podgate_e2e::demo::{ARCHIVE, LEDGER, WEB, WORKER};
use podgate_e2e::node::{Outcome, RunningPod};
use podgate_e2e::stage::VAULT;
use serde_json::Value;

use crate::Promise;
use crate::scene::Scene;
use crate::tokens::resource;

pub(crate) const PROMISES: [Promise; 7] = [
    ("curl gets a token", curl),
    ("the Python SDK gets each kind of token", |scene| {
        sdk(scene, "python")
    }),
    ("the JavaScript SDK gets each kind of token", |scene| {
        sdk(scene, "js")
    }),
    ("the Java SDK gets each kind of token", |scene| {
        sdk(scene, "java")
    }),
    ("the Go SDK gets each kind of token", |scene| {
        sdk(scene, "go")
    }),
    ("az login --identity works and gets a token", az),
    ("the Rust SDK gets each kind of token", |scene| {
        sdk(scene, "rust")
    }),
];

fn curl(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("curl", "web")?;
    let url = format!(
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&{}",
        resource()
    );
    let mut curl = pod.network.namespace.command("curl");
    let output = curl
        .args(["-sS", "--max-time", "20", "-H", "Metadata:true", &url])
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let token = answer["access_token"].as_str().context("access_token")?;
    ensure!(scene.stage.sim.verify(token)?.appid == WEB);
    scene.stage.delete(pod)?;
    Ok(Outcome::new())
}

/// One process per request, as the SDKs cache tokens process-wide.
fn sdk(scene: &mut Scene, language: &str) -> Result<Outcome> {
    let client = client(language)?;
    let mut slowest = 0.0_f64;
    for (selector, client_id) in [("web", WEB), ("worker", WORKER), ("ledger", LEDGER)] {
        let pod = scene.bound_pod(&format!("{language}-{selector}"), selector)?;
        slowest = slowest.max(token(scene, &client, &pod, &[], client_id)?);
        slowest = slowest.max(token(
            scene,
            &client,
            &pod,
            &["--client-id", client_id],
            client_id,
        )?);
        let refused = ask(scene, &client, &pod, &["--client-id", ARCHIVE])?;
        ensure!(
            refused["ok"] == false,
            "another's identity was given: {refused}"
        );
        scene.stage.delete(pod)?;
    }
    Ok([("slowest ms", slowest)].into())
}

/// The CLI signs in to ARM, whose tokens are a managed identity's of the tenant.
fn az(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("az", "web")?;
    let took = token(scene, &client("az")?, &pod, &["--client-id", WEB], WEB)?;
    scene.stage.delete(pod)?;
    Ok([("ms", took)].into())
}

/// Asserts that the SDK gets the token of this identity; milliseconds of the call.
fn token(
    scene: &Scene,
    client: &Path,
    pod: &RunningPod,
    flags: &[&str],
    client_id: &str,
) -> Result<f64> {
    let answer = ask(scene, client, pod, flags)?;
    ensure!(answer["ok"] == true, "{answer}");
    let token = answer["token"].as_str().context("token")?;
    ensure!(
        scene.stage.sim.verify(token)?.appid == client_id,
        "{answer}"
    );
    answer["elapsed_ms"].as_f64().context("elapsed_ms")
}

/// Without the variables by which an SDK would look elsewhere than at the fixed address.
fn ask(scene: &Scene, client: &Path, pod: &RunningPod, flags: &[&str]) -> Result<Value> {
    let start = Instant::now();
    let mut command: Command = pod.network.namespace.command("env");
    command.args(["-i", "HOME=/tmp", "PATH=/usr/local/bin:/usr/bin:/bin"]);
    let stage = &scene.stage;
    command.arg(format!("PODGATE_TEST_LOGIN={}", stage.sim.entra_url()));
    command.arg(format!(
        "PODGATE_TEST_RESOURCE_MANAGER={}",
        stage.sim.arm_url()
    ));
    command.arg(format!(
        "REQUESTS_CA_BUNDLE={}",
        stage.file("ca.pem").display()
    ));
    if let Some(java) = std::env::var_os("JAVA_HOME") {
        command.arg(format!("JAVA_HOME={}", java.to_string_lossy()));
    }
    command
        .arg(client)
        .args(["--scope", &format!("{VAULT}/.default"), "--deadline", "60"])
        .args(flags);
    let output = command.output()?;
    let line = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(line.trim()).with_context(|| {
        format!(
            "after {:?}: {line} {}",
            start.elapsed(),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// The Rust one is built with the tests; the others are installed by `cargo xtask clients`.
fn client(language: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("the target folder")?;
    let path = match language {
        "rust" => program.with_file_name("rust-client"),
        _ => target.join("clients").join(language).join("client"),
    };
    if !path.exists() {
        bail!(
            "{} is not there; run it by `cargo xtask test --only netns`",
            path.display()
        );
    }
    Ok(path)
}
