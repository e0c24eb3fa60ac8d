use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use podgate_azure::imds::Selector;

use super::*;
use crate::pod::testing::{resolved, resolved_with};
use crate::world::testing::rules;
use crate::world::{Object, ObjectRef};

mod swap;
mod terms;

const A: &str = "11111111-1111-4111-8111-111111111111";
const B: &str = "22222222-2222-4222-8222-222222222222";

/// A plugin that answers as it is told, and counts.
struct Told {
    answer: fn() -> Result<Verdict, PluginError>,
    pure: bool,
    calls: AtomicUsize,
}

impl Told {
    fn new(pure: bool, answer: fn() -> Result<Verdict, PluginError>) -> Arc<Self> {
        Arc::new(Self {
            answer,
            pure,
            calls: AtomicUsize::new(0),
        })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl host::Policy for Told {
    fn name(&self) -> &str {
        "told"
    }

    fn is_pure(&self) -> bool {
        self.pure
    }

    async fn decide(&self, _: &PolicyQuestion) -> Result<Verdict, PluginError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        (self.answer)()
    }
}

fn broken() -> Result<Verdict, PluginError> {
    Err(PluginError::InvalidAnswer {
        plugin: "told".to_owned(),
        cause: "nonsense".to_owned(),
    })
}

fn overloaded() -> Result<Verdict, PluginError> {
    Err(PluginError::Overloaded {
        plugin: "told".to_owned(),
        cause: "places",
    })
}

fn unavailable() -> Result<Allowed, Refusal> {
    Err(Refusal::PolicyUnavailable {
        plugin: "told".to_owned(),
    })
}

fn restrict(ids: &[&str]) -> Verdict {
    Verdict::Restrict(ids.iter().map(|id| (*id).to_owned()).collect())
}

fn question() -> TokenQuestion {
    TokenQuestion {
        resource: "https://vault.azure.net".parse().unwrap(),
        selector: Selector::Unspecified,
        bypass_cache: false,
        route: crate::imds::Route::Token,
    }
}

/// A chain of one that denies when it fails.
fn alone(told: &Arc<Told>) -> Chain {
    Chain::new([(Arc::clone(told) as _, Terms::default())], Arc::default())
}

async fn judge(plugins: &[(Arc<Told>, OnFailure)]) -> Result<Allowed, Refusal> {
    let plugins = plugins
        .iter()
        .map(|(plugin, on_failure)| (Arc::clone(plugin) as _, (*on_failure).into()));
    let chain = Chain::new(plugins, Arc::default());
    let judged = chain
        .judge(
            &World::new(rules()),
            &resolved("pod", "10.0.0.1"),
            &question(),
        )
        .await;
    judged.map(|judgement| judgement.allowed().clone())
}

fn pass() -> (Arc<Told>, OnFailure) {
    (Told::new(true, || Ok(Verdict::Pass)), OnFailure::Deny)
}

#[tokio::test]
async fn an_empty_chain_and_one_that_passes_leave_it_to_the_bindings() {
    assert_eq!(judge(&[]).await, Ok(Allowed::Bound));
    assert_eq!(judge(&[pass(), pass()]).await, Ok(Allowed::Bound));
}

#[tokio::test]
async fn the_first_answer_but_pass_ends_the_chain() {
    let after = Told::new(true, || Ok(Verdict::Bypass));
    let deny = Told::new(true, || Ok(Verdict::Deny("no".to_owned())));
    let judged = judge(&[
        pass(),
        (deny, OnFailure::Deny),
        (Arc::clone(&after), OnFailure::Deny),
    ])
    .await;
    assert_eq!(
        judged,
        Err(Refusal::Denied {
            plugin: "told".to_owned(),
            reason: "no".to_owned()
        })
    );
    assert_eq!(after.calls(), 0);
    assert_eq!(judge(&[(after, OnFailure::Deny)]).await, Ok(Allowed::Node));
}

#[tokio::test]
async fn restrictions_only_ever_narrow() {
    let both = Told::new(true, || Ok(restrict(&[A, B])));
    let one = Told::new(true, || Ok(restrict(&[B])));
    let none = Told::new(true, || Ok(restrict(&[])));
    let (both, one, none) = (
        (both, OnFailure::Deny),
        (one, OnFailure::Deny),
        (none, OnFailure::Deny),
    );
    let only_b = Ok(Allowed::Restricted([B.parse().unwrap()].into()));
    assert_eq!(judge(&[both.clone(), one.clone()]).await, only_b);
    assert_eq!(judge(&[one, both.clone()]).await, only_b);
    assert!(matches!(
        judge(&[both, none]).await,
        Err(Refusal::Denied { .. })
    ));
}

#[tokio::test]
async fn a_bypass_after_a_restriction_is_a_denial() {
    let restricted = (Told::new(true, || Ok(restrict(&[A]))), OnFailure::Deny);
    let bypass = (Told::new(true, || Ok(Verdict::Bypass)), OnFailure::Deny);
    let judged = judge(&[restricted, bypass]).await;
    assert!(matches!(judged, Err(Refusal::Denied { .. })), "{judged:?}");
}

#[tokio::test]
async fn a_plugin_that_fails_denies_unless_its_operator_said_skip() {
    assert!(matches!(
        judge(&[(Told::new(true, broken), OnFailure::Deny)]).await,
        Err(Refusal::PolicyFailed { .. })
    ));
    assert_eq!(
        judge(&[(Told::new(true, broken), OnFailure::Skip), pass()]).await,
        Ok(Allowed::Bound)
    );
}

#[tokio::test]
async fn a_failure_that_may_pass_is_told_as_one() {
    let suspended = || Err(PluginError::suspended("told"));
    for failure in [suspended, overloaded] {
        let told = Told::new(true, failure);
        assert_eq!(judge(&[(told, OnFailure::Deny)]).await, unavailable());
    }
}

#[tokio::test]
async fn a_flood_of_calls_is_no_way_around_a_policy_that_is_skipped_when_it_fails() {
    let told = Told::new(true, overloaded);
    assert_eq!(judge(&[(told, OnFailure::Skip)]).await, unavailable());
}

#[tokio::test]
async fn want_of_room_is_not_held_against_the_pod_that_found_none() {
    let told = Told::new(true, overloaded);
    let chain = alone(&told);
    let (world, pod) = (World::new(rules()), resolved("pod", "10.0.0.1"));
    for _ in 0..10 {
        chain.judge(&world, &pod, &question()).await.unwrap_err();
    }
    assert_eq!(told.calls(), 10);
}

#[tokio::test]
async fn a_list_of_ids_has_a_bound_and_what_is_no_id_does_not_count() {
    let most = judge(&[(Told::new(true, || Ok(ids(256))), OnFailure::Deny)]).await;
    assert!(matches!(most, Ok(Allowed::Restricted(ids)) if ids.len() == 256));
    let over = judge(&[(Told::new(true, || Ok(ids(257))), OnFailure::Deny)]).await;
    assert!(matches!(over, Err(Refusal::Denied { reason, .. }) if reason.contains("257")));
    let nonsense = Told::new(true, || Ok(Verdict::Restrict(vec!["x".to_owned(); 1000])));
    let nothing = judge(&[(nonsense, OnFailure::Deny)]).await;
    assert!(matches!(nothing, Err(Refusal::Denied { .. })));
}

fn ids(count: u32) -> Verdict {
    let id = |number: u32| format!("{number:08x}-1111-4111-8111-111111111111");
    Verdict::Restrict((0..count).map(id).collect())
}

#[test]
fn plugins_see_ids_in_one_spelling() {
    let arm = "/subscriptions/S/resourceGroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/N";
    let upper = "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE";
    for (named, seen) in [
        (
            Selector::ClientId(upper.parse().unwrap()),
            host::IdentitySelector::ClientId(upper.to_lowercase()),
        ),
        (
            Selector::ObjectId(upper.parse().unwrap()),
            host::IdentitySelector::ObjectId(upper.to_lowercase()),
        ),
        (
            Selector::ResourceId(arm.parse().unwrap()),
            host::IdentitySelector::ResourceId(arm.to_lowercase()),
        ),
    ] {
        assert_eq!(question::selector(&named), seen);
    }
}

#[tokio::test]
async fn a_pure_plugin_is_asked_once_until_something_it_was_told_changes() {
    let told = Told::new(true, || Ok(Verdict::Pass));
    let chain = alone(&told);
    let world = World::new(rules());
    let pod = resolved("pod", "10.0.0.1");
    for _ in 0..5 {
        chain.judge(&world, &pod, &question()).await.unwrap();
    }
    assert_eq!(told.calls(), 1);
    let other = TokenQuestion {
        resource: "https://storage.azure.com".parse().unwrap(),
        ..question()
    };
    chain.judge(&world, &pod, &other).await.unwrap();
    assert_eq!(told.calls(), 2, "another request");
    chain
        .judge(&world, &resolved("other", "10.0.0.2"), &question())
        .await
        .unwrap();
    assert_eq!(told.calls(), 3, "another pod");
    world.apply(Object::Exception(
        ObjectRef::new("default", "e"),
        [("a".to_owned(), "b".to_owned())].into(),
    ));
    chain.judge(&world, &pod, &question()).await.unwrap();
    assert_eq!(told.calls(), 4, "another exception");
}

#[tokio::test]
async fn a_plugin_with_a_clock_is_asked_each_time() {
    let told = Told::new(false, || Ok(Verdict::Pass));
    let chain = alone(&told);
    let (world, pod) = (
        World::new(rules()),
        resolved_with("pod", "10.0.0.1", &[("a", "b")]),
    );
    for _ in 0..3 {
        chain.judge(&world, &pod, &question()).await.unwrap();
    }
    assert_eq!(told.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_keeps_failing_is_left_alone_for_a_while_and_then_tried_again() {
    let told = Told::new(true, broken);
    let chain = alone(&told);
    let (world, pod) = (World::new(rules()), resolved("pod", "10.0.0.1"));
    for _ in 0..100 {
        chain.judge(&world, &pod, &question()).await.unwrap_err();
    }
    assert_eq!(told.calls(), 3);
    let other = resolved("other", "10.0.0.2");
    chain.judge(&world, &other, &question()).await.unwrap_err();
    assert_eq!(told.calls(), 4, "another pod is asked for");
    tokio::time::sleep(std::time::Duration::from_millis(1001)).await;
    chain.judge(&world, &pod, &question()).await.unwrap_err();
    assert_eq!(told.calls(), 5);
}
