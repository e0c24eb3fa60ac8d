//! What a call of each world costs, in this process, on the built-in components: in a fresh instance as the gateway calls
//! them unless it is told otherwise, in one that is kept (`instances: kept`), and natively.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use podgate_gateway::config::plugins::{DEFAULT, Plugins};
use podgate_gateway::credential::key::CertificateKey;
use podgate_gateway::plugins::{self, Loaded};
use podgate_plugin_host as host;
use podgate_plugin_host::{Host, HostConfig, SigningKey};
use podgate_testkit::fixtures;

use super::report::Report;
use super::timing::timed;
use super::{native, questions};

/// An authority that answers at once, so that only the plugin's own work is left.
pub(super) struct AtOnce;

const CALL: &str = "plugin call";
const FRESH: &str = "fresh instance";
const KEPT: &str = "kept instance";
const NATIVE: &str = "native";
/// The built-in plugins whose instances may be kept.
const KEPT_FILE: &str = "
policy:
  - { name: exception-matcher, component: { builtin: exception-matcher }, grants: { bypass: true }, instances: kept }
cache:
  - { name: token-cache, component: { builtin: token-cache }, instances: kept }
";

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

/// Measures one call of each world.
pub async fn measure(report: &mut Report) -> Result<()> {
    let config = HostConfig {
        code_cache: None,
        http: Arc::new(AtOnce),
    };
    let host = Host::new(config)?;
    let fresh = plugins::load(&host, &Plugins::parse(DEFAULT)?, ".".as_ref()).await?;
    let kept = plugins::load(&host, &Plugins::parse(KEPT_FILE)?, ".".as_ref()).await?;
    policy(report, &fresh, &kept).await?;
    cache(report, &fresh, &kept).await?;
    credential(report, &fresh).await
}

async fn policy(report: &mut Report, fresh: &Loaded, kept: &Loaded) -> Result<()> {
    let first = |loaded: &Loaded| {
        loaded
            .policies
            .first()
            .map(|(policy, _)| Arc::clone(policy))
    };
    let fresh = first(fresh).context("no policy is built in")?;
    let kept = first(kept).context("no policy is kept")?;
    for question in [questions::policy(), questions::excepted()] {
        let verdict = fresh.decide(&question).await?;
        ensure!(
            verdict == native::decide(&question),
            "natively it is another verdict"
        );
        ensure!(
            verdict == kept.decide(&question).await?,
            "kept it is another verdict"
        );
    }
    let question = questions::policy();
    let natively = timed(200_000, async || {
        black_box(native::decide(black_box(&question))) == host::Verdict::Pass
    });
    let natively = natively.await?;
    let reused = timed(20_000, async || kept.decide(&question).await.is_ok()).await?;
    let anew = timed(2000, async || {
        black_box(fresh.decide(&question).await).is_ok()
    })
    .await?;
    add(report, "policy", Some(natively), Some(reused), anew);
    Ok(())
}

async fn cache(report: &mut Report, fresh: &Loaded, kept: &Loaded) -> Result<()> {
    let fresh = fresh
        .cache
        .as_ref()
        .context("no cache plugin is built in")?;
    let kept = kept.cache.as_ref().context("no cache plugin is kept")?;
    let (subject, times) = (questions::subject(), questions::times());
    ensure!(
        fresh.plan(&subject, times).await? == kept.plan(&subject, times).await?,
        "kept it is another plan"
    );
    let reused = timed(20_000, async || kept.plan(&subject, times).await.is_ok()).await?;
    let anew = timed(2000, async || {
        black_box(fresh.plan(&subject, times).await).is_ok()
    });
    let anew = anew.await?;
    add(report, "cache", None, Some(reused), anew);
    Ok(())
}

/// Nearly all of it is the signature, which the host makes in either case.
async fn credential(report: &mut Report, loaded: &Loaded) -> Result<()> {
    let fresh = loaded
        .credential
        .as_ref()
        .context("no credential plugin is built in")?;
    let key = CertificateKey::read(fixtures::pfx_aes(), fixtures::PASSWORD)?;
    let key = Arc::new(key);
    let question = questions::credential();
    let sign = async || black_box(key.sign(host::Algorithm::Ps256, &[0; 700])).is_ok();
    let natively = timed(200, sign).await?;
    let anew = timed(200, async || {
        black_box(fresh.acquire(&question, Arc::clone(&key) as _).await).is_ok()
    });
    let anew = anew.await?;
    add(
        report,
        "credential (native: its signature)",
        Some(natively),
        None,
        anew,
    );
    Ok(())
}

fn add(report: &mut Report, world: &str, native: Option<f64>, kept: Option<f64>, fresh: f64) {
    let what = format!("{CALL}, {world}");
    for (subject, value) in [(NATIVE, native), (KEPT, kept)] {
        if let Some(value) = value {
            report.add(&what, subject, value, "µs");
        }
    }
    let than = kept
        .map(|kept| (KEPT, kept))
        .or(native.map(|native| (NATIVE, native)));
    let figure = report.add(&what, FRESH, fresh, "µs");
    if let Some((subject, value)) = than {
        figure.against(subject, value);
    }
}
