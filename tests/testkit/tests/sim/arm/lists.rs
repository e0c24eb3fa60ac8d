//! Lists of a resource group, as the demonstrations of old ask for them.

use super::*;

const GROUP: &str = "/subscriptions/s/resourceGroups/G/providers/Microsoft.Compute";

/// Three virtual machines and a scale set in the group, and a virtual machine in another one.
fn listed() -> SimConfig {
    let mut config = config();
    let machine = |id: String| Compute {
        id,
        location: "westeurope".into(),
        state: "Succeeded".into(),
        ..Compute::default()
    };
    let machines = (1..=3).map(|number| machine(format!("{GROUP}/virtualMachines/vm-{number}")));
    config.arm.computes.extend(machines);
    let other = format!("{GROUP}/virtualMachines/elsewhere").replace("/G/", "/other/");
    config.arm.computes.push(machine(other));
    config
}

fn names(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let names = json["value"].as_array().unwrap().iter();
    names
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_groups_machines_and_scale_sets_are_listed_apart_with_what_a_get_shows() {
    let sim = start(listed()).await;
    let machines = get(&sim, &format!("{GROUP}/virtualMachines")).await;
    assert_eq!(machines.status, 200, "{}", machines.text());
    assert_eq!(names(&machines), ["vm-1", "vm-2", "vm-3"]);
    assert_eq!(machines.json().get("nextLink"), None);
    let sets = get(
        &sim,
        &format!("{GROUP}/virtualMachineScaleSets").to_lowercase(),
    )
    .await;
    assert_eq!(names(&sets), ["np"], "paths ignore case: {}", sets.text());
    let shown = get(&sim, &scale_set()).await.json();
    assert_eq!(sets.json()["value"][0], shown);
}

#[tokio::test]
async fn a_list_goes_on_where_its_page_says() {
    let mut config = listed();
    config.arm.page_size = Some(2);
    let sim = start(config).await;
    let first = get(&sim, &format!("{GROUP}/virtualMachines")).await;
    assert_eq!(names(&first), ["vm-1", "vm-2"]);
    let json = first.json();
    let link = json["nextLink"].as_str().unwrap();
    let path = link
        .strip_prefix(sim.arm_url().trim_end_matches('/'))
        .unwrap();
    let bearer = bearer(&sim).await;
    let ask = async |path: &str| {
        arm(&sim)
            .get(path, &[("Authorization", &bearer)])
            .await
            .unwrap()
    };
    let second = ask(path).await;
    assert_eq!(names(&second), ["vm-3"]);
    assert_eq!(second.json().get("nextLink"), None);
    let lost = ask(&path.replace("skiptoken=2", "skiptoken=x")).await;
    assert_refused(&lost, 400, "InvalidRequest", "azure-sim:");
    let of_one = format!("{}?api-version={VERSION}&$skiptoken=2", scale_set());
    assert_refused(&ask(&of_one).await, 400, "InvalidRequest", "azure-sim:");
}

#[tokio::test]
async fn only_readers_get_a_list_and_nobody_gets_one_of_nothing() {
    let mut config = listed();
    config.arm.readers = Some(vec![writer().client_id]);
    let sim = start(config).await;
    let machines = format!("{GROUP}/virtualMachines");
    let refused = get(&sim, &machines).await;
    assert_refused(
        &refused,
        403,
        "AuthorizationFailed",
        "'Microsoft.Compute/virtualMachines/read'",
    );
    let sim = start(listed()).await;
    for (path, code) in [
        (machines.replace("/s/", "/t/"), "SubscriptionNotFound"),
        (machines.replace("/G/", "/h/"), "ResourceGroupNotFound"),
    ] {
        assert_refused(&get(&sim, &path).await, 404, code, "could not be found");
    }
    let bearer = bearer(&sim).await;
    let path = format!("{machines}?api-version={VERSION}");
    let answer = arm(&sim)
        .request("PATCH", &path, &[("Authorization", &bearer)], b"")
        .await
        .unwrap();
    assert_refused(&answer, 405, "MethodNotAllowed", "PATCH");
}

#[tokio::test]
async fn a_token_of_another_machines_imds_is_good_where_that_names_the_same_issuer() {
    let sim = start(listed()).await;
    let machine = SimConfig {
        issuer: Some(sim.entra_url()),
        ..config()
    };
    let bearer = bearer(&start(machine).await).await;
    let path = format!("{GROUP}/virtualMachines?api-version={VERSION}");
    let answer = arm(&sim)
        .get(&path, &[("Authorization", &bearer)])
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}
