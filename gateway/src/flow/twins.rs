//! Memory changes no answer: a flow that remembers its decisions answers as one that decides anew each time, whatever
//! happens to pods, identities, bindings and exceptions in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use podgate_plugin_host::{PluginError, Policy, PolicyQuestion, Verdict};
use proptest::prelude::*;
use serde_json::Value;
use tokio::time::sleep;

use super::testing::{Authority, TOKEN, bind, flow, pod, read, request};
use super::*;
use crate::policy::Terms;
use crate::world::testing::rules;
use crate::world::{Object, ObjectKey, ObjectRef};

/// Identities, each with a binding of its name that selects its name. The last one is nobody's label.
const IDENTITIES: [&str; 3] = ["orders", "invoices", "unused"];
const CLIENTS: [&str; 2] = [
    "11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
];

#[derive(Clone, Debug)]
enum Step {
    /// A pod comes, or another one of its name, or its label is edited.
    Pod {
        name: u8,
        generation: u8,
        bound: usize,
    },
    /// It goes.
    Gone { name: u8 },
    /// An identity comes with its binding, or is edited.
    Bound { identity: usize, client: usize },
    /// The identity goes.
    NoIdentity { identity: usize },
    /// The binding goes.
    NoBinding { identity: usize },
    /// An exception comes.
    Exception,
    /// It goes.
    NoException,
    /// A pod asks.
    Ask { name: u8, query: usize },
    /// Time passes.
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let identity = || 0..IDENTITIES.len();
    prop_oneof![
        3 => (0..2u8, 0..2u8, 0..2usize).prop_map(|(name, generation, bound)| Step::Pod { name, generation, bound }),
        1 => (0..2u8).prop_map(|name| Step::Gone { name }),
        3 => (identity(), 0..CLIENTS.len()).prop_map(|(identity, client)| Step::Bound { identity, client }),
        1 => identity().prop_map(|identity| Step::NoIdentity { identity }),
        1 => identity().prop_map(|identity| Step::NoBinding { identity }),
        1 => Just(Step::Exception),
        1 => Just(Step::NoException),
        12 => (0..2u8, 0..QUERIES.len()).prop_map(|(name, query)| Step::Ask { name, query }),
        2 => (1..2000u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

const QUERIES: [&str; 5] = [
    "",
    "&client_id=11111111-1111-4111-8111-111111111111",
    "&client_id=22222222-2222-4222-8222-222222222222",
    "&object_id=11111111-1111-4111-8111-111111111111",
    "&bypass_cache=true",
];

/// Denies while there is an exception, narrows by the pod's uid, and says all that it was told.
struct Strict;

#[async_trait]
impl Policy for Strict {
    fn name(&self) -> &str {
        "strict"
    }

    fn is_pure(&self) -> bool {
        true
    }

    async fn decide(&self, question: &PolicyQuestion) -> Result<Verdict, PluginError> {
        Ok(match question.exceptions.is_empty() {
            false => Verdict::Deny(format!("{question:?}")),
            true if question.pod.uid.ends_with('1') => {
                Verdict::Restrict(vec![CLIENTS[0].to_owned()])
            }
            true => Verdict::Pass,
        })
    }
}

/// Two flows in front of one world.
struct Twins {
    world: World,
    remembers: Flow,
    forgets: Flow,
    /// Answers of each that were compared.
    statuses: BTreeMap<u16, usize>,
}

impl Twins {
    fn new() -> Self {
        let world = World::new(rules());
        let strict = || {
            let mut flow = flow(&world, &Arc::new(Authority::default()));
            let policy: Arc<dyn Policy> = Arc::new(Strict);
            flow.policies = Chain::new([(policy, Terms::default())], Arc::default());
            // What is not there will not come: nothing happens while a request waits.
            flow.pod_wait = Duration::ZERO;
            flow
        };
        Self {
            remembers: strict(),
            forgets: strict(),
            world,
            statuses: BTreeMap::new(),
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let world = &self.world;
        let object = |name: &str| ObjectRef::new("default", name);
        match *step {
            Step::Pod {
                name,
                generation,
                bound,
            } => world.apply(Object::Pod(some_pod(name, generation, bound))),
            Step::Gone { name } => world.remove(&ObjectKey::Pod(object(&name.to_string()))),
            Step::Bound { identity, client } => bind(world, IDENTITIES[identity], CLIENTS[client]),
            Step::NoIdentity { identity } => {
                world.remove(&ObjectKey::Identity(object(IDENTITIES[identity])))
            }
            Step::NoBinding { identity } => {
                world.remove(&ObjectKey::Binding(object(IDENTITIES[identity])))
            }
            Step::Exception => world.apply(Object::Exception(object("exception"), BTreeMap::new())),
            Step::NoException => world.remove(&ObjectKey::Exception(object("exception"))),
            Step::Wait { ms } => sleep(Duration::from_millis(ms)).await,
            Step::Ask { name, query } => return self.ask(name, QUERIES[query]).await,
        }
        Ok(())
    }

    async fn ask(&mut self, name: u8, query: &str) -> Result<(), TestCaseError> {
        self.forgets.decisions = Decisions::default();
        let (status, told) = answer(&self.remembers, name, query).await;
        let anew = answer(&self.forgets, name, query).await;
        *self.statuses.entry(status).or_default() += 1;
        prop_assert_eq!((status, told), anew, "pod {}, {}", name, query);
        Ok(())
    }
}

async fn answer(flow: &Flow, name: u8, query: &str) -> (u16, Value) {
    let connection = crate::pod::Connections::default().open(ip(name).parse().unwrap());
    let request = request(&format!("{TOKEN}{query}"));
    read(flow.serve(&connection, &request).await).await
}

fn some_pod(name: u8, generation: u8, bound: usize) -> crate::world::Pod {
    let mut pod = pod(
        &name.to_string(),
        &format!("uid-{name}-{generation}"),
        &ip(name),
    );
    let label = podgate_api::BINDING_LABEL.to_owned();
    pod.labels.insert(label, IDENTITIES[bound].to_owned());
    pod
}

fn ip(name: u8) -> String {
    format!("10.0.0.{}", name + 1)
}

fn run(steps: &[Step]) -> Result<BTreeMap<u16, usize>, TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut twins = Twins::new();
        for step in steps {
            twins.step(step).await?;
        }
        Ok(twins.statuses)
    })
}

proptest! {
    #[test]
    fn a_remembered_decision_answers_as_a_new_one(steps in prop::collection::vec(step(), 1..120)) {
        run(&steps)?;
    }
}

/// The property would hold as well if everybody were refused.
#[test]
fn tokens_and_refusals_of_each_kind_are_compared() {
    let (name, generation, bound) = (0, 0, 0);
    let ask = |query| Step::Ask { name, query };
    let steps = [
        Step::Bound {
            identity: 0,
            client: 0,
        },
        Step::Pod {
            name,
            generation,
            bound,
        },
        ask(0),
        ask(0),
        Step::Bound {
            identity: 0,
            client: 1,
        },
        ask(1),
        Step::Exception,
        ask(0),
        Step::NoException,
        ask(0),
        Step::Gone { name },
        ask(0),
    ];
    let statuses = run(&steps).unwrap();
    assert_eq!(statuses.get(&200), Some(&3), "{statuses:?}");
    assert_eq!(statuses.get(&403), Some(&1), "{statuses:?}");
    assert_eq!(statuses.values().sum::<usize>(), 6);
}
