use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::pod::testing::{resolved, resolved_with};
use crate::world::testing::rules;
use crate::world::{Object, ObjectRef};

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
    Err(PluginError::suspended("told"))
}

fn restrict(ids: &[&str]) -> Verdict {
    Verdict::Restrict(ids.iter().map(|id| (*id).to_owned()).collect())
}

fn question() -> TokenQuestion {
    TokenQuestion {
        resource: "https://vault.azure.net".parse().unwrap(),
        selector: Selector::Unspecified,
        bypass_cache: false,
    }
}

async fn judge(plugins: &[(Arc<Told>, OnFailure)]) -> Result<Allowed, Refusal> {
    let plugins = plugins
        .iter()
        .map(|(plugin, on_failure)| (Arc::clone(plugin) as _, *on_failure));
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
    let only_b = Ok(Allowed::Restricted(vec![B.parse().unwrap()]));
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
async fn a_pure_plugin_is_asked_once_until_something_it_was_told_changes() {
    let told = Told::new(true, || Ok(Verdict::Pass));
    let chain = Chain::new([(Arc::clone(&told) as _, OnFailure::Deny)], Arc::default());
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
    let chain = Chain::new([(Arc::clone(&told) as _, OnFailure::Deny)], Arc::default());
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
    let chain = Chain::new([(Arc::clone(&told) as _, OnFailure::Deny)], Arc::default());
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
