//! What virtual machines and scale sets hold, and what it costs.

use super::*;

#[test]
fn forty_pods_on_three_machines_cost_a_request_for_each_machine() {
    let mut model = model();
    for number in 0..40 {
        let node = ["n0", "n1", "m0", "vm"][number % 4];
        model.pod(
            &pod(&format!("p{number}")),
            node,
            ["a", "b", "c"][number % 3],
        );
    }
    model.pass(Duration::from_secs(10));
    assert!(
        model
            .records
            .values()
            .all(|record| record.state() == AssignedState::Assigned)
    );
    assert_eq!((model.records.len(), model.patches), (40, 3));
    assert_eq!(model.writes, 80);
}

#[test]
fn a_rolling_deployment_costs_no_request() {
    let mut model = model();
    for number in 0..20 {
        model.pod(
            &pod(&format!("old{number}")),
            ["n0", "n1", "m0"][number % 3],
            "a",
        );
    }
    model.pass(Duration::from_secs(10));
    let patches = model.patches;
    for number in 0..20 {
        model.delete_pod(&pod(&format!("old{number}")));
        soon(&mut model);
        model.pod(
            &pod(&format!("new{number}")),
            ["n0", "n1", "m0"][number % 3],
            "a",
        );
        soon(&mut model);
        assert_eq!(
            state(&model, &format!("new{number}"), "a"),
            Some(AssignedState::Assigned)
        );
    }
    model.pass(LINGER * 2);
    assert_eq!((model.patches, model.records.len()), (patches, 20));
}

#[test]
fn a_pod_whose_identity_is_there_is_assigned_with_one_write() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    let writes = model.writes;
    model.pod(&pod("q"), "n1", "a");
    model.run();
    assert_eq!(state(&model, "q", "a"), Some(AssignedState::Assigned));
    assert_eq!(model.writes, writes + 1);
}

#[test]
fn an_identity_taken_away_by_hand_is_cleaned_up_with_its_pod() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model
        .azure
        .get_mut(&scale_set("one"))
        .unwrap()
        .present
        .clear();
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    assert!(model.records.is_empty());
}

#[test]
fn an_identity_taken_away_by_hand_comes_back_within_the_reconcile_interval() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model
        .azure
        .get_mut(&scale_set("one"))
        .unwrap()
        .present
        .clear();
    model.pass(settings().drift + Duration::from_secs(1));
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
    assert!(
        model
            .notices
            .iter()
            .any(|notice| notice.reason == "identity missing")
    );
}

#[test]
fn foreign_identities_stay() {
    let mut model = model();
    model.foreign(&scale_set("one"), resource("foreign"));
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    assert_eq!(on(&model, &scale_set("one")), ["foreign"]);
}

#[test]
fn immutable_identities_stay_by_the_client_id_of_the_object_and_of_azure() {
    let immutable = BTreeSet::from(["00000000-0000-0000-0000-0000000000AA".parse().unwrap()]);
    let mut model = model_of(Settings {
        immutable,
        ..settings()
    });
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
    assert!(model.records.is_empty());
}

#[test]
fn service_principals_need_nothing_of_the_machine() {
    let mut model = model();
    model.node_of("bare", None);
    let spec = AzureIdentitySpec {
        identity_type: IdentityType::ServicePrincipal,
        ..AzureIdentitySpec::default()
    };
    model.identity(&object("shop", "a"), spec, false);
    model.pod(&pod("p"), "bare", "a");
    model.run();
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
    assert_eq!((model.looks, model.writes), (0, 1));
}

#[test]
fn a_node_without_a_provider_id_is_told_of_and_healed() {
    let mut model = model();
    model.node_of("late", None);
    model.pod(&pod("p"), "late", "a");
    soon(&mut model);
    assert!(model.records.is_empty());
    assert!(
        model
            .notices
            .iter()
            .any(|notice| notice.subject.kind == "Node")
    );
    model.node("late", &scale_set("two"), Some(7));
    soon(&mut model);
    assert_eq!(state(&model, "p", "a"), Some(AssignedState::Assigned));
}

#[test]
fn a_deleted_node_of_a_scale_set_releases_what_only_it_used() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    model.pod(&pod("q"), "n1", "b");
    soon(&mut model);
    model.delete_node("n0");
    model.pass(LINGER * 2);
    assert_eq!(on(&model, &scale_set("one")), ["b"]);
    assert_eq!(model.records.len(), 1);
}

#[test]
fn a_virtual_machine_that_went_with_its_node_is_asked_for_a_quarter_of_a_minute() {
    let mut model = model();
    model.pod(&pod("p"), "vm", "a");
    soon(&mut model);
    let looks = model.looks;
    model.delete_machine(&machine("vm"));
    model.pass(LINGER * 2);
    assert!(model.records.is_empty());
    assert_eq!(model.looks, looks + 4);
}

#[test]
fn a_machine_that_has_nodes_and_is_not_found_is_asked_until_it_is() {
    for mood in [Mood::NotFound, Mood::Deleting] {
        let mut model = model();
        model.pod(&pod("p"), "vm", "a");
        soon(&mut model);
        model.azure.get_mut(&machine("vm")).unwrap().mood = mood;
        model.delete_pod(&pod("p"));
        model.pass(LINGER * 2);
        assert_eq!(
            model.records.len(),
            1,
            "{mood:?}: nothing else speaks of it"
        );
        let told = model.notices.last().unwrap();
        assert_eq!(told.reason, "binding remove error", "{mood:?}");
        assert_eq!(told.subject.kind, "AzureAssignedIdentity");
        model.azure.get_mut(&machine("vm")).unwrap().mood = Mood::Well;
        model.pass(Duration::from_secs(300));
        assert!(model.records.is_empty() && on(&model, &machine("vm")).is_empty());
    }
}

#[test]
fn the_pod_that_has_waited_longest_is_counted() {
    let mut model = model();
    assert_eq!(model.plan.backlog().oldest, None);
    model.throttles = true;
    model.pod(&pod("p"), "n0", "a");
    model.run();
    let since = model.now;
    model.pass(Duration::from_secs(3600));
    model.pod(&pod("q"), "m0", "a");
    model.run();
    assert_eq!(model.plan.backlog().oldest, Some(since));
    model.throttles = false;
    model.pass(Duration::from_secs(600));
    assert_eq!(model.plan.backlog().oldest, None);
}

#[test]
fn a_burst_of_identities_is_one_request_however_slowly_their_records_are_written() {
    let mut model = model();
    for number in 0..20 {
        let name = format!("i{number}");
        model.identity(&object("shop", &name), managed(&name), false);
        model.binding(&object("shop", &name), &name, &name, 0);
        model.pod(&pod(&format!("p{number}")), "n0", &name);
    }
    // Each write takes longer than the time of silence.
    for _ in 0..200 {
        model.take();
        let is_write = |effect: &Effect| matches!(effect, Effect::Write(_));
        match model.pending.iter().position(is_write) {
            Some(which) => {
                model.now += settings().coalesce + Duration::from_millis(1);
                model.carry_out(which);
            }
            None => break,
        }
    }
    model.pass(Duration::from_secs(60));
    assert_eq!(model.patches, 1);
}

#[test]
fn a_throttled_machine_delays_no_other() {
    let mut model = model();
    model.pod(&pod("p"), "n0", "a");
    model.pod(&pod("q"), "m0", "a");
    model.now += Duration::from_secs(1);
    model.take();
    while model
        .pending
        .iter()
        .any(|effect| matches!(effect, Effect::Write(_)))
    {
        model.carry_out(0);
        model.take();
    }
    let [one, two] = [scale_set("one"), scale_set("two")];
    let look = |id: &_, model: &Model| {
        let is = |effect: &Effect| matches!(effect, Effect::Azure(of, Ask::Look) if of == id);
        model.pending.iter().position(is)
    };
    let which = look(&one, &model).unwrap();
    model.pending.remove(which);
    let throttled = error(ErrorClass::Throttled {
        retry_after: Duration::from_secs(300),
        scope: podgate_azure::arm::Scope::Resource,
    });
    model.plan.answered(&one, Err(throttled), model.now);
    soon(&mut model);
    assert_eq!(on(&model, &two), ["a"]);
    assert!(on(&model, &one).is_empty());
    model.pass(Duration::from_secs(300));
    assert_eq!(on(&model, &one), ["a"]);
}

#[test]
fn an_outage_of_hours_costs_few_calls_and_heals() {
    let mut model = model();
    model.throttles = true;
    for number in 0..50 {
        model.pod(&pod(&format!("p{number}")), "n0", "a");
    }
    model.pass(Duration::from_secs(4 * 3600));
    assert!(model.looks < 4 * 3600 / 7 + 2, "{}", model.looks);
    assert!(
        model
            .records
            .values()
            .all(|record| record.state() == AssignedState::Created)
    );
    model.throttles = false;
    model.pass(Duration::from_secs(600));
    assert!(
        model
            .records
            .values()
            .all(|record| record.state() == AssignedState::Assigned)
    );
    assert_eq!(model.patches, 1);
}

#[test]
fn an_identity_that_azure_knows_as_immutable_stays_whatever_the_object_says() {
    let client_id: podgate_api::ClientId = "00000000-0000-0000-0000-0000000000bb".parse().unwrap();
    let mut model = model_of(Settings {
        immutable: BTreeSet::from([client_id.clone()]),
        ..settings()
    });
    model.azure.get_mut(&scale_set("one")).unwrap().client_id = Some(client_id);
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.crash();
    model.delete_pod(&pod("p"));
    model.pass(LINGER * 2);
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
    assert!(model.records.is_empty());
}

#[test]
fn nothing_is_taken_before_the_first_look() {
    let client_id: podgate_api::ClientId = "00000000-0000-0000-0000-0000000000bb".parse().unwrap();
    let mut model = model_of(Settings {
        immutable: BTreeSet::from([client_id.clone()]),
        linger: Duration::ZERO,
        ..settings()
    });
    model.azure.get_mut(&scale_set("one")).unwrap().client_id = Some(client_id);
    model.pod(&pod("p"), "n0", "a");
    soon(&mut model);
    model.delete_pod(&pod("p"));
    model.crash();
    model.take();
    assert!(
        matches!(&model.pending[..], [Effect::Azure(_, Ask::Look)]),
        "{:?}",
        model.pending
    );
    model.carry_out(0);
    // No room for any decision: the request must be right by itself.
    let effects = model.plan.effects(model.now, 0);
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(on(&model, &scale_set("one")), ["a"]);
}
