//! A controller that is killed at any moment, again and again.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PostParams};
use podgate_api::{AssignedState, AzureAssignedIdentity};
use podgate_testkit::Fleet;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::fencing::unthrottled;
use crate::objects::pod;
use crate::scene::Scene;

/// Pods that come one after the other, on all nodes in turn, each with one of some identities.
#[derive(Clone, Copy)]
pub(crate) struct Deployment {
    pub(crate) pods: usize,
    pub(crate) identities: usize,
    pub(crate) pause: Duration,
}

impl Deployment {
    /// The first pods have the first identity: so new ones are needed until the end.
    fn identity(&self, number: usize) -> usize {
        1 + number * self.identities / self.pods
    }

    /// Identities 1 and following, each with a binding.
    pub(crate) async fn cast(&self, scene: &Scene) {
        for number in 1..=self.identities {
            scene.cast("shop", &format!("web{number}"), number).await;
        }
    }

    /// Goes on whatever becomes of the API server.
    pub(crate) fn begin(self, scene: &Scene) -> JoinHandle<()> {
        let api: Api<Pod> = Api::namespaced(scene.kube.clone(), "shop");
        let nodes = scene.nodes.clone();
        tokio::spawn(async move {
            for number in 0..self.pods {
                let node = &nodes[number % nodes.len()].name;
                let selector = format!("web{}", self.identity(number));
                let object = pod("shop", &format!("p{number}"), node, &selector);
                let object = serde_json::from_value(object).unwrap();
                create_at_last(&api, &object).await;
                sleep(self.pause).await;
            }
        })
    }

    /// Waits until each has its record, Assigned, and there is no other.
    pub(crate) async fn assigned(&self, scene: &Scene) -> Duration {
        let wanted: BTreeSet<String> = (0..self.pods)
            .map(|number| format!("default/p{number}-shop-web{}", self.identity(number)))
            .collect();
        let patience = Duration::from_secs(120);
        scene
            .within(patience, "all records, Assigned", async || {
                let states = scene.states().await;
                states.values().all(|state| state == "Assigned") && states.keys().eq(&wanted)
            })
            .await
    }

    /// Every machine has what its pods need, and nothing else.
    pub(crate) fn assert_held(&self, scene: &Scene) {
        for (node, of_node) in scene.nodes.iter().enumerate() {
            let here = (0..self.pods).filter(|number| {
                let placed = &scene.nodes[number % scene.nodes.len()];
                placed.compute == of_node.compute
            });
            let needed: BTreeSet<usize> = here.map(|number| self.identity(number)).collect();
            assert_eq!(
                scene.on(node),
                needed.into_iter().collect::<Vec<_>>(),
                "node {node}"
            );
        }
    }
}

async fn create_at_last(api: &Api<Pod>, pod: &Pod) {
    loop {
        match api.create(&PostParams::default(), pod).await {
            Ok(_) => return,
            // It had come to its end when the answer was lost.
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => return,
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Random times, by a seed that a failure tells.
struct Dice(u64);

impl Dice {
    fn thrown() -> Self {
        let given = std::env::var("CHAOS_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        println!("CHAOS_SEED={seed}");
        Self(seed | 1)
    }

    /// Xorshift: any will do.
    fn up_to(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most * u32::try_from(self.0 % 1_000).unwrap() / 1_000
    }
}

/// What must hold whenever nobody is at work: what is Assigned to a pod is there, and what is there is spoken of.
async fn assert_nothing_lost(scene: &Scene) {
    // An identity may come after this look, by a change of the last life, and go by one that a record speaks of.
    let held: Vec<Vec<usize>> = (0..scene.nodes.len()).map(|node| scene.on(node)).collect();
    let pods: Api<Pod> = Api::namespaced(scene.kube.clone(), "shop");
    let pods = pods.list(&ListParams::default()).await.unwrap();
    let pods: BTreeSet<_> = pods
        .iter()
        .filter_map(|pod| pod.metadata.name.clone())
        .collect();
    let mut spoken = vec![BTreeSet::new(); scene.nodes.len()];
    for record in scene.records().await {
        let (node, number) = named(scene, &record);
        let must_hold =
            record.state() == AssignedState::Assigned && pods.contains(&record.spec.pod);
        assert!(
            !must_hold || scene.on(node).contains(&number),
            "{:?}",
            record.metadata.name
        );
        let machine = &scene.nodes[node].compute;
        for (other, spoken) in scene.nodes.iter().zip(&mut spoken) {
            if other.compute == *machine {
                spoken.insert(number);
            }
        }
    }
    for (node, (held, spoken)) in held.iter().zip(&spoken).enumerate() {
        let unspoken: Vec<_> = held
            .iter()
            .filter(|number| !spoken.contains(number))
            .collect();
        assert!(
            unspoken.is_empty(),
            "{unspoken:?} on node {node}: no record would ever free them"
        );
    }
}

/// A record's node and identity, by their numbers.
fn named(scene: &Scene, record: &AzureAssignedIdentity) -> (usize, usize) {
    let mut nodes = scene.nodes.iter();
    let node = nodes.position(|node| node.name == record.spec.node_name);
    let identity = &record.spec.azure_identity_ref.spec;
    let (_, number) = identity
        .resource_id
        .as_deref()
        .unwrap()
        .rsplit_once("/id-")
        .unwrap();
    (node.unwrap(), number.parse().unwrap())
}

/// Lives of controllers, none of them long.
async fn lives(scene: &Scene, dice: &mut Dice, count: usize) {
    const LONGEST: Duration = Duration::from_millis(2_500);
    for _ in 0..count {
        let controller = scene.spawn(0, &[]);
        sleep(dice.up_to(LONGEST)).await;
        controller.kill();
        scene.bury().await;
        assert_nothing_lost(scene).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn killed_at_any_moment_again_and_again_it_comes_to_the_same_end() {
    let mut dice = Dice::thrown();
    let fleet = Fleet::new().scale_sets(3).instances(4).identities(13);
    let scene = Scene::with(fleet, |arm| {
        arm.operation_ms = 700;
        unthrottled(arm);
    })
    .await;
    let deployment = Deployment {
        pods: 60,
        identities: 12,
        pause: Duration::from_millis(150),
    };
    deployment.cast(&scene).await;
    let deploying = deployment.begin(&scene);
    lives(&scene, &mut dice, 14).await;
    deploying.await.unwrap();
    let controller = scene.leader(&[]).await;
    let took = deployment.assigned(&scene).await;
    println!(
        "after 14 lives: all Assigned {took:.1?} later, {:?}",
        scene.sim.arm_calls()
    );
    deployment.assert_held(&scene);
    let taken = scene
        .patches()
        .into_iter()
        .filter(|patch| takes(patch.body.as_ref()))
        .count();
    assert_eq!(taken, 0, "nothing had to be taken away yet");
    controller.kill();
    scene.bury().await;
    scene.delete_pods("shop").await;
    lives(&scene, &mut dice, 10).await;
    let _controller = scene.leader(&[]).await;
    scene.assigned(&[]).await;
    for node in 0..scene.nodes.len() {
        assert!(scene.on(node).is_empty(), "{:?}", scene.on(node));
    }
    println!("and back: {:?}", scene.sim.arm_calls());
}

fn takes(body: Option<&serde_json::Value>) -> bool {
    let identities = body.and_then(|body| body["identity"]["userAssignedIdentities"].as_object());
    identities.is_some_and(|identities| identities.values().any(serde_json::Value::is_null))
}
