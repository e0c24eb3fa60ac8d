//! The old tutorials, word for word but for the names of the images.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use podgate_e2e::demo::WEB;
use podgate_e2e::node::Outcome;

use crate::acts::{Alone, Beside};
use crate::azure::{GROUP, SUBSCRIPTION};
use crate::objects;
use crate::pods::figure;
use crate::scene::Scene;
use crate::started;

/// The case without which there are no others.
pub(crate) const INSTALLED: Alone = (
    "helm installs the chart, and every node gets its rules",
    installed,
);
pub(crate) const NEWEST: Beside = ("the demo of the newest tutorials logs its lines", newest);
pub(crate) const BETWEEN: Beside = (
    "the demo of the tutorials in between logs its lines, and names the scale sets",
    between,
);
pub(crate) const OLDEST: Beside = (
    "the demo of the oldest tutorials logs its lines, and counts the virtual machines",
    oldest,
);

const ENDPOINT: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// On nodes with the startup taint, and with pods that wait for it.
fn installed(scene: &mut Scene) -> Result<Outcome> {
    started::wait_for_the_taint(scene)?;
    let start = Instant::now();
    let notes = scene.helm.install(&["startupTaint.enabled=true"])?;
    let took = start.elapsed();
    ensure!(notes.contains("managed mode"), "{notes}");
    for node in &scene.nodes {
        let rules = scene.on(node, "nft list table inet podgate")?;
        ensure!(rules.contains("169.254.169.254"), "{node}: {rules}");
    }
    scene.installed()?;
    Ok(figure("helm install ms", took))
}

/// The one that users meet.
fn newest(scene: &Scene) -> Result<Outcome> {
    newest_as(scene, "demo-newest")
}

pub(crate) fn newest_as(scene: &Scene, name: &str) -> Result<Outcome> {
    let lines = [
        "curl -H Metadata:true \"http://169.254.169.254/metadata/instance?api-version=2017-08-01\": {\"compute\"*}",
        &format!(
            "successfully acquired a service principal token from IMDS using a user-assigned identity ({WEB})"
        ),
        "Try decoding your token eyJ* at https://jwt.io",
    ];
    logs(scene, name, &["--identity-client-id", WEB], &lines)
}

fn between(scene: &Scene) -> Result<Outcome> {
    let arm = scene.azure.arm_url();
    let lines = [
        "successfully listed VMSS instances via ARM with AAD Pod Identity: [pool]",
        &format!("successfully acquired a service principal token from {ENDPOINT}"),
        &format!(
            "successfully acquired a service principal token from IMDS using a user-assigned identity ({WEB})"
        ),
        "Try decoding your token eyJ* at https://jwt.io",
    ];
    let arguments = [
        "--generation=2",
        &format!("--identity-client-id={WEB}"),
        &format!("--subscription-id={SUBSCRIPTION}"),
        &format!("--resource-group={GROUP}"),
        &format!("--arm-url={arm}"),
        "--ca-file=/ca/ca.crt",
    ];
    logs(scene, "demo-between", &arguments, &lines)
}

fn oldest(scene: &Scene) -> Result<Outcome> {
    let arm = scene.azure.arm_url();
    let lines = [
        "starting demo pod shop/demo-oldest 10.244.*",
        "successfully doARMOperations vm count 1",
        "successfully counted VM from ARM: 1",
        &format!("successfully acquired a token using the MSI, msiEndpoint({ENDPOINT})"),
        &format!(
            "successfully acquired a token, userAssignedID MSI, msiEndpoint({ENDPOINT}) clientID({WEB})"
        ),
        "successfully made GET on instance metadata, {\"compute\"*}",
    ];
    let arguments = [
        &format!("--clientid={WEB}"),
        &format!("--subscriptionid={SUBSCRIPTION}"),
        &format!("--resourcegroup={GROUP}"),
        &format!("--arm-url={arm}"),
        "--ca-file=/ca/ca.crt",
    ];
    logs(scene, "demo-oldest", &arguments, &lines)
}

/// The demo's first round says these things, in this order, and nothing else. A star stands for anything.
fn logs(scene: &Scene, name: &str, arguments: &[&str], lines: &[&str]) -> Result<Outcome> {
    scene.installed()?;
    scene.apply(&[objects::demo(name, arguments)])?;
    let log = || scene.kube.log("shop", name, "");
    let told = scene.until("the lines", || Ok(log()?.lines().count() >= lines.len()));
    let text = log().unwrap_or_default();
    let took = told.with_context(|| text.clone())?;
    let messages: Vec<&str> = text.lines().map(message).collect();
    let same = messages.iter().zip(lines);
    ensure!(
        messages.len() == lines.len() && same.into_iter().all(|(said, line)| is(said, line)),
        "{text}\ninstead of\n{}",
        lines.join("\n")
    );
    scene.kubectl(&format!(
        "delete pod {name} --namespace shop --now --wait=false"
    ))?;
    Ok(figure("from apply to lines ms", took))
}

/// What follows time and place.
fn message(line: &str) -> &str {
    line.split_once(": ").map_or(line, |(_, message)| message)
}

fn is(said: &str, line: &str) -> bool {
    match line.split_once('*') {
        Some((begin, end)) => said.starts_with(begin) && said.ends_with(end),
        None => said == line,
    }
}
