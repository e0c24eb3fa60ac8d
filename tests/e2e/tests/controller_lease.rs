//! Leader election by a Lease of a real API server, with the rights that it needs and no others.
//!
//! They need the test control plane: `cargo xtask test --only controller-lease`.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Api, DeleteParams, PostParams};
use parking_lot::Mutex;
use podgate_controller::lease::{ApiStore, Candidacy, Candidate, Leadership, Tenure};
use podgate_e2e::node::apply;
use podgate_testkit::{ControlPlane, client_of};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const NAMESPACE: &str = "default";
const NAME: &str = "aad-pod-identity-mic";
const ACCOUNT: &str = "system:serviceaccount:podgate:podgate-controller";
/// Of the Lease. Short, and still long enough for an API server on a machine that compiles beside it.
const DURATION: Duration = Duration::from_secs(6);
/// For what takes no longer than a few durations.
const SOON: Duration = Duration::from_secs(60);

/// The name of the Lease is known, but RBAC knows no name of what is being created.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: podgate-controller, namespace: default }
rules:
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    verbs: [create]
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    resourceNames: [aad-pod-identity-mic]
    verbs: [get, watch, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: podgate-controller, namespace: default }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: podgate-controller }
subjects:
  - { kind: User, apiGroup: rbac.authorization.k8s.io, name: 'system:serviceaccount:podgate:podgate-controller' }
";

struct Scene {
    plane: ControlPlane,
    leases: Api<Lease>,
}

/// A candidate that runs.
struct Standing {
    identity: String,
    leadership: Leadership,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Scene {
    async fn start(rights: bool) -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let kube = plane.client().await.unwrap();
        if rights {
            apply(&kube, RIGHTS).await.unwrap();
        }
        Self {
            leases: Api::namespaced(kube, NAMESPACE),
            plane,
        }
    }

    /// One that nobody holds: a Lease that is not there counts as held.
    async fn lease(&self) {
        let mut lease = Lease::default();
        lease.metadata.name = Some(NAME.to_owned());
        self.leases
            .create(&PostParams::default(), &lease)
            .await
            .unwrap();
    }

    async fn spec(&self) -> LeaseSpec {
        self.leases.get(NAME).await.unwrap().spec.unwrap()
    }

    async fn candidate(&self, instance: &str) -> Standing {
        let text = self
            .plane
            .kubeconfig_for(ACCOUNT, "system:serviceaccounts")
            .unwrap();
        let candidacy = Candidacy {
            namespace: NAMESPACE.to_owned(),
            name: NAME.to_owned(),
            instance: instance.to_owned(),
            duration: format!("{}s", DURATION.as_secs()).parse().unwrap(),
        };
        let store = ApiStore::new(client_of(&text).await.unwrap(), &candidacy);
        let candidate = Candidate::new(store, candidacy);
        let (identity, leadership) = (candidate.identity().to_owned(), candidate.leadership());
        let (shutdown, mut told) = watch::channel(false);
        let task = tokio::spawn(candidate.run(async move {
            let _ = told.wait_for(|told| *told).await;
        }));
        Standing {
            identity,
            leadership,
            shutdown,
            task,
        }
    }
}

impl Standing {
    async fn elected(&self) -> Tenure {
        let elected = timeout(SOON, self.leadership.elected()).await;
        elected.unwrap_or_else(|_| panic!("not elected: {:?}", self.leadership.problem()))
    }

    fn leads(&self) -> bool {
        self.leadership.tenure().is_some()
    }

    async fn resign(self) {
        self.shutdown.send_replace(true);
        timeout(SOON, self.task).await.unwrap().unwrap();
    }
}

/// Everybody who ever stood for election.
#[derive(Clone, Default)]
struct Crowd(Arc<Mutex<Vec<Leadership>>>);

impl Crowd {
    fn join(&self, standing: Standing) -> Standing {
        self.0.lock().push(standing.leadership.clone());
        standing
    }

    /// Looks each millisecond: how often, and how many led at one time.
    async fn most(self, done: watch::Receiver<bool>) -> (u64, usize) {
        let (mut looks, mut most) = (0, 0);
        while !*done.borrow() {
            let leads = |one: &&Leadership| one.tenure().is_some();
            most = self.0.lock().iter().filter(leads).count().max(most);
            looks += 1;
            sleep(Duration::from_millis(1)).await;
        }
        (looks, most)
    }
}

async fn somebody(standing: &[Standing]) {
    let elected = async {
        while !standing.iter().any(Standing::leads) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, elected).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller-lease"]
async fn a_lease_is_taken_renewed_given_back_and_followed_at_once() {
    let scene = Scene::start(true).await;
    scene.lease().await;
    let first = scene.candidate("mic-1").await;
    let tenure = first.elected().await;
    let taken = scene.spec().await;
    assert_eq!(taken.holder_identity.as_ref(), Some(&first.identity));
    assert_eq!(taken.lease_duration_seconds, Some(6));
    let second = scene.candidate("mic-2").await;
    sleep(2 * DURATION).await;
    assert!(tenure.is_current() && !second.leads());
    assert_eq!(second.leadership.leader().as_ref(), Some(&first.identity));
    let renewed = scene.spec().await;
    assert!(renewed.renew_time > taken.renew_time);
    assert_eq!(renewed.acquire_time, taken.acquire_time);
    let told = Instant::now();
    first.resign().await;
    assert!(!tenure.is_current());
    second.elected().await;
    let handover = told.elapsed();
    println!("the standby led {handover:.1?} after the leader was told to stop");
    assert!(
        handover < DURATION / 4,
        "a watch tells it before its next look: {handover:?}"
    );
    let followed = scene.spec().await;
    assert_eq!(followed.holder_identity.as_ref(), Some(&second.identity));
    assert_eq!(
        followed.lease_transitions,
        taken.lease_transitions.map(|number| number + 1)
    );
    second.resign().await;
    assert_eq!(scene.spec().await.holder_identity.as_deref(), Some(""));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller-lease"]
async fn a_tenure_ends_at_its_deadline_while_the_api_server_is_frozen_or_away_and_comes_again_after()
 {
    let scene = Scene::start(true).await;
    scene.lease().await;
    let mic = scene.candidate("mic").await;
    let tenure = mic.elected().await;
    scene.plane.freeze().unwrap();
    let (frozen, left) = (Instant::now(), tenure.remaining());
    timeout(SOON, tenure.ended()).await.unwrap();
    let held = frozen.elapsed();
    scene.plane.thaw().unwrap();
    assert!(
        held <= left + Duration::from_secs(1),
        "{held:?}, and {left:?} were left"
    );
    let tenure = mic.elected().await;
    scene.plane.stop_apiserver().await.unwrap();
    timeout(DURATION, tenure.ended()).await.unwrap();
    let told = async {
        while mic.leadership.problem().is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, told).await.unwrap();
    scene.plane.start_apiserver().await.unwrap();
    mic.elected().await;
    let spec = scene.spec().await;
    assert_eq!(spec.holder_identity.as_ref(), Some(&mic.identity));
    mic.resign().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller-lease"]
async fn of_three_candidates_never_more_than_one_leads_through_outages_and_deletions_of_the_lease()
{
    let scene = Scene::start(true).await;
    let mut standing = Vec::new();
    let crowd = Crowd::default();
    for _ in 0..3 {
        standing.push(crowd.join(scene.candidate("mic").await));
    }
    let (done, is_done) = watch::channel(false);
    let watched = tokio::spawn(crowd.clone().most(is_done));
    somebody(&standing).await;
    scene.plane.freeze().unwrap();
    sleep(DURATION).await;
    scene.plane.thaw().unwrap();
    somebody(&standing).await;
    scene
        .leases
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    standing.push(crowd.join(scene.candidate("mic").await));
    sleep(2 * DURATION).await;
    somebody(&standing).await;
    scene.plane.stop_apiserver().await.unwrap();
    sleep(DURATION / 4).await;
    scene.plane.start_apiserver().await.unwrap();
    somebody(&standing).await;
    let leader = standing.iter().position(Standing::leads).unwrap();
    standing.swap_remove(leader).resign().await;
    somebody(&standing).await;
    done.send_replace(true);
    let (looks, most) = watched.await.unwrap();
    assert!(
        looks > 1000 && most == 1,
        "{most} at one time, in {looks} looks"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller-lease"]
async fn a_right_that_is_missing_is_named_and_the_election_goes_on_once_it_is_given() {
    let scene = Scene::start(false).await;
    let mic = scene.candidate("mic").await;
    let told = async {
        loop {
            match mic.leadership.problem() {
                Some(problem) => return problem,
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let problem = timeout(SOON, told).await.unwrap();
    for words in [
        "the lease default/aad-pod-identity-mic",
        "403",
        "get, watch, create and update of leases",
    ] {
        assert!(problem.contains(words), "{words}: {problem}");
    }
    let kube = scene.plane.client().await.unwrap();
    apply(&kube, RIGHTS).await.unwrap();
    mic.elected().await;
    assert_eq!(mic.leadership.problem(), None);
    assert_eq!(
        scene.spec().await.lease_transitions,
        Some(0),
        "it made the Lease itself"
    );
    mic.resign().await;
}
