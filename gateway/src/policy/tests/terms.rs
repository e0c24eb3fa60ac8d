//! Scopes, and policies that only observe.

use super::*;
use crate::world::testing::pod as pod_of;

fn observing(told: &Arc<Told>) -> (Arc<dyn host::Policy>, Terms) {
    let terms = Terms {
        mode: Mode::Observe,
        ..Terms::default()
    };
    (Arc::clone(told) as _, terms)
}

fn observed(metrics: &Metrics, verdict: &str) -> bool {
    let series =
        format!("podgate_plugin_observed_total{{plugin=\"told\",verdict=\"{verdict}\"}} 1");
    metrics.render().contains(&series)
}

#[tokio::test]
async fn whatever_a_policy_that_observes_says_or_fails_at_decides_nothing_and_is_counted() {
    type Answers = fn() -> Result<Verdict, PluginError>;
    let cases: [(Answers, &str); 6] = [
        (|| Ok(Verdict::Pass), "pass"),
        (|| Ok(Verdict::Bypass), "bypass"),
        (|| Ok(Verdict::Deny("no".to_owned())), "deny"),
        (|| Ok(restrict(&[A])), "restrict"),
        (broken, "failed"),
        (overloaded, "failed"),
    ];
    for (answer, verdict) in cases {
        let (told, metrics) = (Told::new(true, answer), Arc::<Metrics>::default());
        let chain = Chain::new([observing(&told)], Arc::clone(&metrics));
        let judged = chain
            .judge(
                &World::new(rules()),
                &resolved("pod", "10.0.0.1"),
                &question(),
            )
            .await
            .unwrap();
        assert_eq!(
            (judged.allowed(), told.calls()),
            (&Allowed::Bound, 1),
            "{verdict}"
        );
        assert!(
            observed(&metrics, verdict),
            "{verdict}: {}",
            metrics.render()
        );
        assert_eq!(judged.is_certain(), verdict != "failed", "{verdict}");
    }
}

#[tokio::test]
async fn those_behind_a_policy_that_observes_decide_as_if_it_were_not_there() {
    let (observer, restricting) = (
        Told::new(true, || Ok(Verdict::Bypass)),
        Told::new(true, || Ok(restrict(&[B]))),
    );
    let plugins = [observing(&observer), (restricting as _, Terms::default())];
    let chain = Chain::new(plugins, Arc::default());
    let judged = chain
        .judge(
            &World::new(rules()),
            &resolved("pod", "10.0.0.1"),
            &question(),
        )
        .await
        .unwrap();
    assert_eq!(
        judged.allowed(),
        &Allowed::Restricted([B.parse().unwrap()].into())
    );
}

#[tokio::test]
async fn a_policy_is_not_asked_about_a_pod_out_of_its_scope() {
    let told = Told::new(true, || Ok(Verdict::Deny("no".to_owned())));
    let scope = Scope {
        namespaces: None,
        labels: Some([("tier".to_owned(), "back".to_owned())].into()),
    };
    assert!(!scope.covers(&pod_of("default", "pod", "10.0.0.1")));
    let terms = Terms {
        scope: Some(scope),
        ..Terms::default()
    };
    let chain = Chain::new([(Arc::clone(&told) as _, terms)], Arc::default());
    let world = World::new(rules());
    let other = resolved_with("pod", "10.0.0.1", &[("tier", "front")]);
    let judged = chain.judge(&world, &other, &question()).await.unwrap();
    assert_eq!((judged.allowed(), told.calls()), (&Allowed::Bound, 0));
    let meant = resolved_with("pod", "10.0.0.2", &[("tier", "back")]);
    chain.judge(&world, &meant, &question()).await.unwrap_err();
    assert_eq!(told.calls(), 1);
}
