//! Whose entries are, who gets a place, and what takes them away.

use super::*;

/// Room for eight, four of them for each pod.
fn small() -> Fixture {
    let bounds = Bounds {
        entries: 8,
        entries_per_pod: 4,
        guaranteed_per_pod: 4,
        ..Bounds::default()
    };
    fixture_with(DAY, bounds, None)
}

impl Fixture {
    /// Brings in so many entries, whose names begin with the pod's.
    async fn fill(&self, pod: &str, count: usize) {
        for number in 0..count {
            self.entry(pod, pod, number).await.unwrap();
        }
    }

    async fn entry(&self, pod: &str, of: &str, number: usize) -> Result<Arc<Held>, Refusal> {
        let resource = format!("https://{of}-{number}.example");
        self.get_as(pod, &resource, false).await
    }

    fn gone(&self, pod: &str) {
        let uid = resolved(pod, "10.0.0.1").uid().clone();
        self.cache.forget(&Change::PodGone(uid));
    }

    /// Whether a pod gets this without a call.
    async fn holds(&self, pod: &str, of: &str, number: usize) -> bool {
        let before = self.authority.calls();
        self.entry(pod, of, number).await.is_ok() && self.authority.calls() == before
    }
}

#[tokio::test(start_paused = true)]
async fn pods_that_have_gone_leave_room_in_a_full_cache() {
    let fixture = small();
    for round in 0..20 {
        let pod = format!("short-{round}");
        fixture.fill(&pod, 4).await;
        fixture.gone(&pod);
    }
    assert_eq!(fixture.cache.len(), 8);
    fixture.fill("newcomer", 4).await;
}

#[tokio::test(start_paused = true)]
async fn no_newcomer_takes_the_place_of_a_live_pods_token() {
    let fixture = small();
    fixture.fill("a", 4).await;
    fixture.fill("b", 4).await;
    let refused = fixture.entry("newcomer", "newcomer", 0).await;
    assert!(matches!(refused, Err(Refusal::CacheFull { .. })));
    for number in 0..4 {
        assert!(fixture.holds("a", "a", number).await);
        assert!(fixture.holds("b", "b", number).await);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_live_pod_uses_is_its_own_once_the_first_owner_has_gone() {
    let fixture = small();
    fixture.fill("first", 1).await;
    fixture.gone("first");
    assert!(fixture.holds("heir", "first", 0).await);
    fixture.fill("a", 4).await;
    fixture.fill("b", 3).await;
    assert!(fixture.entry("newcomer", "newcomer", 0).await.is_err());
    assert!(fixture.holds("heir", "first", 0).await);
}

#[tokio::test(start_paused = true)]
async fn what_was_unused_for_longest_goes_first() {
    let fixture = small();
    fixture.fill("gone", 4).await;
    fixture.fill("live", 4).await;
    advance(Duration::from_secs(10)).await;
    fixture.entry("gone", "gone", 0).await.unwrap();
    fixture.gone("gone");
    for number in 0..3 {
        fixture.entry("newcomer", "newcomer", number).await.unwrap();
    }
    assert!(fixture.holds("newcomer", "gone", 0).await);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_unnoticed_is_found_by_the_sweep() {
    let fixture = small();
    fixture.fill("a", 4).await;
    fixture.fill("b", 4).await;
    assert!(fixture.entry("newcomer", "newcomer", 0).await.is_err());
    // Its world knows of no pod at all.
    fixture.sweeping();
    sleep(Duration::from_secs(6)).await;
    fixture.entry("newcomer", "newcomer", 0).await.unwrap();
}

fn key(number: usize) -> Key {
    Key {
        edition: "identity".into(),
        secret: 0,
        tenant: None,
        resource: format!("https://{number}.example").parse().unwrap(),
    }
}

/// Takes what it can, up to so many, and says how many that was.
fn takes(quota: &Quota, pod: usize, most: usize) -> usize {
    let uid = PodUid(format!("pod-{pod}").into());
    let taken = (0..most).take_while(|number| quota.take(&uid, &key(*number)));
    taken.count()
}

#[test]
fn greedy_pods_leave_every_pod_of_a_full_node_its_guaranteed_entries() {
    let bounds = Bounds::default();
    let quota = Quota::new(&bounds);
    for _ in 0..2 {
        let greedy: usize = (0..200).map(|pod| takes(&quota, pod, 100)).sum();
        let modest: Vec<usize> = (200..250).map(|pod| takes(&quota, pod, 16)).collect();
        assert!(modest.iter().all(|taken| *taken == 16), "{modest:?}");
        let total = greedy + modest.iter().sum::<usize>();
        assert_eq!(
            total, bounds.entries,
            "what is left over is for whoever comes first"
        );
        for pod in 0..250 {
            quota.forget(&PodUid(format!("pod-{pod}").into()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_pod_can_fill_its_own_share_and_nobody_elses() {
    let fixture = fixture_with(
        DAY,
        Bounds {
            entries_per_pod: 5,
            ..Bounds::default()
        },
        None,
    );
    for number in 0..5 {
        fixture
            .get_as("greedy", &format!("https://{number}.example"), false)
            .await
            .unwrap();
    }
    let over = fixture
        .get_as("greedy", "https://6.example", false)
        .await
        .unwrap_err();
    assert!(matches!(over, Refusal::CacheFull { share: 5, .. }));
    assert!(
        fixture
            .get_as("greedy", "https://0.example", false)
            .await
            .is_ok(),
        "what it has it keeps"
    );
    assert!(
        fixture
            .get_as("modest", "https://6.example", false)
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn a_shared_entry_takes_a_place_of_one_pod_only() {
    let bounds = Bounds {
        entries_per_pod: 2,
        ..Bounds::default()
    };
    let fixture = Arc::new(fixture_with(DAY, bounds, None));
    for round in 0..20 {
        let mut tasks = tokio::task::JoinSet::new();
        for pod in 0..50 {
            let fixture = Arc::clone(&fixture);
            tasks.spawn(async move {
                fixture
                    .get_as(&format!("pod-{pod}"), VAULT, false)
                    .await
                    .is_ok()
            });
        }
        assert!(
            tasks.join_all().await.into_iter().all(|good| good),
            "round {round}"
        );
        fixture
            .cache
            .forget(&Change::Identity(ObjectRef::new("default", "identity")));
        advance(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_pod_cannot_call_the_authority_without_bound() {
    let fixture = fixture_with(
        DAY,
        Bounds {
            burst_per_pod: 3,
            per_second_per_pod: 1,
            ..Bounds::default()
        },
        None,
    );
    fixture.authority.fails(outage());
    for number in 0..10 {
        fixture
            .get_as("greedy", &format!("https://{number}.example"), false)
            .await
            .unwrap_err();
    }
    assert!(
        fixture.authority.calls() <= 5,
        "{}",
        fixture.authority.calls()
    );
}

#[tokio::test(start_paused = true)]
async fn a_changed_identity_takes_its_tokens_with_it_at_once() {
    let fixture = fixture(DAY);
    fixture.token(VAULT).await;
    assert_eq!(fixture.cache.len(), 1);
    fixture
        .cache
        .forget(&Change::Identity(ObjectRef::new("default", "another")));
    assert_eq!(fixture.cache.len(), 1);
    fixture
        .cache
        .forget(&Change::Identity(ObjectRef::new("default", "identity")));
    assert!(fixture.cache.len() == 0);
}

#[tokio::test(start_paused = true)]
async fn another_edition_of_a_secret_is_another_key() {
    let secret = |text: &str| {
        Some(SecretData::new(BTreeMap::from([(
            "clientSecret".to_owned(),
            text.into(),
        )])))
    };
    let pod = resolved("pod", "10.0.0.1");
    let resource = VAULT.parse().unwrap();
    let key = |assignment: &Assignment| {
        Key::of(Request {
            pod: &pod,
            assignment,
            tenant: None,
            resource: &resource,
            bypass_cache: false,
        })
    };
    assert_ne!(
        key(&bound("identity", secret("old"))),
        key(&bound("identity", secret("new")))
    );
    assert_eq!(
        key(&bound("identity", secret("old"))),
        key(&bound("identity", secret("old")))
    );
    assert_ne!(
        key(&node(Selector::Unspecified)),
        key(&bound("identity", None))
    );
}
