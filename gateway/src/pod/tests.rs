use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::world::testing::{pod, rules};
use crate::world::{Object, ObjectKey, ObjectRef};

const IP: &str = "10.0.0.7";

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn world() -> World {
    World::new(rules())
}

fn ip() -> IpAddr {
    IP.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_one_live_pod_with_the_address_is_the_caller() {
    let world = world();
    world.apply(Object::Pod(pod("a", "x", IP)));
    world.apply(Object::Pod(pod("a", "y", "10.0.0.8")));
    assert_eq!(
        resolve(&world, ip(), soon()).await.unwrap().pod().object,
        ObjectRef::new("a", "x")
    );
}

#[tokio::test(start_paused = true)]
async fn an_ipv4_mapped_source_address_is_the_same_address() {
    let world = world();
    world.apply(Object::Pod(pod("a", "x", IP)));
    assert!(
        resolve(&world, "::ffff:10.0.0.7".parse().unwrap(), soon())
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_address_waits_for_its_pod_and_is_woken_by_it() {
    let world = world();
    let waiting = tokio::spawn({
        let world = world.clone();
        async move { (resolve(&world, ip(), soon()).await.is_ok(), Instant::now()) }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let applied = Instant::now();
    world.apply(Object::Pod(pod("a", "x", IP)));
    let (found, when) = waiting.await.unwrap();
    assert!(found);
    assert!(when - applied < Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_address_gets_nothing_at_the_deadline() {
    let refused = resolve(&world(), ip(), soon()).await.unwrap_err();
    assert_eq!(refused, Refusal::UnknownPod { ip: ip() });
}

#[tokio::test(start_paused = true)]
async fn two_live_pods_on_one_address_get_nobody_a_token_until_one_is_gone() {
    let world = world();
    world.apply(Object::Pod(pod("a", "ending", IP)));
    world.apply(Object::Pod(pod("a", "next", IP)));
    let refused = resolve(&world, ip(), soon()).await.unwrap_err();
    assert_eq!(refused, Refusal::AmbiguousPod { ip: ip(), pods: 2 });
    world.remove(&ObjectKey::Pod(ObjectRef::new("a", "ending")));
    assert_eq!(
        resolve(&world, ip(), soon())
            .await
            .unwrap()
            .pod()
            .object
            .name,
        "next"
    );
}

#[tokio::test(start_paused = true)]
async fn pods_on_the_nodes_address_and_ended_pods_are_nobody() {
    let world = world();
    let mut host = pod("a", "host", IP);
    host.addressable = false;
    world.apply(Object::Pod(host));
    assert!(resolve(&world, ip(), soon()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_changed_hands_during_the_request_gets_no_token() {
    let world = world();
    world.apply(Object::Pod(pod("a", "x", IP)));
    let resolved = resolve(&world, ip(), soon()).await.unwrap();
    assert!(resolved.recheck(&world).is_ok());
    let mut reborn = pod("a", "x", IP);
    reborn.uid = PodUid("another uid".into());
    world.apply(Object::Pod(reborn));
    assert_eq!(
        resolved.recheck(&world).unwrap_err(),
        Refusal::PodChanged { ip: ip() }
    );
    world.remove(&ObjectKey::Pod(ObjectRef::new("a", "x")));
    assert_eq!(
        resolved.recheck(&world).unwrap_err(),
        Refusal::PodChanged { ip: ip() }
    );
}

/// A pod as the API server tells of it.
fn wire(spec: serde_json::Value, deleted: bool, status: serde_json::Value) -> Pod {
    let deletion = deleted.then_some("2026-11-21T04:00:00Z");
    let pod = serde_json::json!({
        "metadata": {"name": "x", "namespace": "a", "uid": "1", "deletionTimestamp": deletion},
        "spec": spec, "status": status,
    });
    let pod: k8s_openapi::api::core::v1::Pod = serde_json::from_value(pod).unwrap();
    pod.into()
}

/// `status` of a pod with one container and one sidecar, each ended or not.
fn status(container_ended: bool, sidecar_ended: bool) -> serde_json::Value {
    let container = |name: &str, ended: bool| {
        let state = match ended {
            true => serde_json::json!({"terminated": {"exitCode": 0}}),
            false => serde_json::json!({"running": {}}),
        };
        serde_json::json!({"name": name, "image": "i", "imageID": "i", "ready": false, "restartCount": 0, "state": state})
    };
    serde_json::json!({
        "phase": "Running", "podIP": IP,
        "containerStatuses": [container("app", container_ended)],
        "initContainerStatuses": [container("sidecar", sidecar_ended)],
    })
}

#[test]
fn a_pod_is_live_until_it_has_ended_or_is_deleted_and_its_last_container_has() {
    let spec = serde_json::json!({"containers": []});
    let live = |deleted, status| wire(spec.clone(), deleted, status).live;
    assert!(live(false, status(false, false)));
    assert!(live(true, status(false, true)), "a container still ends");
    assert!(live(true, status(true, false)), "a sidecar still ends");
    assert!(!live(true, status(true, true)));
    assert!(
        live(false, status(true, true)),
        "they start again, at the same address"
    );
    assert!(live(true, serde_json::json!({"phase": "Pending"})));
    for phase in ["Succeeded", "Failed"] {
        let mut ended = status(true, true);
        ended["phase"] = phase.into();
        assert!(!live(false, ended), "{phase}");
    }
    let on_host = serde_json::json!({"containers": [], "hostNetwork": true});
    let on_host = wire(on_host, false, status(false, false));
    assert!(on_host.live && !on_host.addressable);
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_found_by_name_whatever_its_address_until_it_ends() {
    let world = world();
    let object = ObjectRef::new("a", "x");
    let refused = find(&world, &object, soon()).await.unwrap_err();
    assert_eq!(refused, Refusal::NoSuchPod(object.clone()));
    let mut on_host = pod("a", "x", IP);
    on_host.addressable = false;
    world.apply(Object::Pod(on_host.clone()));
    let found = find(&world, &object, soon()).await.unwrap();
    assert!(found.recheck(&world).is_ok());
    on_host.live = false;
    world.apply(Object::Pod(on_host));
    assert_eq!(
        found.recheck(&world).unwrap_err(),
        Refusal::NamedPodChanged(object)
    );
}

/// What may happen to the pods of a node.
#[derive(Clone, Debug)]
enum Event {
    /// This pod is here, with this edition of itself at this address.
    Apply {
        name: u8,
        uid: u8,
        ip: u8,
        addressable: bool,
    },
    Remove {
        name: u8,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..4u8, 0..3u8, 0..3u8, prop::bool::weighted(0.85))
            .prop_map(|(name, uid, ip, addressable)| Event::Apply { name, uid, ip, addressable }),
        1 => (0..4u8).prop_map(|name| Event::Remove { name }),
    ]
}

proptest! {
    /// The model: a plain list of the pods that are there. Whatever the order of events, the pod that is
    /// found is the only live one with the address, uid and all, or nobody is.
    #[test]
    fn whatever_happens_the_caller_is_the_only_live_pod_with_the_address(events in prop::collection::vec(event(), 1..60)) {
        let world = world();
        let mut model: std::collections::BTreeMap<u8, Pod> = std::collections::BTreeMap::new();
        for event in events {
            match event {
                Event::Apply { name, uid, ip, addressable } => {
                    let mut pod = pod("a", &name.to_string(), &format!("10.0.0.{ip}"));
                    pod.uid = PodUid(format!("{name}-{uid}").into());
                    pod.addressable = addressable;
                    model.insert(name, pod.clone());
                    world.apply(Object::Pod(pod));
                }
                Event::Remove { name } => {
                    model.remove(&name);
                    world.remove(&ObjectKey::Pod(ObjectRef::new("a", name.to_string())));
                }
            }
            for last in 0..3u8 {
                let ip: IpAddr = [10, 0, 0, last].into();
                let live: Vec<&Pod> = model.values().filter(|pod| pod.addressable && pod.ips[0] == ip).collect();
                let found = look_up(&world.read(), ip);
                match live.as_slice() {
                    [only] => prop_assert_eq!(found.unwrap().uid().clone(), only.uid.clone()),
                    _ => prop_assert!(found.is_err()),
                }
            }
        }
    }
}
