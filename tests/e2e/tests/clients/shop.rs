//! The stage of the demo with one pod more, the pod under test: `shop/app` at 127.0.0.1.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use podgate_e2e::demo;
use podgate_e2e::stage::{Stage, VAULT};
use podgate_testkit::Target;

use crate::sdk::Outcome;

/// Far more than any wait here takes; a test that gets here has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway in managed mode; the selector is the pod's `aadpodidbinding`.
pub(crate) async fn managed(selector: &str) -> Stage {
    start(&["--operation-mode=managed"], &bound(selector)).await
}

/// A gateway in standard mode that holds a request for `wait`; the pod is bound to the identity `web`.
pub(crate) async fn standard(wait: &str) -> Stage {
    let wait = format!("--assignment-wait={wait}");
    start(&["--operation-mode=standard", &wait], &bound("web")).await
}

/// A gateway in managed mode; the pod has no binding, and its namespace an exception for its labels.
pub(crate) async fn excepted() -> Stage {
    let pod = pod("kube-system", "kubernetes.azure.com/managedby: aks");
    start(&["--operation-mode=managed"], &pod).await
}

/// A gateway in managed mode; nothing selects the pod.
pub(crate) async fn unbound() -> Stage {
    start(&["--operation-mode=managed"], &pod("shop", "app: stranger")).await
}

/// A gateway in managed mode that knows these Secrets and no others.
pub(crate) async fn with_secrets(selector: &str, secrets: &[serde_json::Value]) -> Stage {
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": secrets});
    let files = [
        ("app.yaml", bound(selector)),
        ("secrets.json", list.to_string()),
    ];
    start_with(&["--operation-mode=managed"], &files).await
}

async fn start(flags: &[&str], pod: &str) -> Stage {
    start_with(flags, &[("app.yaml", pod.to_owned())]).await
}

async fn start_with(flags: &[&str], files: &[(&str, String)]) -> Stage {
    let lay_out = |folder: &Path| {
        demo::lay_out(folder)?;
        for (name, text) in files {
            std::fs::write(folder.join(name), text)?;
        }
        Ok(())
    };
    // Compiling the components takes longer than most cases.
    let code = concat!(
        "--code-cache=",
        env!("CARGO_TARGET_TMPDIR"),
        "/clients-code"
    );
    let flags = [flags, &[code]].concat();
    Stage::start(demo::directory().unwrap(), &flags, lay_out)
        .await
        .unwrap()
}

fn bound(selector: &str) -> String {
    pod("shop", &format!("aadpodidbinding: {selector}"))
}

fn pod(namespace: &str, labels: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: app, namespace: {namespace}, labels: {{ {labels} }} }}\n\
         status: {{ phase: Running, podIP: 127.0.0.1 }}\n"
    )
}

/// What the controller says about the pod and the identity `web`.
pub(crate) fn assigned(state: &str) -> String {
    format!(
        "apiVersion: aadpodidentity.k8s.io/v1\nkind: AzureAssignedIdentity\n\
         metadata: {{ name: app-shop-web, namespace: shop }}\n\
         spec:\n  pod: app\n  podNamespace: shop\n  nodename: node\n  azureIdentityRef:\n    \
         metadata: {{ name: web, namespace: shop }}\n    \
         spec: {{ clientID: {web}, resourceID: {resource} }}\n  azureBindingRef:\n    \
         metadata: {{ name: web, namespace: shop }}\n    \
         spec: {{ azureIdentity: web, selector: web }}\nstatus: {{ status: {state} }}\n",
        web = demo::WEB,
        resource = demo::resource_id("web"),
    )
}

/// The token is one that azure-sim signed, of this identity and for this resource, and the SDK knows its end.
pub(crate) fn assert_token_of(stage: &Stage, client_id: &str, outcome: &Outcome) {
    assert!(outcome.ok, "{}", outcome.printed);
    let claims = stage.sim.verify(&outcome.token).unwrap();
    assert_eq!(
        (claims.appid.as_str(), claims.aud.as_str()),
        (client_id, VAULT)
    );
    // Some SDKs count from expires_in, which ages on the way to them.
    assert!(
        outcome.expires_on.abs_diff(claims.exp) <= 30,
        "{} is not {}",
        outcome.expires_on,
        claims.exp
    );
}

/// The requests that reached the gateway.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Requests {
    /// Requests for tokens, by the status of their answer.
    pub(crate) tokens: BTreeMap<u16, u32>,
    /// Requests without the metadata header, which look for an IMDS and are answered 400.
    pub(crate) probes: u32,
}

impl Requests {
    pub(crate) fn for_tokens<const N: usize>(tokens: [(u16, u32); N]) -> Self {
        Self {
            tokens: tokens.into(),
            probes: 0,
        }
    }

    pub(crate) fn and_probes(self, probes: u32) -> Self {
        Self { probes, ..self }
    }
}

pub(crate) async fn requests(stage: &Stage) -> Requests {
    let metrics = stage.admin("/metrics").await.unwrap().text();
    let mut tokens = BTreeMap::new();
    for (labels, count) in series(
        &metrics,
        "aadpodidentity_nmi_operations_duration_seconds_count",
    ) {
        let route = "operation_type=\"/metadata/identity/oauth2/token\"";
        assert!(
            labels.contains(route),
            "a request for something else: {labels}"
        );
        let (_, status) = labels.split_once("status_code=\"").unwrap();
        let (status, _) = status.split_once('"').unwrap();
        *tokens.entry(status.parse().unwrap()).or_default() += count;
    }
    let probes = series(&metrics, "podgate_refusals_total")
        .filter(|(labels, _)| labels.contains("\"no_metadata_header\""))
        .map(|(_, count)| count)
        .sum();
    if let Some(refused) = tokens.get_mut(&400) {
        *refused -= probes;
    }
    tokens.retain(|_, count| *count > 0);
    Requests { tokens, probes }
}

/// The labels and the values of one name in the text of Prometheus.
fn series<'a>(metrics: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, u32)> {
    metrics.lines().filter_map(move |line| {
        let (labels, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
        Some((labels, value.parse().ok()?))
    })
}

/// The statuses that azure-sim answered the gateway's calls with, in order. Calls that a gateway must never make
/// are none of them.
pub(crate) fn calls(stage: &Stage, target: Target) -> Vec<u16> {
    assert!(stage.sim.forbidden_calls().is_empty());
    stage
        .sim
        .calls_to(target)
        .iter()
        .map(|call| call.status.unwrap())
        .collect()
}

/// Waits until one of the gateway's numbers is not 0.
pub(crate) async fn until_counted(stage: &Stage, name: &str, label: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let metrics = stage.admin("/metrics").await.unwrap().text();
        let mut counted = series(&metrics, name);
        if counted.any(|(labels, count)| labels.contains(label) && count > 0) {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "no {name} {label}:\n{metrics}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
