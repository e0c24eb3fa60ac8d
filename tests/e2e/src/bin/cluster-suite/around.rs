//! What users rely on besides tokens.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use podgate_e2e::node::Outcome;
use podgate_testkit::Client;

use crate::acts::Beside;
use crate::helm::RELEASE;
use crate::objects;
use crate::people;
use crate::pods::{RESOURCE, figure};
use crate::scene::Scene;
use crate::standard::leader;

pub(crate) const STATUS_CODES: Beside = (
    "what is not there is 404, and who forgets the header is told so",
    status_codes,
);
pub(crate) const GATEWAYS_LIVE: Beside = (
    "every gateway says Active to its probe, on its node only",
    gateways_live,
);
pub(crate) const CONTROLLERS_LIVE: Beside = (
    "the leader says Active to its probe, the other controllers Not Active",
    controllers_live,
);
pub(crate) const RETRY_AFTER: Beside = (
    "who asks for an identity that Azure does not have yet is told to come back, does, and gets it",
    retry_after,
);

fn status_codes(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let pod = scene.bound("codes", "node1", "web")?;
    let instance = "/metadata/instance?api-version=2021-02-01";
    for (path, status) in [
        ("/doesnotexist", 404),
        ("/metadata/doesnotexist", 404),
        (instance, 200),
    ] {
        let answer = pod.ask(path)?;
        ensure!(
            answer.status == status,
            "{path}: {}: {}",
            answer.status,
            answer.text()
        );
    }
    let token = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{RESOURCE}");
    for path in [instance, &token] {
        let answer = pod.send(path, &[("Host", "169.254.169.254")])?;
        let text = answer.text();
        ensure!(
            answer.status == 400 && text.to_lowercase().contains("header"),
            "{path}: {}: {text}",
            answer.status
        );
    }
    scene.delete([pod])?;
    Ok(Outcome::new())
}

fn gateways_live(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let probe = "curl --silent --show-error --max-time 5";
    for node in &scene.nodes {
        let said = scene.on(node, &format!("{probe} http://127.0.0.1:8085/healthz"))?;
        ensure!(said == "Active", "{node}: {said}");
        let number = node.trim_start_matches("node");
        let outside = scene.on(
            node,
            &format!("{probe} http://192.168.77.1{number}:8085/healthz"),
        );
        ensure!(
            outside.is_err(),
            "{node} answers on other addresses: {outside:?}"
        );
    }
    Ok(Outcome::new())
}

fn controllers_live(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let labels = "app.kubernetes.io/component=controller";
    let pods = scene.kube.objects("pods", RELEASE, labels)?;
    ensure!(pods.len() > 1, "{} controllers", pods.len());
    let leader = leader(scene)?;
    for pod in &pods {
        let name = pod["metadata"]["name"].as_str().context("a name")?;
        let ip = pod["status"]["podIP"].as_str().context("podIP")?;
        let target = SocketAddr::new(ip.parse()?, 8080);
        let host = target.to_string();
        let asked = async {
            Client::new(target)
                .get("/healthz", &[("Host", &host)])
                .await
        };
        let said = scene.kube.wait_for(asked)?.text();
        let expected = match name == leader {
            true => "Active",
            false => "Not Active",
        };
        ensure!(said == expected, "{name}: {said}");
    }
    Ok(Outcome::new())
}

/// The demonstration retries as the SDKs do, for as long as they do.
fn retry_after(scene: &Scene) -> Result<Outcome> {
    scene.installed()?;
    let late = people::client_id("late");
    scene.apply(&objects::cast("shop", "late", "late", "late"))?;
    scene.apply(&[objects::once("late-sdk", "node1", "late", &late)])?;
    let pod = scene.bound("late", "node1", "late")?;
    let answer = pod.token(RESOURCE)?;
    let header = answer.header("retry-after").unwrap_or_default();
    ensure!(
        answer.status == 503 && header.parse().is_ok_and(|wait: u32| wait > 0),
        "{}, Retry-After: {header}: {}",
        answer.status,
        answer.text()
    );
    scene.azure.create("late");
    let took = scene.until("the demonstration has its token", || {
        let pod = scene.kube.object("pods", "shop", "late-sdk")?;
        let phase = &pod["status"]["phase"];
        ensure!(*phase != "Failed", "it gave up");
        Ok(*phase == "Succeeded")
    })?;
    scene.gets(&pod, "", &late)?;
    Ok(figure("after it exists ms", took))
}
