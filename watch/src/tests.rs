//! The loop, against an API server that misbehaves.

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::Sink;
use crate::testing::{Answer, Fake, event, list, page, status};

pub(crate) mod fixture;

use fixture::{Fixture, Known, SILENCE, Thing, Told, identity, node, pod, secret};

#[tokio::test]
async fn a_watch_that_lost_its_place_lists_again_and_drops_what_went_unseen() {
    let gone = event(
        "ERROR",
        &json!({"code": 410, "message": "too old resource version"}),
    );
    let fixture = Fixture::start(Thing::Pods, |fake| {
        let both = [pod("a", "10.0.0.1"), pod("b", "10.0.0.2")];
        fake.on(
            "pods",
            "list",
            [list(7, &both), list(90, &[pod("b", "10.0.0.2")])],
        );
        fake.on(
            "pods",
            "watch",
            [Answer::Lines(vec![gone]), Answer::Silence(Vec::new())],
        );
    })
    .await;
    fixture
        .until("the second list", |fixture| {
            fixture.has("b") && !fixture.has("a")
        })
        .await;
    assert!(fixture.counted("podgate_watch_restarts_total{kind=\"Pod\",reason=\"gone\"} 1"));
    fixture
        .until("the watch from there", |fixture| {
            fixture.asked("resourceVersion=90") == 1
        })
        .await;
    assert_eq!(fixture.known.complete(), 1, "the first list only is told");
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_where_it_was() {
    let fixture = Fixture::start(Thing::Pods, |fake| {
        let mut b = pod("b", "10.0.0.2");
        b["metadata"]["resourceVersion"] = json!("8");
        let bookmark = event("BOOKMARK", &json!({"metadata": {"resourceVersion": "23"}}));
        let lines = vec![event("ADDED", &b), bookmark];
        fake.on("pods", "list", [list(7, &[pod("a", "10.0.0.1")])]);
        fake.on(
            "pods",
            "watch",
            [Answer::Lines(lines), Answer::Silence(Vec::new())],
        );
    })
    .await;
    fixture
        .until("the second watch", |fixture| {
            fixture.asked("resourceVersion=23") == 1
        })
        .await;
    assert!(fixture.has("a") && fixture.has("b"));
    assert_eq!(
        fixture.asked("/api/v1/pods?&fieldSelector=spec.nodeName%3Dnode-1&limit"),
        1,
        "one list"
    );
    assert!(fixture.counted("podgate_watch_restarts_total{kind=\"Pod\",reason=\"ended\"} 1"));
}

#[tokio::test]
async fn half_a_list_takes_nothing_away() {
    let gone = event("ERROR", &json!({"code": 410}));
    let half = Answer::Whole(200, page(90, "more", &[pod("b", "10.0.0.2")]));
    let fixture = Fixture::start(Thing::Pods, |fake| {
        let both = [pod("a", "10.0.0.1"), pod("b", "10.0.0.2")];
        let cut = Answer::Cut(page(90, "", &[]));
        fake.on("pods", "list", [list(7, &both), half, cut, Answer::Nothing]);
        fake.on("pods", "watch", [Answer::Lines(vec![gone])]);
    })
    .await;
    fixture
        .until("the second page", |fixture| {
            fixture.asked("continue=more") == 1
        })
        .await;
    fixture
        .until("its failure", |fixture| {
            fixture.counted("podgate_watch_restarts_total{kind=\"Pod\",reason=\"connection\"} 1")
        })
        .await;
    assert!(fixture.has("a") && fixture.has("b"));
}

#[tokio::test]
async fn a_silent_watch_is_dialled_again_counted_and_its_state_stays() {
    let fixture = Fixture::start(Thing::Pods, |fake| {
        fake.on("pods", "list", [list(7, &[pod("a", "10.0.0.1")])]);
    })
    .await;
    fixture
        .until("the second watch", |fixture| {
            fixture.asked("/api/v1/pods?&watch=true") >= 2
        })
        .await;
    assert!(fixture.counted("podgate_watch_restarts_total{kind=\"Pod\",reason=\"silent\"}"));
    assert!(fixture.has("a"));
}

#[tokio::test]
async fn an_api_server_that_takes_a_request_and_never_answers_is_noticed() {
    let fixture = Fixture::start(Thing::Pods, |fake| {
        fake.on(
            "pods",
            "list",
            [Answer::Nothing, list(7, &[pod("a", "10.0.0.1")])],
        );
    })
    .await;
    fixture.ready().await;
    assert!(fixture.has("a"));
    assert!(fixture.counted("podgate_watch_restarts_total{kind=\"Pod\",reason=\"silent\"} 1"));
}

#[tokio::test]
async fn a_line_that_is_no_event_leads_to_a_list() {
    let fixture = Fixture::start(Thing::Pods, |fake| {
        fake.on(
            "pods",
            "list",
            [list(7, &[pod("a", "10.0.0.1")]), list(8, &[])],
        );
        let garbage = vec!["<html>".to_owned()];
        fake.on(
            "pods",
            "watch",
            [Answer::Lines(garbage), Answer::Silence(Vec::new())],
        );
    })
    .await;
    fixture
        .until("the second list", |fixture| {
            fixture.asked("resourceVersion=8") == 1
        })
        .await;
    assert!(!fixture.has("a"));
    assert!(fixture.counted("podgate_watch_restarts_total{kind=\"Pod\",reason=\"malformed\"} 1"));
}

#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_in_smaller_ones() {
    let fixture = Fixture::start(Thing::Identities, |fake| {
        let huge = Answer::Whole(200, " ".repeat((32 << 20) + 1));
        fake.on("azureidentities", "list", [huge, list(7, &[identity("a")])]);
    })
    .await;
    fixture.ready().await;
    assert_eq!(
        fixture.asked("azureidentities?&limit=62"),
        1,
        "{:?}",
        fixture.fake.requests()
    );
}

#[tokio::test]
async fn a_definition_that_is_gone_takes_its_objects_with_it_and_a_forbidden_list_does_not() {
    let refused = |code| {
        let lost = event("ERROR", &json!({"code": 500, "message": "lost"}));
        move |fake: &Fake| {
            let lists = [list(7, &[identity("a")]), status(code, "no")];
            fake.on("azureidentities", "list", lists);
            fake.on("azureidentities", "watch", [Answer::Lines(vec![lost])]);
        }
    };
    let fixture = Fixture::start(Thing::Identities, refused(404)).await;
    fixture.ready().await;
    fixture.until("its end", |fixture| !fixture.has("a")).await;
    let fixture = Fixture::start(Thing::Identities, refused(403)).await;
    fixture.ready().await;
    fixture
        .until("the refusal", |fixture| {
            fixture.problems().contains("the program may not list")
        })
        .await;
    assert!(fixture.has("a"), "what it said last stands");
}

#[tokio::test]
async fn a_definition_that_is_away_takes_nothing_that_stands_in_doubt() {
    let fixture = Fixture::start(Thing::Bindings, |fake| {
        let lost = event("ERROR", &json!({"code": 500, "message": "lost"}));
        let away = || status(404, "no such kind");
        let back = list(9, &[identity("b")]);
        let lists = [list(7, &[identity("a")]), away(), away(), back];
        fake.on("azureidentitybindings", "list", lists);
        let watches = [Answer::Lines(vec![lost]), Answer::Silence(Vec::new())];
        fake.on("azureidentitybindings", "watch", watches);
    })
    .await;
    fixture
        .until("the second 404", |fixture| {
            fixture.counted("reason=\"refused\"} 2")
        })
        .await;
    assert!(fixture.has("a"), "what it said last stands");
    assert!(
        fixture
            .problems()
            .contains("is not installed: apply api/crds"),
        "{}",
        fixture.problems()
    );
    fixture
        .until("its whole list", |fixture| {
            fixture.known.keys() == ["default/b"]
        })
        .await;
}

#[tokio::test]
async fn objects_without_a_namespace_are_watched_as_others_are() {
    let fixture = Fixture::start(Thing::Nodes, |fake| {
        fake.on("nodes", "list", [list(7, &[node("a"), node("b")])]);
        let lines = vec![event("DELETED", &node("a")), event("ADDED", &node("c"))];
        fake.on("nodes", "watch", [Answer::Silence(lines)]);
    })
    .await;
    fixture
        .until("its changes", |fixture| fixture.known.keys() == ["b", "c"])
        .await;
    assert_eq!(
        fixture.asked("/api/v1/nodes?"),
        fixture.asked("labelSelector=kubernetes.io%2Fos%3Dlinux"),
        "{:?}",
        fixture.fake.requests()
    );
    assert_eq!(fixture.known.unreadable(), 0);
}

#[tokio::test]
async fn why_there_is_no_such_object_is_told_until_it_comes() {
    let fixture = Fixture::start(Thing::Secret, |fake| {
        fake.on("secrets", "list", [status(403, "rbac"), list(7, &[])]);
        let made = vec![event("ADDED", &secret())];
        fake.on(
            "secrets",
            "watch",
            [Answer::Lines(Vec::new()), Answer::Silence(made)],
        );
    })
    .await;
    for told in ["forbidden", "absent", "1 "] {
        fixture
            .until(told, |fixture| {
                fixture.known.told("shop/login").as_deref() == Some(told)
            })
            .await;
    }
}

/// A sink behind which somebody takes his time.
struct Slow(mpsc::Sender<Option<Told>>);

impl Sink<Thing> for Slow {
    async fn apply(&mut self, object: Told) {
        self.0.send(Some(object)).await.unwrap();
    }

    async fn remove(&mut self, key: &String) {
        panic!("{key} goes, and nobody said so");
    }

    async fn complete(&mut self) {
        self.0.send(None).await.unwrap();
    }

    fn unreadable(&mut self) {
        panic!("all of it can be read");
    }
}

#[tokio::test]
async fn whoever_takes_his_time_gets_everything_in_order_and_no_watch_is_given_up_for_it() {
    const EACH: usize = 300;
    let named = |number: usize| pod(&format!("{number:03}"), "10.0.0.1");
    let (object_tx, mut object_rx) = mpsc::channel(1);
    let script = |fake: &Fake| {
        let listed: Vec<Value> = (0..EACH).map(named).collect();
        let added = (EACH..2 * EACH).map(|number| event("ADDED", &named(number)));
        fake.on("pods", "list", [list(7, &listed)]);
        fake.on("pods", "watch", [Answer::Silence(added.collect())]);
    };
    let fixture = Fixture::into(Thing::Pods, Slow(object_tx), Known::default(), script).await;
    let mut names = Vec::new();
    for position in 0..=2 * EACH {
        // In the middle of the list, and in the middle of the watch.
        if position == EACH / 2 || position == EACH + EACH / 2 {
            sleep(2 * SILENCE).await;
            assert!(
                !fixture.counted("watch_restarts_total{"),
                "{}",
                fixture.scrape()
            );
        }
        match object_rx.recv().await.unwrap() {
            Some((key, _)) => names.push(key),
            None => assert_eq!(position, EACH, "complete is what has been listed"),
        }
    }
    let all: Vec<String> = (0..2 * EACH).map(|n| format!("default/{n:03}")).collect();
    assert_eq!(names, all);
}
