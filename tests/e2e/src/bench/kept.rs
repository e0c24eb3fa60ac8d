//! Instances that are kept from one call to the next. The gateway has none (docs/adr/0001 says why): this is what it
//! would save, and the reason why wasmtime is known here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use podgate_plugin_host as host;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

use self::cache::exports::podgate::cache::lifetime;
use self::policy::exports::podgate::policy::decide;
use self::policy::podgate::types::model;

mod policy {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/policy"],
        world: "podgate:policy/policy",
        exports: { default: async },
    });
}

mod cache {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/cache"],
        world: "podgate:cache/cache",
        exports: { default: async },
    });
}

/// exception-matcher, configured once.
pub(super) struct Policy {
    store: Store<()>,
    instance: policy::Policy,
}

/// token-cache, configured once.
pub(super) struct Cache {
    store: Store<()>,
    instance: cache::Cache,
}

/// A component with its imports left out: the built-in ones have none but types.
struct Ready {
    store: Store<()>,
    component: Component,
    linker: Linker<()>,
}

impl Ready {
    fn load(name: &str) -> Result<Self> {
        let engine = engine()?;
        let file = built(name);
        let component = Component::from_file(&engine, &file)
            .map_err(|error| anyhow::anyhow!("{}: {error:#}", file.display()))?;
        let mut linker = Linker::new(&engine);
        linker
            .define_unknown_imports_as_traps(&component)
            .map_err(plain)?;
        let mut store = Store::new(&engine, ());
        // Nobody counts epochs here; what it costs to look is part of a call all the same.
        store.set_epoch_deadline(u64::MAX / 2);
        Ok(Self {
            store,
            component,
            linker,
        })
    }
}

/// As the plugin host's, but for its pool.
fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true);
    Engine::new(&config).map_err(plain)
}

/// Where `cargo xtask plugins` puts it.
fn built(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    target.join(format!("wasm32-unknown-unknown/release/{name}.wasm"))
}

fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

impl Policy {
    pub(super) async fn start() -> Result<Self> {
        let Ready {
            mut store,
            component,
            linker,
        } = Ready::load("exception_matcher")?;
        let instance = policy::Policy::instantiate_async(&mut store, &component, &linker).await;
        let instance = instance.map_err(plain)?;
        let exports = instance.podgate_policy_decide();
        let configured = exports.call_configure(&mut store, "{}").await;
        ensure!(configured.map_err(plain)?.is_ok(), "settings refused");
        Ok(Self { store, instance })
    }

    pub(super) async fn decide(
        &mut self,
        question: &host::PolicyQuestion,
    ) -> Result<host::Verdict> {
        let exports = self.instance.podgate_policy_decide();
        let verdict = exports.call_decide(&mut self.store, &question.into()).await;
        Ok(match verdict.map_err(plain)? {
            decide::Verdict::Pass => host::Verdict::Pass,
            decide::Verdict::Bypass => host::Verdict::Bypass,
            decide::Verdict::Deny(reason) => host::Verdict::Deny(reason),
            decide::Verdict::Restrict(ids) => host::Verdict::Restrict(ids),
        })
    }
}

impl Cache {
    pub(super) async fn start() -> Result<Self> {
        let Ready {
            mut store,
            component,
            linker,
        } = Ready::load("token_cache")?;
        let instance = cache::Cache::instantiate_async(&mut store, &component, &linker).await;
        let instance = instance.map_err(plain)?;
        let exports = instance.podgate_cache_lifetime();
        let configured = exports.call_configure(&mut store, "{}").await;
        ensure!(configured.map_err(plain)?.is_ok(), "settings refused");
        Ok(Self { store, instance })
    }

    pub(super) async fn plan(
        &mut self,
        subject: &host::Subject,
        times: host::Times,
    ) -> Result<host::Plan> {
        let subject = lifetime::Subject {
            client_id: subject.client_id.clone(),
            identity_type: lifetime::IdentityType::ManagedIdentity,
            resource: subject.resource.clone(),
        };
        let times = lifetime::Times {
            obtained: times.obtained,
            expires: times.expires,
            jitter: times.jitter,
        };
        let exports = self.instance.podgate_cache_lifetime();
        let plan = exports
            .call_schedule(&mut self.store, &subject, times)
            .await;
        let plan = plan.map_err(plain).context("token-cache")?;
        Ok(host::Plan {
            refresh_at: plan.refresh_at,
            fresh_until: plan.fresh_until,
            keep_until: plan.keep_until,
        })
    }
}

/// As the plugin host does it for each call: part of what a call costs.
impl From<&host::PolicyQuestion> for decide::Question {
    fn from(question: &host::PolicyQuestion) -> Self {
        let (pod, request) = (&question.pod, &question.request);
        Self {
            pod: model::Pod {
                namespace: pod.namespace.clone(),
                name: pod.name.clone(),
                uid: pod.uid.clone(),
                service_account: pod.service_account.clone(),
                labels: labels(&pod.labels),
            },
            request: model::TokenRequest {
                path: request.path.clone(),
                resource: request.resource.clone(),
                identity: selector(&request.identity),
            },
            exceptions: question.exceptions.iter().map(exception).collect(),
        }
    }
}

fn selector(selector: &host::IdentitySelector) -> model::IdentitySelector {
    match selector.clone() {
        host::IdentitySelector::Unspecified => model::IdentitySelector::Unspecified,
        host::IdentitySelector::ClientId(id) => model::IdentitySelector::ClientId(id),
        host::IdentitySelector::ObjectId(id) => model::IdentitySelector::ObjectId(id),
        host::IdentitySelector::ResourceId(id) => model::IdentitySelector::ResourceId(id),
    }
}

fn exception(exception: &host::PodException) -> decide::PodException {
    decide::PodException {
        name: exception.name.clone(),
        pod_labels: labels(&exception.pod_labels),
    }
}

fn labels(labels: &[host::Label]) -> Vec<model::Label> {
    let label = |label: &host::Label| model::Label {
        name: label.name.clone(),
        value: label.value.clone(),
    };
    labels.iter().map(label).collect()
}
