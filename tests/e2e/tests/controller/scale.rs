//! Many pods, and what they cost. `SCALE=large` makes it twenty thousand, for ten minutes; times mean most of release
//! builds: `cargo build --release -p podgate-controller` and `cargo test --release --test controller -- --ignored scale::`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use podgate_api::AzureAssignedIdentity;
use podgate_e2e::node::percentiles;
use podgate_testkit::Fleet;
use tokio::time::{Instant, sleep};

use crate::fencing::unthrottled;
use crate::objects::{create, each, pod};
use crate::process::Controller;
use crate::scene::Scene;

/// A cluster, full of pods with an identity each.
#[derive(Clone, Copy)]
struct Load {
    pods: usize,
    identities: usize,
    scale_sets: usize,
    nodes_of_each: usize,
    /// Different identities that the pods of one scale set use.
    identities_of_each: usize,
    limit: Duration,
}

impl Load {
    fn nodes(self) -> usize {
        self.scale_sets * self.nodes_of_each
    }

    /// Neighbouring scale sets share some; each of all is used.
    fn identity(self, pod: usize) -> usize {
        let scale_set = pod % self.nodes() / self.nodes_of_each;
        let step = self.identities / self.scale_sets;
        let nth = (pod / self.nodes() + pod) % self.identities_of_each;
        (scale_set * step + nth) % self.identities + 1
    }

    /// All objects, and no controller.
    async fn laid_out(self) -> Scene {
        let fleet = Fleet::new()
            .scale_sets(self.scale_sets)
            .instances(self.nodes_of_each);
        let scene = Scene::with(fleet.identities(self.identities + 1), unthrottled).await;
        let begun = Instant::now();
        for number in 1..=self.identities {
            scene.cast("shop", &format!("web{number}"), number).await;
        }
        let (kube, nodes) = (scene.kube.clone(), scene.nodes.clone());
        each(self.pods, move |number| {
            let selector = format!("web{}", self.identity(number));
            let node = &nodes[number % nodes.len()].name;
            let object = pod("shop", &format!("p{number}"), node, &selector);
            let kube = kube.clone();
            async move { create::<Pod>(&kube, object).await }
        })
        .await;
        println!("the cluster is laid out after {:.0?}", begun.elapsed());
        scene
    }

    /// From the controller's taking charge to the last record.
    async fn assigned(self, scene: &Scene, controller: &Controller) -> Duration {
        let records: Api<AzureAssignedIdentity> = Api::all(scene.kube.clone());
        let begun = Instant::now();
        // To ask how many there are costs nothing; to list them all would be most of the work.
        while count(&records).await < self.pods {
            self.assert_in_time(begun);
            sleep(Duration::from_millis(100)).await;
        }
        println!("all records are there after {:.1?}", begun.elapsed());
        let all = format!(
            "podgate_controller_assignments{{state=\"assigned\"}} {}",
            self.pods
        );
        while !controller.metrics().await.contains(&format!("{all}\n")) {
            self.assert_in_time(begun);
            sleep(Duration::from_millis(100)).await;
        }
        let took = begun.elapsed();
        assert!(
            scene
                .states()
                .await
                .values()
                .all(|state| state == "Assigned")
        );
        took
    }

    fn assert_in_time(self, begun: Instant) {
        assert!(begun.elapsed() < self.limit, "not within {:?}", self.limit);
    }

    /// Runs it, prints it, and asserts what does not depend on the machine.
    async fn measure(self) -> (Scene, Controller) {
        let scene = self.laid_out().await;
        let controller = scene.leader(&[]).await;
        let took = self.assigned(&scene, &controller).await;
        println!(
            "{} pods, {} identities, {} scale sets, {} nodes: all Assigned after {took:.1?}; {:?}; \
             RSS {} MiB, {} of it heap (at most {} MiB); {:.1?} of processor time",
            self.pods,
            self.identities,
            self.scale_sets,
            self.nodes(),
            scene.sim.arm_calls(),
            controller.memory("VmRSS") / 1024,
            controller.memory("RssAnon") / 1024,
            controller.memory("VmHWM") / 1024,
            controller.cpu(),
        );
        assert_eq!(scene.sim.arm_calls().patches, self.scale_sets);
        (scene, controller)
    }
}

async fn count(records: &Api<AzureAssignedIdentity>) -> usize {
    let one = records
        .list_metadata(&ListParams::default().limit(1))
        .await
        .unwrap();
    let more = one.metadata.remaining_item_count.unwrap_or_default();
    one.items.len() + usize::try_from(more).unwrap()
}

/// A pod more among many, whose identity is there.
async fn one_more(scene: &Scene, controller: &Controller) {
    const ROUNDS: usize = 20;
    let records: Api<AzureAssignedIdentity> = Api::namespaced(scene.kube.clone(), "default");
    let (mut times, before) = (Vec::new(), controller.cpu());
    for round in 0..ROUNDS {
        let begun = Instant::now();
        scene.pod("shop", &format!("late{round}"), 0, "web1").await;
        let name = format!("late{round}-shop-web1");
        while records
            .get_opt(&name)
            .await
            .unwrap()
            .is_none_or(|record| record.state().as_str() != "Assigned")
        {
            assert!(begun.elapsed() < Duration::from_secs(30), "{name}");
            sleep(Duration::from_millis(2)).await;
        }
        times.push(begun.elapsed());
    }
    let each = (controller.cpu() - before) / u32::try_from(ROUNDS).unwrap();
    println!(
        "a pod more, created to Assigned: {:.1?}; {each:.1?} of processor time each",
        percentiles(times)
    );
}

const SMALL: Load = Load {
    pods: 2_000,
    identities: 50,
    scale_sets: 10,
    nodes_of_each: 10,
    identities_of_each: 20,
    limit: Duration::from_secs(120),
};

const LARGE: Load = Load {
    pods: 20_000,
    identities: 1_000,
    scale_sets: 100,
    nodes_of_each: 10,
    identities_of_each: 50,
    limit: Duration::from_secs(900),
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn pods_by_the_thousand_cost_a_patch_for_each_scale_set() {
    let load = match std::env::var("SCALE").as_deref() {
        Ok("large") => LARGE,
        _ => SMALL,
    };
    let (scene, controller) = load.measure().await;
    one_more(&scene, &controller).await;
}
