//! A leader that cannot know that it is none any more: whatever it had in hand, it writes nothing.
//!
//! Who wrote what is known by [witnesses](crate::witness) at the API server, and at ARM by the identity that asked: the
//! two controllers are two there.

use std::time::Duration;

use podgate_testkit::{ArmBucket, ArmLimit, ArmSettings, Fault, FaultKind, Fleet, Target};

use crate::kills::Deployment;
use crate::process::Controller;
use crate::scene::{Scene, now_ms};
use crate::witness::Witness;

const FLAGS: [&str; 1] = ["--leader-election-duration=6s"];

/// Everything but throttling.
pub(crate) fn unthrottled(arm: &mut ArmSettings) {
    let wide = ArmBucket {
        capacity: 100_000,
        per_minute: 100_000,
    };
    let limits = [
        ArmLimit::ScaleSetGet,
        ArmLimit::ScaleSetGetAll,
        ArmLimit::ScaleSetUpdate,
        ArmLimit::ScaleSetUpdateAll,
        ArmLimit::Operation,
        ArmLimit::OperationAll,
        ArmLimit::Reads,
        ArmLimit::Writes,
    ];
    arm.buckets = limits.map(|limit| (limit, wide)).into();
}

struct Ground {
    scene: Scene,
    leader: Controller,
    standby: Controller,
    witnesses: [Witness; 2],
}

impl Ground {
    /// Twenty scale sets, each of which gets a new identity from time to time: there is always something to be asked.
    async fn lay() -> Self {
        let fleet = Fleet::new().scale_sets(20).identities(8);
        let scene = Scene::with(fleet, |arm| {
            arm.operation_ms = 300;
            unthrottled(arm);
        })
        .await;
        let witnesses = [
            Witness::before(&scene.kubeconfig(0)).await,
            Witness::before(&scene.kubeconfig(1)).await,
        ];
        scene.mark(0);
        let leader = scene.spawn(0, &FLAGS);
        scene.active(&leader).await;
        let standby = scene.spawn(1, &FLAGS);
        scene
            .until("a standby", async || standby.health().await.is_some())
            .await;
        Self {
            scene,
            leader,
            standby,
            witnesses,
        }
    }

    /// The leader is in the middle of it.
    async fn busy(&self) {
        let busy =
            async || self.witnesses[0].writes(0).len() > 40 && !self.scene.marked(0).is_empty();
        self.scene.until("a leader at work", busy).await;
    }

    /// What the old leader changed since then at the API server: what is refused changes nothing.
    fn changed_since(&self, since_ms: u64) -> Vec<String> {
        let writes = self.witnesses[0].writes(since_ms).into_iter();
        let changes = writes.filter(|one| one.status.is_none_or(|status| status < 300));
        changes
            .map(|one| format!("{} {}", one.verb, one.path))
            .collect()
    }

    async fn assert_taken_over(&self, deployment: &Deployment) {
        deployment.assigned(&self.scene).await;
        deployment.assert_held(&self.scene);
        let [old, new] = &self.witnesses;
        println!(
            "writes: {} of the old leader, {} of the new one; PATCHes: {} of the old one, {} in all",
            old.writes(0).len(),
            new.writes(0).len(),
            self.scene.marked(0).len(),
            self.scene.patches().len()
        );
        assert!(new.writes(0).len() > 40, "the new leader had nothing to do");
    }
}

const DEPLOYMENT: Deployment = Deployment {
    pods: 400,
    identities: 7,
    pause: Duration::from_millis(40),
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_leader_frozen_past_its_lease_and_thawed_writes_nothing_any_more() {
    let mut ground = Ground::lay().await;
    DEPLOYMENT.cast(&ground.scene).await;
    let deploying = DEPLOYMENT.begin(&ground.scene);
    ground.busy().await;
    ground.leader.signal("STOP");
    let took = ground.scene.active(&ground.standby).await;
    println!("the standby leads {took:.1?} after the freeze");
    let before = ground.witnesses[1].writes(0).len();
    ground
        .scene
        .until("the new leader at work", async || {
            ground.witnesses[1].writes(0).len() > before + 20
        })
        .await;
    assert!(
        !deploying.is_finished(),
        "there is nothing left that the old one could do"
    );
    let thawed = now_ms();
    ground.leader.signal("CONT");
    ground
        .scene
        .until("the old leader's end", async || {
            ground.leader.ended().is_some()
        })
        .await;
    assert!(!ground.leader.ended().unwrap().success());
    deploying.await.unwrap();
    ground.assert_taken_over(&DEPLOYMENT).await;
    let attempts = ground.witnesses[0].writes(thawed).len();
    println!("writes that the old leader tried after the thaw: {attempts}");
    assert_eq!(ground.changed_since(thawed), Vec::<String>::new());
    assert_eq!(
        ground.scene.marked(thawed).len(),
        0,
        "{:#?}",
        ground.scene.marked(thawed)
    );
}

/// It reaches Azure as before, and there is work in hand: every change was refused so far.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_leader_cut_off_from_the_api_server_asks_nothing_of_azure_after_its_tenure() {
    let mut ground = Ground::lay().await;
    let scene = &ground.scene;
    let away = Fault::new(Target::Arm, FaultKind::throttled(1)).for_method("PATCH");
    scene.sim.fail(away);
    let deployment = Deployment {
        pods: 60,
        pause: Duration::ZERO,
        ..DEPLOYMENT
    };
    deployment.cast(scene).await;
    deployment.begin(scene).await.unwrap();
    ground.busy().await;
    ground.witnesses[0].cut();
    let cut = now_ms();
    let scene = &ground.scene;
    scene
        .until("the old leader's end", async || {
            ground.leader.ended().is_some()
        })
        .await;
    let ended = now_ms();
    scene.active(&ground.standby).await;
    scene.sim.recover();
    // What is recovered forgot the mark: none is needed, the old leader has ended.
    ground.assert_taken_over(&deployment).await;
    println!("cut off, it ended after {} ms", ended - cut);
    assert!(ended - cut < 6_000, "a standby may lead by then");
}
