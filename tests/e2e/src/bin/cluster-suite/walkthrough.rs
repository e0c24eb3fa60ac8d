//! The old tutorials, word for word but for the names of the images.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use podgate_e2e::demo::WEB;
use podgate_e2e::node::Outcome;

use crate::Promise;
use crate::helm::RELEASE;
use crate::objects;
use crate::scene::Scene;

/// The case without which there are no others.
pub(crate) const INSTALLS: &str = "helm installs the chart, and every node gets its rules";

pub(crate) const PROMISES: [Promise; 4] = [
    (INSTALLS, installed),
    ("the demo of the newest tutorials logs its lines", newest),
    (
        "the demo of the tutorials in between logs its lines",
        between,
    ),
    ("the demo of the oldest tutorials logs its lines", oldest),
];

const ENDPOINT: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

fn installed(scene: &mut Scene) -> Result<Outcome> {
    let start = Instant::now();
    let notes = scene.helm.install(&[])?;
    let took = start.elapsed();
    ensure!(notes.contains("managed mode"), "{notes}");
    for node in &scene.nodes {
        let rules = scene.on(node, "nft list table inet podgate")?;
        ensure!(rules.contains("169.254.169.254"), "{node}: {rules}");
    }
    scene.apply(&objects::identities())?;
    let gateways = gateways(scene)?;
    ensure!(
        gateways == scene.nodes.len(),
        "{gateways} gateways are ready"
    );
    Ok([("helm install ms", took.as_secs_f64() * 1e3)].into())
}

/// How many are ready.
fn gateways(scene: &Scene) -> Result<usize> {
    let set = scene.get(&format!(
        "daemonset {RELEASE}-gateway --namespace {RELEASE}"
    ))?;
    let ready = set["status"]["numberReady"].as_u64();
    Ok(usize::try_from(ready.context("numberReady")?)?)
}

/// The one that users meet.
pub(crate) fn newest(scene: &mut Scene) -> Result<Outcome> {
    let arguments = ["--identity-client-id", WEB];
    let user = format!(
        "successfully acquired a service principal token from IMDS using a user-assigned identity ({WEB})"
    );
    let lines = [
        "curl -H Metadata:true \"http://169.254.169.254/metadata/instance?api-version=2017-08-01\": {\"compute\"",
        &user,
        "Try decoding your token ",
        " at https://jwt.io",
    ];
    logs(scene, "demo-newest", &arguments, &lines)
}

fn between(scene: &mut Scene) -> Result<Outcome> {
    let arguments = ["--generation=2", "--identity-client-id", WEB];
    let first = format!("successfully acquired a service principal token from {ENDPOINT}");
    let lines = [first.as_str(), "Try decoding your token "];
    logs(scene, "demo-between", &arguments, &lines)
}

fn oldest(scene: &mut Scene) -> Result<Outcome> {
    let arguments = ["--clientid", WEB];
    let lines = [
        "starting demo pod shop/demo-oldest 10.244.",
        &format!("successfully acquired a token using the MSI, msiEndpoint({ENDPOINT})"),
        &format!(
            "successfully acquired a token, userAssignedID MSI, msiEndpoint({ENDPOINT}) clientID({WEB})"
        ),
        "successfully made GET on instance metadata, {\"compute\"",
    ];
    logs(scene, "demo-oldest", &arguments, &lines)
}

/// The demo's first round has these lines, and no error.
fn logs(scene: &Scene, name: &str, arguments: &[&str], lines: &[&str]) -> Result<Outcome> {
    scene.installed()?;
    scene.apply(&[objects::demo(name, arguments)])?;
    let log = || scene.kubectl(&format!("logs {name} --namespace shop"));
    let all = || log().map(|log| lines.iter().all(|line| log.contains(line)));
    let told = scene.until("the lines", all);
    let text = log().unwrap_or_default();
    let took = told.with_context(|| text.clone())?;
    ensure!(!text.contains("ERROR"), "{text}");
    scene.kubectl(&format!("delete pod {name} --namespace shop --now"))?;
    Ok([("from apply to lines ms", took.as_secs_f64() * 1e3)].into())
}
