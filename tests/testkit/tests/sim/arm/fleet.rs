//! Many resources by a few numbers.

use podgate_testkit::Fleet;

use super::*;

fn with(fleet: &Fleet) -> SimConfig {
    let mut config = config();
    config.arm.fleet = Some(fleet.clone());
    config
}

#[tokio::test]
async fn a_hundred_scale_sets_and_a_thousand_identities_are_there_beside_what_is_listed() {
    let fleet = Fleet::new()
        .subscription("s")
        .location("northeurope")
        .groups(7)
        .scale_sets(100)
        .instances(200)
        .machines(3)
        .identities(1_000);
    let sim = start(with(&fleet)).await;
    assert_eq!(sim.computes().len(), 104);
    let (last, machine) = (fleet.scale_set(99), fleet.machine(2));
    assert_eq!(sim.compute(&last).unwrap().location, "northeurope");
    assert_eq!(sim.compute(&machine).unwrap().id, machine);
    assert_eq!(get(&sim, &last).await.status, 200);
    let nodes = fleet.nodes();
    let names: std::collections::BTreeSet<_> = nodes.iter().map(|node| &node.name).collect();
    assert_eq!((nodes.len(), names.len()), (20_003, 20_003));
    assert_eq!(nodes[36].name, "aks-np000-vmss000010", "base 36");
    assert_eq!(
        nodes[36].provider_id,
        format!("azure://{}/virtualMachines/36", fleet.scale_set(0))
    );
    assert_eq!(nodes[20_002].provider_id, format!("azure://{machine}"));
    let groups: std::collections::BTreeSet<_> = (0..100)
        .map(|n| fleet.scale_set(n).split('/').nth(4).unwrap().to_owned())
        .collect();
    assert_eq!(groups.len(), 7);
}

#[tokio::test]
async fn every_identity_of_a_fleet_can_be_assigned_and_a_node_s_imds_has_it_then() {
    let fleet = Fleet::new().scale_sets(2).instances(2).identities(150);
    let mut config = with(&fleet);
    let node = fleet.nodes()[3].clone();
    assert_eq!(node.compute, fleet.scale_set(1));
    config.arm.imds_node = Some(node.name);
    let sim = start(config).await;
    let all: Vec<String> = (0..150).map(|n| fleet.identity(n).resource_id).collect();
    let change = podgate_testkit::HandChange {
        compute: fleet.scale_set(1),
        add: vec![all[149].clone()],
        remove: vec![],
    };
    assert!(sim.change_by_hand(&change));
    let path = format!(
        "/metadata/identity/oauth2/token?api-version=2018-02-01&client_id={}&resource={RESOURCE}",
        fleet.identity(149).client_id
    );
    let answer = ask_imds(&sim, &path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let bearer = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let path = format!("{}?api-version={VERSION}", fleet.scale_set(0));
    let body = body("UserAssigned", &all, &[]).to_string();
    let answer = arm(&sim)
        .request("PATCH", &path, &headers, body.as_bytes())
        .await;
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(
        sim.compute(&fleet.scale_set(0)).unwrap().identities.len(),
        150
    );
}

#[tokio::test]
async fn a_fleet_may_begin_with_identities_on_it() {
    let fleet = Fleet::new()
        .scale_sets(1)
        .machines(1)
        .identities(2)
        .assigned(5)
        .system_assigned();
    let sim = start(with(&fleet)).await;
    let (set, machine) = (
        sim.compute(&fleet.scale_set(0)).unwrap(),
        sim.compute(&fleet.machine(0)).unwrap(),
    );
    assert_eq!(set.identities.len(), 2, "no more than there are");
    assert_eq!(set.identities, machine.identities);
    assert_ne!(set.system_assigned, machine.system_assigned);
    assert!(set.system_assigned.is_some());
}

#[test]
fn a_fleet_is_written_in_the_configuration_as_well() {
    let config = SimConfig::from_yaml("arm: {fleet: {scale_sets: 100, identities: 1000}}").unwrap();
    let fleet = Fleet::new().scale_sets(100).identities(1_000);
    assert_eq!(config.arm.fleet, Some(fleet));
    assert!(SimConfig::from_yaml("arm: {fleet: {nodes: 1}}").is_err());
}
