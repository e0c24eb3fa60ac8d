//! What a call of each world costs, in this process, on the built-in components.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use podgate_gateway::config::plugins::{DEFAULT, Plugins};
use podgate_gateway::credential::key::CertificateKey;
use podgate_gateway::plugins;
use podgate_plugin_host as host;
use podgate_plugin_host::{Host, HostConfig};
use podgate_testkit::fixtures;

use super::report::Report;

/// An authority that answers at once, so that only the plugin's own work is left.
struct AtOnce;

#[async_trait]
impl host::Outbound for AtOnce {
    async fn send(
        &self,
        _: host::OutboundRequest,
        _: Duration,
        _: usize,
    ) -> Result<host::OutboundResponse, host::OutboundError> {
        Ok(host::OutboundResponse {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: br#"{"token_type":"Bearer","expires_in":3599,"access_token":"token"}"#.to_vec(),
        })
    }
}

/// Measures one call of each world, each with a fresh instance.
pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let config = HostConfig {
        code_cache: None,
        http: Arc::new(AtOnce),
    };
    let host = Host::new(config)?;
    let loaded = plugins::load(&host, &Plugins::parse(DEFAULT)?, ".".as_ref()).await?;
    let (policy, _) = &loaded.policies[0];
    let question = question();
    let per_call = timed(2000, async || {
        black_box(policy.decide(&question).await).is_ok()
    })
    .await?;
    report.add("plugin call, fresh instance", "policy", per_call, "µs");
    if let Some(cache) = &loaded.cache {
        let subject = subject();
        let times = host::Times {
            obtained: 1_800_000_000,
            expires: 1_800_086_400,
            jitter: 500_000,
        };
        let per_call = timed(2000, async || {
            black_box(cache.plan(&subject, times).await).is_ok()
        })
        .await?;
        report.add("plugin call, fresh instance", "cache", per_call, "µs");
    }
    if let Some(credential) = &loaded.credential {
        let key = Arc::new(CertificateKey::read(
            fixtures::pfx_aes(),
            fixtures::PASSWORD,
        )?);
        let question = credential_question();
        let per_call = timed(200, async || {
            black_box(credential.acquire(&question, Arc::clone(&key) as _).await).is_ok()
        })
        .await?;
        report.add(
            "plugin call, fresh instance",
            "credential (with a signature)",
            per_call,
            "µs",
        );
    }
    Ok(())
}

/// Microseconds per call, the best of five batches: other work runs on the machine as well.
async fn timed(calls: u32, mut call: impl AsyncFnMut() -> bool) -> anyhow::Result<f64> {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..calls {
            anyhow::ensure!(call().await, "a call of a built-in plugin failed");
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
    }
    Ok(best)
}

fn question() -> host::PolicyQuestion {
    let label = |name: &str, value: &str| host::Label {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    host::PolicyQuestion {
        pod: host::Pod {
            namespace: "shop".to_owned(),
            name: "web-7d4b9c6f5-abcde".to_owned(),
            uid: "6a1f6d1e-5a55-4d0e-8f7e-6a4f3a1b2c3d".to_owned(),
            service_account: "default".to_owned(),
            labels: vec![
                label("app", "web"),
                label("pod-template-hash", "7d4b9c6f5"),
                label("team", "shop"),
            ],
        },
        request: host::TokenRequest {
            path: "/metadata/identity/oauth2/token".to_owned(),
            resource: "https://vault.azure.net".to_owned(),
            identity: host::IdentitySelector::Unspecified,
        },
        exceptions: vec![host::PodException {
            name: "aks-addon-exception".to_owned(),
            pod_labels: vec![label("kubernetes.azure.com/managedby", "aks")],
        }],
    }
}

fn subject() -> host::Subject {
    host::Subject {
        client_id: "11111111-1111-4111-8111-111111111111".to_owned(),
        identity_type: host::IdentityType::ManagedIdentity,
        resource: "https://vault.azure.net".to_owned(),
    }
}

fn credential_question() -> host::CredentialQuestion {
    host::CredentialQuestion {
        identity: host::CredentialIdentity {
            client_id: "44444444-4444-4444-8444-444444444444".to_owned(),
            tenant_id: "99999999-9999-4999-8999-999999999999".to_owned(),
            authority: "https://login.microsoftonline.com/".to_owned(),
        },
        resource: "https://vault.azure.net".to_owned(),
        request_id: "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned(),
    }
}
