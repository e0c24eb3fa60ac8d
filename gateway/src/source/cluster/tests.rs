use podgate_watch::testing::{Answer, Fake, event, list, status};
use serde_json::json;

use super::*;

mod fixture;
mod secrets;

use fixture::{Fixture, binding, identity, pod};

#[tokio::test]
async fn the_first_complete_state_of_every_kind_is_awaited_by_name_and_nobody_is_known_before() {
    let fixture = Fixture::start(Mode::Standard, |fake| {
        fake.on("pods", "list", [list(7, &[pod("a", "10.0.0.1")])]);
        fake.on(
            "azureidentitybindings",
            "list",
            [status(503, "starting"), list(7, &[])],
        );
        fake.on(
            "azurepodidentityexceptions",
            "list",
            [status(403, "forbidden"), list(7, &[])],
        );
        fake.on(
            "azureassignedidentities",
            "list",
            [status(404, "not found"), list(7, &[])],
        );
    })
    .await;
    fixture
        .until("the kinds that answered", |fixture| {
            fixture.readiness.awaited().len() == 3
        })
        .await;
    assert!(
        !fixture.has("a"),
        "a pod is nobody while a binding or an exception may be still to come"
    );
    let problems = fixture.problems().join("\n");
    assert!(
        problems.contains("list and watch azurepodidentityexceptions.aadpodidentity.k8s.io"),
        "{problems}"
    );
    let missing = "azureassignedidentities.aadpodidentity.k8s.io is not installed";
    assert!(problems.contains(missing), "{problems}");
    fixture.ready().await;
    assert!(fixture.has("a"));
    assert!(fixture.counted(
        "podgate_watch_restarts_total{kind=\"AzureAssignedIdentity\",reason=\"refused\"} 1"
    ));
}

#[tokio::test]
async fn managed_mode_never_asks_for_assigned_identities() {
    let fixture = Fixture::start(Mode::Managed, |_| {}).await;
    fixture.ready().await;
    assert_eq!(fixture.asked("azureassignedidentities"), 0);
    fixture
        .until("a list and a watch", |fixture| fixture.asked("/pods?") >= 2)
        .await;
    assert_eq!(
        fixture.asked("/pods?"),
        fixture.asked("fieldSelector=spec.nodeName%3Dnode-1")
    );
}

#[tokio::test]
async fn garbage_harms_only_itself_in_a_list_and_in_a_watch() {
    let fixture = Fixture::start(Mode::Managed, |fake| {
        let mut broken = identity("broken");
        broken["spec"]["type"] = json!("managed");
        fake.on(
            "pods",
            "list",
            [list(7, &[pod("a", "10.0.0.1"), json!({"metadata": 3})])],
        );
        fake.on(
            "azureidentities",
            "list",
            [list(7, &[broken, identity("good"), identity("later")])],
        );
        let bindings = ["broken", "good", "later"].map(|name| binding(name, name));
        fake.on("azureidentitybindings", "list", [list(7, &bindings)]);
        let mut later = identity("later");
        later["spec"] = json!(["none"]);
        let lines = vec![event("MODIFIED", &later)];
        fake.on("azureidentities", "watch", [Answer::Silence(lines)]);
    })
    .await;
    fixture.ready().await;
    fixture
        .until("the broken one", |fixture| {
            fixture
                .identities("a")
                .iter()
                .filter(|one| one.is_err())
                .count()
                == 2
        })
        .await;
    let identities = fixture.identities("a");
    assert_eq!(identities[1], Ok("good".to_owned()));
    assert!(
        fixture.counted("podgate_source_errors_total 3"),
        "{}",
        fixture.metrics.render()
    );
}

#[tokio::test]
async fn a_definition_that_is_gone_takes_its_objects_with_it_and_a_forbidden_list_does_not() {
    let refused = |code| {
        let lost = event("ERROR", &json!({"code": 500, "message": "lost"}));
        move |fake: &Fake| {
            fake.on("pods", "list", [list(7, &[pod("a", "10.0.0.1")])]);
            fake.on(
                "azureidentities",
                "list",
                [list(7, &[identity("id")]), status(code, "no")],
            );
            fake.on("azureidentities", "watch", [Answer::Lines(vec![lost])]);
            fake.on(
                "azureidentitybindings",
                "list",
                [list(7, &[binding("b", "id")])],
            );
        }
    };
    let fixture = Fixture::start(Mode::Managed, refused(404)).await;
    fixture.ready().await;
    fixture
        .until("the end of the identity", |fixture| {
            fixture.identities("a") == [Err("none".to_owned())]
        })
        .await;
    let fixture = Fixture::start(Mode::Managed, refused(403)).await;
    fixture.ready().await;
    fixture
        .until("the refusal", |fixture| {
            fixture.problems().join("").contains("may not list")
        })
        .await;
    assert_eq!(
        fixture.identities("a"),
        [Ok("id".to_owned())],
        "what it said last stands"
    );
}
