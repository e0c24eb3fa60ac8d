use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::pod::testing::resolved_with;
use crate::policy::testing::judged;
use crate::world::testing::rules as identity_rules;
use crate::world::{Object, ObjectKey, ObjectRef};

const WEB: &str = "11111111-1111-4111-8111-111111111111";
const DATA: &str = "22222222-2222-4222-8222-222222222222";

fn rules(mode: Mode) -> Rules {
    Rules {
        mode,
        namespaced: true,
        default_identity: DefaultIdentity::Refuse,
        wait: Duration::from_secs(10),
    }
}

fn resource_id(name: &str) -> String {
    format!(
        "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
}

fn identity_json(namespace: &str, name: &str, client_id: &str) -> Value {
    json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}")},
        "spec": {"clientID": client_id, "resourceID": resource_id(name)}})
}

fn binding_json(namespace: &str, name: &str, identity: &str, weight: i64) -> Value {
    json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentityBinding",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"azureIdentity": identity, "selector": "web", "weight": weight}})
}

struct Fixture(World);

impl Fixture {
    fn new() -> Self {
        Self(World::new(identity_rules()))
    }

    fn identity(self, namespace: &str, name: &str, client_id: &str) -> Self {
        let wire = serde_json::from_value(identity_json(namespace, name, client_id)).unwrap();
        self.0.apply(Object::Identity(Box::new(wire)));
        self
    }

    fn binding(self, namespace: &str, name: &str, identity: &str) -> Self {
        self.weighted(namespace, name, identity, 0)
    }

    fn weighted(self, namespace: &str, name: &str, identity: &str, weight: i64) -> Self {
        let wire: podgate_api::AzureIdentityBinding =
            serde_json::from_value(binding_json(namespace, name, identity, weight)).unwrap();
        self.0.apply(Object::Binding(wire.into()));
        self
    }

    fn assigned(&self, name: &str, client_id: &str, state: &str) {
        let wire = json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureAssignedIdentity",
            "metadata": {"name": format!("pod-default-{name}"), "namespace": "default"},
            "spec": {"azureIdentityRef": identity_json("default", name, client_id),
                "azureBindingRef": binding_json("default", name, name, 0),
                "pod": "pod", "podNamespace": "default", "nodename": "node"},
            "status": {"status": state}});
        self.0.apply(Object::Assigned(Box::new(
            serde_json::from_value(wire).unwrap(),
        )));
    }

    async fn find(&self, selector: &str, rules: &Rules) -> Result<Vec<String>, Refusal> {
        self.find_allowed(selector, Allowed::Bound, rules).await
    }

    async fn find_allowed(
        &self,
        selector: &str,
        allowed: Allowed,
        rules: &Rules,
    ) -> Result<Vec<String>, Refusal> {
        let pod = resolved_with("pod", "10.0.0.1", &[("aadpodidbinding", "web")]);
        let found = find(&self.0, &pod, &question(selector), &judged(allowed), rules).await?;
        Ok(found
            .iter()
            .map(|assignment| match assignment.whose() {
                Whose::Bound { identity, .. } => identity.object.to_string(),
                Whose::Node(selector) => format!("{selector:?}"),
            })
            .collect())
    }
}

fn question(selector: &str) -> TokenQuestion {
    let selector = match selector.split_once('=') {
        None => Selector::Unspecified,
        Some(("client_id", id)) => Selector::ClientId(id.parse().unwrap()),
        Some(("object_id", id)) => Selector::ObjectId(id.parse().unwrap()),
        Some((_, id)) => Selector::ResourceId(id.parse().unwrap()),
    };
    TokenQuestion {
        resource: "https://vault.azure.net".parse().unwrap(),
        selector,
        bypass_cache: false,
        route: crate::imds::Route::Token,
    }
}

fn two() -> Fixture {
    Fixture::new()
        .identity("default", "web", WEB)
        .identity("default", "data", DATA)
        .binding("default", "b1", "web")
        .binding("default", "b2", "data")
}

#[tokio::test(start_paused = true)]
async fn managed_mode_takes_the_bindings_word() {
    let fixture = Fixture::new()
        .identity("default", "web", WEB)
        .binding("default", "b", "web");
    assert_eq!(
        fixture.find("", &rules(Mode::Managed)).await.unwrap(),
        ["default/web"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_id_and_a_resource_id_select_in_any_case() {
    let (fixture, rules) = (two(), rules(Mode::Managed));
    for selector in [
        format!("client_id={DATA}"),
        format!("client_id={}", DATA.to_uppercase()),
        format!("id={}", resource_id("data")),
        format!("id={}", resource_id("data").to_uppercase()),
    ] {
        assert_eq!(
            fixture.find(&selector, &rules).await.unwrap(),
            ["default/data"],
            "{selector}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn several_identities_and_none_named_is_refused_unless_the_operator_wants_the_first() {
    let mut rules = rules(Mode::Managed);
    let refused = two().find("", &rules).await.unwrap_err();
    assert!(
        matches!(&refused, Refusal::SeveralIdentities(names) if names.contains("default/data, default/web")),
        "{refused}"
    );
    rules.default_identity = DefaultIdentity::First;
    assert_eq!(two().find("", &rules).await.unwrap(), ["default/data"]);
    let heavier = two().weighted("default", "b1", "web", 5);
    assert_eq!(heavier.find("", &rules).await.unwrap(), ["default/web"]);
}

#[tokio::test(start_paused = true)]
async fn two_bindings_to_one_identity_are_one_identity() {
    let fixture = Fixture::new()
        .identity("default", "web", WEB)
        .binding("default", "b1", "web")
        .binding("default", "b2", "web");
    assert_eq!(
        fixture.find("", &rules(Mode::Managed)).await.unwrap(),
        ["default/web"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_object_id_may_be_any_managed_identitys_until_its_token_is_seen() {
    let found = two()
        .find(&format!("object_id={WEB}"), &rules(Mode::Managed))
        .await
        .unwrap();
    assert_eq!(found, ["default/data", "default/web"]);
}

#[tokio::test(start_paused = true)]
async fn what_no_binding_gives_is_refused_at_once_with_the_reason() {
    let start = Instant::now();
    let other = "33333333-3333-4333-8333-333333333333";
    for (fixture, reason) in [
        (
            Fixture::new(),
            "no AzureIdentityBinding of namespace default has the selector web",
        ),
        (
            two(),
            "none of the identities bound to pod default/pod is allowed and has client_id",
        ),
    ] {
        for mode in [Mode::Managed, Mode::Standard] {
            let refused = fixture
                .find(&format!("client_id={other}"), &rules(mode))
                .await
                .unwrap_err();
            assert!(
                matches!(&refused, Refusal::NoIdentity(text) if text.contains(reason)),
                "{refused}"
            );
        }
    }
    assert_eq!(Instant::now(), start, "nobody waited");
}

#[tokio::test(start_paused = true)]
async fn a_binding_to_nothing_and_a_broken_identity_are_named() {
    let dangling = Fixture::new().binding("default", "b", "web");
    let refused = dangling.find("", &rules(Mode::Managed)).await.unwrap_err();
    assert!(
        matches!(&refused, Refusal::Misconfigured(text) if text.contains("which does not exist")),
        "{refused}"
    );
    let broken = Fixture::new()
        .identity("default", "web", "not a guid")
        .binding("default", "b", "web");
    let refused = broken.find("", &rules(Mode::Managed)).await.unwrap_err();
    assert!(
        matches!(&refused, Refusal::Misconfigured(text) if text.contains("spec.clientID")),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn another_namespaces_binding_counts_only_where_the_operator_allows_it() {
    let fixture = Fixture::new()
        .identity("other", "web", WEB)
        .binding("other", "b", "web");
    let mut rules = rules(Mode::Standard);
    let refused = fixture.find("", &rules).await.unwrap_err();
    assert!(
        refused.to_string().contains("--forceNamespaced=false"),
        "{refused}"
    );
    rules.namespaced = false;
    assert!(matches!(
        fixture.find("", &rules).await,
        Err(Refusal::NotAssignedYet(_))
    ));
    rules.mode = Mode::Managed;
    assert!(
        fixture.find("", &rules).await.is_err(),
        "managed mode is always namespaced"
    );
}

#[tokio::test(start_paused = true)]
async fn standard_mode_waits_for_assigned_and_is_woken_by_it() {
    let fixture = Fixture::new()
        .identity("default", "web", WEB)
        .binding("default", "b", "web");
    let world = fixture.0.clone();
    let waiting = tokio::spawn(async move {
        (
            fixture.find("", &rules(Mode::Standard)).await,
            Instant::now(),
        )
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let controller = Fixture(world);
    controller.assigned("web", WEB, "Created");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!waiting.is_finished());
    controller.assigned("web", WEB, "Assigned");
    let now = Instant::now();
    let (found, when) = waiting.await.unwrap();
    assert_eq!(found.unwrap(), ["default/web"]);
    assert!(when - now < Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn standard_mode_gives_up_at_its_deadline_with_a_reason_to_retry() {
    let fixture = Fixture::new()
        .identity("default", "web", WEB)
        .binding("default", "b", "web");
    let start = Instant::now();
    let refused = fixture.find("", &rules(Mode::Standard)).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotAssignedYet(_)));
    assert_eq!(Instant::now() - start, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn records_of_an_old_controller_have_no_state_and_count() {
    let fixture = Fixture::new()
        .identity("default", "web", WEB)
        .binding("default", "b", "web");
    fixture.assigned("web", WEB, "");
    assert_eq!(
        fixture.find("", &rules(Mode::Standard)).await.unwrap(),
        ["default/web"]
    );
    fixture.assigned("web", WEB, "Unassigned");
    assert!(fixture.find("", &rules(Mode::Standard)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_restriction_narrows_and_an_exception_gets_the_nodes_own() {
    let (fixture, rules) = (two(), rules(Mode::Managed));
    let only = Allowed::Restricted([WEB.parse().unwrap()].into());
    assert_eq!(
        fixture
            .find_allowed("", only.clone(), &rules)
            .await
            .unwrap(),
        ["default/web"]
    );
    assert!(
        fixture
            .find_allowed(&format!("client_id={DATA}"), only, &rules)
            .await
            .is_err()
    );
    assert_eq!(
        fixture
            .find_allowed("", Allowed::Node, &rules)
            .await
            .unwrap(),
        ["Unspecified"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_binding_that_goes_during_the_upstream_call_takes_the_token_with_it() {
    let fixture = Fixture::new()
        .identity("default", "web", WEB)
        .binding("default", "b", "web");
    let (pod, question, rules) = (
        resolved_with("pod", "10.0.0.1", &[("aadpodidbinding", "web")]),
        question(""),
        rules(Mode::Managed),
    );
    let judgement = judged(Allowed::Bound);
    let found = find(&fixture.0, &pod, &question, &judgement, &rules)
        .await
        .unwrap();
    let assignment = found.iter().next().unwrap();
    let again = || recheck(&fixture.0, &pod, &question, &judgement, &rules, assignment);
    assert!(again().is_ok());
    fixture
        .0
        .remove(&ObjectKey::Binding(ObjectRef::new("default", "b")));
    assert!(matches!(again(), Err(Refusal::NoIdentity(_))));
}

#[tokio::test(start_paused = true)]
async fn an_exception_that_goes_during_the_upstream_call_takes_the_nodes_token_with_it() {
    let (fixture, rules) = (Fixture::new(), rules(Mode::Managed));
    let (pod, question) = (resolved_with("pod", "10.0.0.1", &[]), question(""));
    let excepted = judged(Allowed::Node);
    let found = find(&fixture.0, &pod, &question, &excepted, &rules)
        .await
        .unwrap();
    let assignment = found.iter().next().unwrap();
    let again = |judgement| recheck(&fixture.0, &pod, &question, &judgement, &rules, assignment);
    assert!(again(excepted).is_ok());
    assert!(matches!(
        again(judged(Allowed::Bound)),
        Err(Refusal::NoIdentity(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_binding_is_gone_gives_nothing() {
    let fixture = Fixture::new();
    fixture.assigned("web", WEB, "Assigned");
    let refused = fixture.find("", &rules(Mode::Standard)).await.unwrap_err();
    assert!(matches!(refused, Refusal::NoIdentity(_)), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn the_first_identity_stays_the_first_while_it_is_on_its_way() {
    let fixture = two();
    fixture.assigned("web", WEB, "Assigned");
    let mut rules = rules(Mode::Standard);
    rules.default_identity = DefaultIdentity::First;
    assert!(
        matches!(
            fixture.find("", &rules).await,
            Err(Refusal::NotAssignedYet(_))
        ),
        "default/data is the first"
    );
    fixture.assigned("data", DATA, "Assigned");
    assert_eq!(fixture.find("", &rules).await.unwrap(), ["default/data"]);
}

#[tokio::test(start_paused = true)]
async fn names_of_other_namespaces_are_not_told() {
    let fixture =
        Fixture::new()
            .identity("secret-team", "web", WEB)
            .binding("secret-team", "b", "web");
    let refused = fixture
        .find("", &rules(Mode::Managed))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        !refused.contains("secret-team") && refused.contains("1 bindings of other namespaces"),
        "{refused}"
    );
}
