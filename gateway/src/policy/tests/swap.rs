//! One set of plugins takes the place of another.

use tokio::sync::Notify;

use super::*;

/// A plugin that answers when it is let go.
struct Slow {
    asked: Notify,
    go: Notify,
}

#[async_trait]
impl host::Policy for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn is_pure(&self) -> bool {
        true
    }

    async fn decide(&self, _: &PolicyQuestion) -> Result<Verdict, PluginError> {
        self.asked.notify_one();
        self.go.notified().await;
        Ok(Verdict::Pass)
    }
}

fn deny() -> Arc<Told> {
    Told::new(true, || Ok(Verdict::Deny("no".to_owned())))
}

fn plugin(told: &Arc<Told>) -> (Arc<dyn host::Policy>, Terms) {
    (Arc::clone(told) as _, Terms::default())
}

#[tokio::test]
async fn a_judgement_under_way_ends_with_the_plugins_it_began_with() {
    let slow = Arc::new(Slow {
        asked: Notify::new(),
        go: Notify::new(),
    });
    let after = Told::new(true, || Ok(restrict(&[A])));
    let plugins = [(Arc::clone(&slow) as _, Terms::default()), plugin(&after)];
    let chain = Arc::new(Chain::new(plugins, Arc::default()));
    let (world, judging) = (World::new(rules()), Arc::clone(&chain));
    let (pod, asked) = (resolved("pod", "10.0.0.1"), world.clone());
    let judged = tokio::spawn(async move { judging.judge(&asked, &pod, &question()).await });
    slow.asked.notified().await;
    chain.replace([plugin(&deny())]);
    let other = resolved("other", "10.0.0.2");
    chain.judge(&world, &other, &question()).await.unwrap_err();
    slow.go.notify_one();
    let judged = judged.await.unwrap().unwrap();
    assert_eq!(
        judged.allowed(),
        &Allowed::Restricted([A.parse().unwrap()].into())
    );
    assert_eq!(after.calls(), 1);
}

#[tokio::test]
async fn no_verdict_is_remembered_from_one_set_to_the_next() {
    let told = Told::new(true, || Ok(Verdict::Pass));
    let chain = alone(&told);
    let (world, pod) = (World::new(rules()), resolved("pod", "10.0.0.1"));
    for calls in 1..4 {
        for _ in 0..3 {
            chain.judge(&world, &pod, &question()).await.unwrap();
        }
        assert_eq!(told.calls(), calls);
        chain.replace([plugin(&told)]);
    }
    chain.replace([plugin(&deny())]);
    chain.judge(&world, &pod, &question()).await.unwrap_err();
}

#[tokio::test]
async fn a_judgement_says_by_its_own_set_whether_it_may_be_remembered() {
    let impure = Told::new(false, || Ok(Verdict::Pass));
    let pure = Told::new(true, || Ok(Verdict::Pass));
    let chain = alone(&impure);
    let (world, pod) = (World::new(rules()), resolved("pod", "10.0.0.1"));
    let before = chain.judge(&world, &pod, &question()).await.unwrap();
    chain.replace([plugin(&pure)]);
    let after = chain.judge(&world, &pod, &question()).await.unwrap();
    assert_eq!((before.is_certain(), after.is_certain()), (false, true));
}
