use prometheus_client::encoding::text::encode;

use super::*;

fn scrape(freshness: &Arc<Freshness>) -> String {
    let mut registry = Registry::default();
    let own = registry.sub_registry_with_prefix("podgate");
    freshness.register(own);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_silent_for_more_than_90_seconds_is_stale_until_it_is_heard_of() {
    let freshness = Arc::new(Freshness::default());
    let beat = freshness.watch("Pod", "pods of node n".to_owned());
    beat.complete();
    tokio::time::advance(Duration::from_secs(90)).await;
    assert!(scrape(&freshness).contains("podgate_watch_stale{kind=\"Pod\"} 0\n"));
    tokio::time::advance(Duration::from_secs(1)).await;
    let text = scrape(&freshness);
    assert!(
        text.contains("podgate_watch_stale{kind=\"Pod\"} 1\n"),
        "{text}"
    );
    assert!(
        text.contains("podgate_watch_age_seconds{kind=\"Pod\"} 91.0\n"),
        "{text}"
    );
    assert_eq!(
        freshness.problems(),
        ["pods of node n: last heard of 91 s ago, served as it was then"]
    );
    assert_eq!(beat.heard(), Duration::from_secs(91));
    assert!(scrape(&freshness).contains("podgate_watch_stale{kind=\"Pod\"} 0\n"));
    assert!(freshness.problems().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_watch_of_a_kind_is_the_one_that_is_told_and_goes_with_its_watch() {
    let freshness = Arc::new(Freshness::default());
    let old = freshness.watch("Secret", "Secret a/b".to_owned());
    tokio::time::advance(Duration::from_secs(7)).await;
    let _young = freshness.watch("Secret", "Secret a/c".to_owned());
    assert!(scrape(&freshness).contains("podgate_watch_age_seconds{kind=\"Secret\"} 7.0\n"));
    drop(old);
    assert!(scrape(&freshness).contains("podgate_watch_age_seconds{kind=\"Secret\"} 0.0\n"));
}

#[tokio::test(start_paused = true)]
async fn what_a_watch_waits_for_is_told_with_its_problem_and_its_restarts_are_counted_by_reason() {
    let freshness = Arc::new(Freshness::default());
    let beat = freshness.watch("AzureIdentity", "AzureIdentity list".to_owned());
    beat.failed("no such kind".to_owned());
    beat.restarted(Restart::Refused);
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(
        freshness.problems(),
        ["AzureIdentity list: awaited for 3 s: no such kind"]
    );
    let counted = "podgate_watch_restarts_total{kind=\"AzureIdentity\",reason=\"refused\"} 1\n";
    assert!(
        scrape(&freshness).contains(counted),
        "{}",
        scrape(&freshness)
    );
}

#[tokio::test(start_paused = true)]
async fn objects_that_stand_as_they_were_make_a_watch_outdated_and_no_less_whole() {
    let freshness = Arc::new(Freshness::default());
    let beat = freshness.watch("AzureIdentity", "AzureIdentity list".to_owned());
    assert!(!freshness.is_whole(), "nothing is known yet");
    beat.complete();
    beat.kept(2);
    assert!(freshness.is_whole());
    let stale = "podgate_watch_stale{kind=\"AzureIdentity\"} 1\n";
    assert!(scrape(&freshness).contains(stale));
    let told = "AzureIdentity list: last heard of 0 s ago, served as it was then: 2 of them \
                cannot be read and stand as they were";
    assert_eq!(freshness.problems(), [told]);
    beat.kept(0);
    assert!(!scrape(&freshness).contains(stale) && freshness.problems().is_empty());
    tokio::time::advance(STALE + Duration::from_secs(1)).await;
    assert!(!freshness.is_whole(), "who knows what has changed");
    beat.heard();
    assert!(freshness.is_whole());
}

#[test]
fn a_node_with_thousands_of_broken_watches_tells_the_first_few() {
    let freshness = Arc::new(Freshness::default());
    let beats: Vec<Beat> = (0..1000)
        .map(|number| freshness.watch("Secret", format!("Secret a/{number}")))
        .inspect(|beat| beat.failed("x".to_owned()))
        .collect();
    assert_eq!(freshness.problems().len(), MAX_LINES + 1);
    assert_eq!(freshness.problems().last().unwrap(), "and 980 more");
    drop(beats);
}
