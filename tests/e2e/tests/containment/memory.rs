//! Memory changes no verdict: a chain that remembers what its pure plugins said judges as one that asks them each time,
//! whatever happens to pods and exceptions in between, and however a pod spells what it asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use k8s_openapi::api::core::v1 as core;
use podgate_e2e::bench::chains::{Forgotten, question};
use podgate_gateway::config::plugins::{DEFAULT, Plugins};
use podgate_gateway::plugins;
use podgate_gateway::pod;
use podgate_gateway::policy::{Allowed, Chain, Terms};
use podgate_gateway::refusal::Refusal;
use podgate_gateway::world::{IdentityRules, Object, ObjectKey, ObjectRef, World};
use podgate_plugin_host::{
    Host, HostConfig, Outbound, OutboundError, OutboundRequest, OutboundResponse, PluginError,
    Policy, PolicyQuestion, Verdict,
};
use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

const NAMESPACES: [&str; 2] = ["shop", "kube-system"];
const LABELS: [(&str, &str); 4] = [
    ("app", "web"),
    ("app", "WEB"),
    ("team", "shop"),
    ("team", "ops"),
];
const ACCOUNTS: [&str; 2] = ["default", "deployer"];
/// Audiences, some in several spellings; the long ones fill a pod's share of the memory.
const RESOURCES: usize = 40;
const IDENTITIES: [&str; 6] = [
    "",
    "&client_id=11111111-1111-4111-8111-11111111aaaa",
    "&client_id=11111111-1111-4111-8111-11111111AAAA",
    "&object_id=11111111-1111-4111-8111-11111111aaaa",
    "&msi_res_id=/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web",
    "&mi_res_id=/SUBSCRIPTIONS/00000000-0000-4000-8000-000000000000/resourcegroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web",
];
/// A client id that a restriction may name.
const CLIENT: &str = "11111111-1111-4111-8111-11111111aaaa";

#[derive(Clone, Debug)]
enum Step {
    /// A pod comes, or is edited; another generation is another pod of its name.
    Pod {
        name: u8,
        generation: u8,
        labels: u8,
        account: u8,
    },
    /// It goes.
    Gone { name: u8 },
    /// An exception comes, or is edited.
    Exception { name: u8, namespace: u8, labels: u8 },
    /// It goes.
    NoException { name: u8, namespace: u8 },
    /// A pod asks.
    Ask {
        name: u8,
        resource: usize,
        identity: usize,
        anew: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3u8, 0..2u8, 0..16u8, 0..2u8).prop_map(|(name, generation, labels, account)| {
            Step::Pod { name, generation, labels, account }
        }),
        1 => (0..3u8).prop_map(|name| Step::Gone { name }),
        2 => (0..2u8, 0..2u8, 0..16u8).prop_map(|(name, namespace, labels)| {
            Step::Exception { name, namespace, labels }
        }),
        1 => (0..2u8, 0..2u8).prop_map(|(name, namespace)| Step::NoException { name, namespace }),
        12 => (0..3u8, 0..RESOURCES, 0..IDENTITIES.len(), any::<bool>()).prop_map(
            |(name, resource, identity, anew)| Step::Ask { name, resource, identity, anew }
        ),
    ]
}

/// A pure function of everything that it is told, so that whatever is left out of the memory's key shows.
struct Echo {
    asked: AtomicUsize,
    says: fn(&str) -> Verdict,
}

impl Echo {
    fn new(says: fn(&str) -> Verdict) -> Arc<Self> {
        let asked = AtomicUsize::new(0);
        Arc::new(Self { asked, says })
    }
}

#[async_trait]
impl Policy for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn is_pure(&self) -> bool {
        true
    }

    async fn decide(&self, question: &PolicyQuestion) -> Result<Verdict, PluginError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok((self.says)(&format!("{question:?}")))
    }
}

/// All that it was told.
fn everything(told: &str) -> Verdict {
    Verdict::Deny(told.to_owned())
}

/// Any verdict, by what it was told.
fn anything(told: &str) -> Verdict {
    match told.bytes().map(usize::from).sum::<usize>() % 5 {
        0 => Verdict::Bypass,
        1 => Verdict::Deny(told.to_owned()),
        2 => Verdict::Restrict(vec![CLIENT.to_owned()]),
        _ => Verdict::Pass,
    }
}

/// The same policies twice in front of one world.
struct Twins {
    world: World,
    remembers: Chain,
    forgets: Chain,
}

impl Twins {
    fn new(policies: &[Arc<dyn Policy>]) -> Self {
        let forgotten = |policy: &Arc<dyn Policy>| Arc::new(Forgotten(Arc::clone(policy))) as _;
        let on_terms = |policy| (policy, Terms::default());
        let remembers = policies.iter().cloned().map(on_terms);
        let forgets = policies.iter().map(forgotten).map(on_terms);
        Self {
            world: World::new(IdentityRules {
                authority: "https://login.microsoftonline.com/".parse().unwrap(),
                hosts: Default::default(),
                foreign_secrets: false,
            }),
            remembers: Chain::new(remembers, Arc::default()),
            forgets: Chain::new(forgets, Arc::default()),
        }
    }

    /// Whether a judgement was compared.
    async fn step(&self, step: &Step) -> Result<bool, TestCaseError> {
        match *step {
            Step::Pod {
                name,
                generation,
                labels,
                account,
            } => {
                self.world.apply(Object::Pod(
                    some_pod(name, generation, labels, account).into(),
                ));
            }
            Step::Gone { name } => self.world.remove(&ObjectKey::Pod(pod_ref(name))),
            Step::Exception {
                name,
                namespace,
                labels,
            } => {
                let labels = some_labels(labels).collect();
                let exception = exception_ref(name, namespace);
                self.world.apply(Object::Exception(exception, labels));
            }
            Step::NoException { name, namespace } => {
                let exception = exception_ref(name, namespace);
                self.world.remove(&ObjectKey::Exception(exception));
            }
            Step::Ask {
                name,
                resource,
                identity,
                anew,
            } => {
                return self.ask(name, &query(resource, identity, anew)).await;
            }
        }
        Ok(false)
    }

    async fn ask(&self, name: u8, query: &str) -> Result<bool, TestCaseError> {
        let Ok(pod) = pod::resolve(&self.world, address(name).into(), Instant::now()).await else {
            return Ok(false);
        };
        let question = question(query).unwrap();
        let judged = async |chain: &Chain| -> Result<Allowed, Refusal> {
            let judged = chain.judge(&self.world, &pod, &question).await;
            judged.map(|judgement| judgement.allowed().clone())
        };
        prop_assert_eq!(
            judged(&self.remembers).await,
            judged(&self.forgets).await,
            "{}",
            query
        );
        Ok(true)
    }

    /// Runs on, and counts the judgements.
    async fn run(&self, steps: &[Step]) -> Result<usize, TestCaseError> {
        let mut judgements = 0;
        for step in steps {
            judgements += usize::from(self.step(step).await?);
        }
        Ok(judgements)
    }
}

fn address(name: u8) -> [u8; 4] {
    [10, 0, 0, name]
}

/// Pods of both namespaces, one of each name.
fn pod_ref(name: u8) -> ObjectRef {
    ObjectRef::new(NAMESPACES[usize::from(name) % 2], format!("pod-{name}"))
}

fn exception_ref(name: u8, namespace: u8) -> ObjectRef {
    let namespace = NAMESPACES[usize::from(namespace)];
    ObjectRef::new(namespace, format!("exception-{name}"))
}

fn some_pod(name: u8, generation: u8, labels: u8, account: u8) -> core::Pod {
    let object = pod_ref(name);
    let labels: serde_json::Map<_, _> = some_labels(labels)
        .map(|(key, value)| (key, value.into()))
        .collect();
    let [a, b, c, d] = address(name);
    serde_json::from_value(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": object.name, "namespace": object.namespace,
            "uid": format!("uid-{name}-{generation}"), "labels": labels},
        "spec": {"containers": [], "serviceAccountName": ACCOUNTS[usize::from(account)]},
        "status": {"phase": "Running", "podIP": format!("{a}.{b}.{c}.{d}")}}))
    .unwrap()
}

/// One bit for each; of two with one key the later one counts.
fn some_labels(bits: u8) -> impl Iterator<Item = (String, String)> {
    let chosen = move |(number, label): (usize, (&str, &str))| {
        let owned = (label.0.to_owned(), label.1.to_owned());
        (bits & (1 << number) != 0).then_some(owned)
    };
    LABELS.into_iter().enumerate().filter_map(chosen)
}

fn query(resource: usize, identity: usize, anew: bool) -> String {
    let resource = match resource {
        0 => "https://vault.azure.net".to_owned(),
        1 => "https://vault.azure.net/".to_owned(),
        2 => "HTTPS://VAULT.azure.net".to_owned(),
        3 => "https%3A%2F%2Fvault.azure.net".to_owned(),
        number if number < 10 => format!("https://{number}.example"),
        number => format!("https://{number}.example/{}", "x".repeat(900)),
    };
    let anew = if anew { "&bypass_cache=true" } else { "" };
    format!("resource={resource}{}{anew}", IDENTITIES[identity])
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// Nobody asks it.
struct Nowhere;

#[async_trait]
impl Outbound for Nowhere {
    async fn send(
        &self,
        _: OutboundRequest,
        _: std::time::Duration,
        _: usize,
    ) -> Result<OutboundResponse, OutboundError> {
        Err(OutboundError::Unreachable("there is nobody".to_owned()))
    }
}

/// exception-matcher, as the gateway runs it.
async fn component() -> Arc<dyn Policy> {
    let config = HostConfig {
        code_cache: None,
        http: Arc::new(Nowhere),
    };
    let host = Host::new(config).unwrap();
    let default = Plugins::parse(DEFAULT).unwrap();
    let loaded = plugins::load(&host, &default, ".".as_ref()).await.unwrap();
    let (policy, _) = loaded.policies.into_iter().next().unwrap();
    assert!(policy.is_pure(), "its verdicts are not remembered at all");
    policy
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn memory_changes_no_verdict_of_a_policy_that_tells_all_it_was_told(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let runtime = runtime();
        for says in [everything, anything] {
            let twins = Twins::new(&[Echo::new(says) as _]);
            runtime.block_on(twins.run(&steps))?;
        }
        let chain: [Arc<dyn Policy>; 3] = [anything, anything, everything].map(|says| Echo::new(says) as _);
        runtime.block_on(Twins::new(&chain).run(&steps))?;
    }
}

#[test]
fn memory_changes_no_verdict_of_a_component() {
    let runtime = runtime();
    let policy = runtime.block_on(component());
    let config = ProptestConfig {
        cases: 64,
        ..ProptestConfig::default()
    };
    let steps = prop::collection::vec(step(), 1..80);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let proved = runner.run(&steps, |steps| {
        let twins = Twins::new(&[Arc::clone(&policy)]);
        runtime.block_on(twins.run(&steps)).map(drop)
    });
    proved.unwrap();
}

/// The properties would hold as well if nothing were remembered, or nobody were judged.
#[test]
fn most_judgements_of_a_pod_that_asks_again_are_remembered() {
    let pod = Step::Pod {
        name: 0,
        generation: 0,
        labels: 5,
        account: 0,
    };
    let ask = |resource| Step::Ask {
        name: 0,
        resource,
        identity: 0,
        anew: false,
    };
    let mut steps = vec![pod];
    steps.extend((0..30).map(|number| ask(number % 3)));
    let echo = Echo::new(everything);
    let twins = Twins::new(&[Arc::clone(&echo) as _]);
    assert_eq!(runtime().block_on(twins.run(&steps)).unwrap(), 30);
    // Thirty of the chain that forgets, and three of the one that remembers.
    assert_eq!(echo.asked.load(Ordering::Relaxed), 33);
}
