//! What a judgement costs with one, three and ten policies: asked each time, in fresh instances and in kept ones, and with
//! verdicts that are remembered.

use std::sync::Arc;

use anyhow::{Result, bail};
use async_trait::async_trait;
use k8s_openapi::api::core::v1 as core;
use podgate_gateway::config::plugins::Plugins;
use podgate_gateway::imds::{self, Question, TokenQuestion};
use podgate_gateway::plugins;
use podgate_gateway::pod::{self, ResolvedPod};
use podgate_gateway::policy::{Allowed, Chain, Terms};
use podgate_gateway::world::{IdentityRules, Object, World};
use podgate_plugin_host as host;
use podgate_plugin_host::{Host, HostConfig, Policy, PolicyQuestion, Verdict};
use serde_json::json;
use tokio::time::Instant;

use super::report::Report;
use super::timing::timed;
use super::worlds::AtOnce;

/// A policy whose verdicts are not remembered, as if it could look at the clock.
pub struct Forgotten(pub Arc<dyn Policy>);

/// Policies of a chain.
const LENGTHS: [usize; 3] = [1, 3, 10];

#[async_trait]
impl Policy for Forgotten {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn is_pure(&self) -> bool {
        false
    }

    async fn decide(&self, question: &PolicyQuestion) -> Result<Verdict, host::PluginError> {
        self.0.decide(question).await
    }
}

/// Measures.
pub async fn measure(report: &mut Report) -> Result<()> {
    let (world, pod) = someone().await?;
    let question = question("resource=https://vault.azure.net")?;
    for length in LENGTHS {
        let fresh = policies(length, "fresh").await?;
        let forgotten = fresh
            .iter()
            .map(|policy| Arc::new(Forgotten(Arc::clone(policy))) as _);
        let asked = cost(forgotten, &world, &pod, &question, 500).await?;
        let kept = policies(length, "kept").await?.into_iter();
        let reused = cost(kept, &world, &pod, &question, 5_000).await?;
        let remembered = cost(fresh.iter().cloned(), &world, &pod, &question, 20_000).await?;
        let what = format!("judgement, {length} {}", plural(length));
        report.add(&what, "asked each time", asked, "µs");
        let figure = report.add(&what, "asked each time, kept instances", reused, "µs");
        figure.against("asked", asked);
        let figure = report.add(&what, "remembered", remembered, "µs");
        figure.against("asked", asked);
    }
    Ok(())
}

fn plural(length: usize) -> &'static str {
    if length == 1 { "policy" } else { "policies" }
}

async fn cost(
    policies: impl Iterator<Item = Arc<dyn Policy>>,
    world: &World,
    pod: &ResolvedPod,
    question: &TokenQuestion,
    judgements: u32,
) -> Result<f64> {
    let chain = Chain::new(
        policies.map(|policy| (policy, Terms::default())),
        Arc::default(),
    );
    timed(judgements, async || {
        let judged = chain.judge(world, pod, question).await;
        judged.is_ok_and(|judgement| *judgement.allowed() == Allowed::Bound)
    })
    .await
}

/// So many components, each compiled and configured for itself.
async fn policies(length: usize, instances: &str) -> Result<Vec<Arc<dyn Policy>>> {
    let config = HostConfig {
        code_cache: None,
        http: Arc::new(AtOnce),
    };
    let component = json!({"builtin": "exception-matcher"});
    let policy = |number| json!({"name": format!("policy{number}"), "component": component, "instances": instances});
    let file = json!({"policy": (0..length).map(policy).collect::<Vec<_>>()});
    let plugins = Plugins::parse(&file.to_string())?;
    let loaded = plugins::load(&Host::new(config)?, &plugins, ".".as_ref()).await?;
    Ok(loaded
        .policies
        .into_iter()
        .map(|(policy, _)| policy)
        .collect())
}

/// A pod that is known.
async fn someone() -> Result<(World, ResolvedPod)> {
    let world = World::new(IdentityRules {
        authority: "https://login.microsoftonline.com/".parse()?,
        hosts: Default::default(),
        foreign_secrets: false,
    });
    let pod: core::Pod = serde_json::from_value(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "uid": "6a1f6d1e-5a55-4d0e-8f7e-6a4f3a1b2c3d",
            "labels": {"app": "web", "pod-template-hash": "7d4b9c6f5", "team": "shop"}},
        "status": {"phase": "Running", "podIP": "127.0.0.2"}}))?;
    world.apply(Object::Pod(pod.into()));
    let pod = pod::resolve(&world, [127, 0, 0, 2].into(), Instant::now()).await?;
    Ok((world, pod))
}

/// What a pod asks with this query.
pub fn question(query: &str) -> Result<TokenQuestion> {
    let request = http::Request::get(format!("/metadata/identity/oauth2/token?{query}"))
        .header("Metadata", "true")
        .header("Host", "169.254.169.254")
        .body(())?;
    let rules = imds::Rules {
        metadata_header_required: true,
        block_instance_metadata: false,
        hosts: vec!["169.254.169.254".to_owned()],
    };
    let path = imds::target(&request)?;
    match imds::parse(&request, path, &rules)? {
        Question::Token(question) => Ok(question),
        Question::Metadata(_) => bail!("no question for a token"),
    }
}
