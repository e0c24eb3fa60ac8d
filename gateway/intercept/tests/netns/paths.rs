//! Where requests go: what must work, and what must not.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use crate::BACKENDS;
use crate::fixture::{LISTENER, LISTENER_V6, METADATA, METADATA_V6, NODE, Namespace, World};
use crate::program::{eventually, intercept};
use crate::server::{Client, Server, ask, gateway_saw, get, hammer, is_pinged, send_datagram};

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn without_rules_pods_reach_the_real_metadata_service() {
    let world = World::new();
    for (pod, address) in world.pods() {
        assert_eq!(ask(pod).unwrap(), format!("real {address}"));
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn pods_reach_the_gateway_under_their_own_address_and_the_node_the_real_service() {
    for backend in BACKENDS {
        let world = World::new();
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        let gateway = world.gateway();
        for (pod, address) in world.pods() {
            assert_eq!(ask(pod).unwrap(), gateway_saw(address), "{backend}");
        }
        assert_eq!(gateway.requests(), 3, "{backend}");
        assert_eq!(world.real.requests(), 0, "{backend}");
        assert_eq!(
            ask(&world.node).unwrap(),
            format!("real {NODE}"),
            "{backend}"
        );
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn the_gateway_sees_a_pods_address_when_the_pod_uses_an_ipv4_address_in_ipv6s_form() {
    let world = World::new();
    intercept(&world.node, "apply").ok();
    let _gateway = world.gateway();
    let mapped = (METADATA.to_ipv6_mapped(), 80).into();
    assert_eq!(
        get(&world.pod, mapped).unwrap(),
        gateway_saw(crate::fixture::POD.into())
    );
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn without_a_gateway_pods_are_refused_at_once() {
    for backend in BACKENDS {
        let world = World::new();
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        for (pod, _) in world.pods() {
            assert_eq!(
                ask(pod).unwrap_err().kind(),
                ErrorKind::ConnectionRefused,
                "{backend}"
            );
        }
        assert_eq!(world.real.requests(), 0, "{backend}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn the_metadata_address_is_closed_on_every_other_port_and_protocol() {
    for backend in BACKENDS {
        let world = World::new();
        let other = Server::start(&world.network, (METADATA, 8080).into(), "other");
        let datagrams = world
            .network
            .within(|| UdpSocket::bind((METADATA, 80)).unwrap());
        datagrams
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        send_datagram(&world.pod, (METADATA, 80).into(), 4000);
        datagrams.recv(&mut [0; 10]).expect("open without rules");
        assert!(is_pinged(&world.pod, METADATA), "open without rules");
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        let _gateway = world.gateway();
        for (pod, _) in world.pods() {
            get(pod, (METADATA, 8080).into()).unwrap_err();
            // The second one is larger than a packet, and travels in fragments.
            for size in [10, 4000] {
                send_datagram(pod, (METADATA, 80).into(), size);
            }
            assert!(!is_pinged(pod, METADATA), "{backend}");
        }
        datagrams.recv(&mut [0; 10]).unwrap_err();
        assert_eq!(other.requests(), 0, "{backend}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn what_pods_do_elsewhere_is_untouched() {
    for backend in BACKENDS {
        let world = World::new();
        let web = Server::start(&world.network, "192.168.99.1:80".parse().unwrap(), "web");
        let node = Server::start(&world.node, (NODE, 80).into(), "node");
        intercept(
            &world.node,
            &format!("apply --backend {backend} --block-wire-server"),
        )
        .ok();
        for (pod, address) in world.pods() {
            let web = get(pod, "192.168.99.1:80".parse().unwrap());
            assert_eq!(web.unwrap(), format!("web {address}"), "{backend}");
            assert_eq!(
                get(pod, (NODE, 80).into()).unwrap(),
                format!("node {address}")
            );
        }
        assert_eq!((web.requests(), node.requests()), (3, 3), "{backend}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn a_connection_older_than_the_rules_dies_with_its_next_request() {
    for backend in BACKENDS {
        let world = World::new();
        let mut old = Client::connect(&world.pod, (METADATA, 80).into()).unwrap();
        old.get().unwrap();
        assert_eq!(world.real.requests(), 1);
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        let _gateway = world.gateway();
        let error = old.get().unwrap_err();
        if backend == "nftables" {
            assert_eq!(
                error.kind(),
                ErrorKind::ConnectionReset,
                "clients notice at once"
            );
        }
        assert_eq!(world.real.requests(), 1, "{backend}");
        assert_eq!(
            ask(&world.pod).unwrap(),
            gateway_saw(crate::fixture::POD.into())
        );
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn applying_again_under_load_costs_no_request_and_lets_none_through() {
    let world = World::new();
    intercept(&world.node, "apply").ok();
    let _gateway = world.gateway();
    let hammered = hammer(&world.pod, || {
        for _ in 0..20 {
            intercept(&world.node, "apply").ok();
        }
    });
    println!("20 applies under load: {hammered:?}");
    assert!(hammered.gateway > 100, "{hammered:?}");
    assert_eq!((hammered.real, hammered.failed), (0, 0), "{hammered:?}");
    assert_eq!(world.real.requests(), 0);
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn ipv6_is_led_to_the_gateway_where_it_is_asked_for() {
    let v6 = format!("--metadata-ipv6 {METADATA_V6} --listen-address-ipv6 {LISTENER_V6}");
    for backend in BACKENDS {
        let world = World::new();
        let metadata = format!("[{METADATA_V6}]:80").parse().unwrap();
        let real = Server::start(&world.network, metadata, "real");
        // A new link of IPv6 takes a moment.
        eventually("the pod has IPv6", || get(&world.pod, metadata).is_ok());
        let before = real.requests();
        intercept(&world.node, &format!("apply --backend {backend} {v6}")).ok();
        let listener = format!("[{LISTENER_V6}]:2579").parse().unwrap();
        let _gateway = Server::start(&world.node, listener, "gateway");
        assert_eq!(
            get(&world.pod, metadata).unwrap(),
            "gateway fd50::11",
            "{backend}"
        );
        get(&world.pod, listener).unwrap_err();
        get(&world.pod, format!("[{METADATA_V6}]:81").parse().unwrap()).unwrap_err();
        assert_eq!(real.requests(), before, "{backend}");
        let checked = intercept(&world.node, &format!("check --backend {backend} {v6}"));
        checked.ok();
        intercept(&world.node, "remove").ok();
        assert_eq!(
            get(&world.pod, metadata).unwrap(),
            "real fd50::11",
            "{backend}"
        );
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn the_wire_server_is_refused_to_pods_when_asked_for_and_its_name_service_is_not() {
    for backend in BACKENDS {
        let world = World::new();
        world.network.run("ip addr add 168.63.129.16/32 dev lo");
        let start = |port| {
            let address = format!("168.63.129.16:{port}").parse().unwrap();
            (address, Server::start(&world.network, address, "wire"))
        };
        let ((goal, _goal), (certificates, _certificates), (names, _names)) =
            (start(80), start(32526), start(53));
        let reaches = |pod: &Namespace, address| get(pod, address).is_ok();
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        assert!(reaches(&world.pod, goal), "{backend}: not unless asked for");
        intercept(
            &world.node,
            &format!("apply --backend {backend} --block-wire-server"),
        )
        .ok();
        for (pod, _) in world.pods() {
            assert!(
                !reaches(pod, goal) && !reaches(pod, certificates),
                "{backend}"
            );
            assert!(reaches(pod, names), "{backend}");
        }
        assert!(
            reaches(&world.node, goal) && reaches(&world.node, certificates),
            "{backend}"
        );
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn the_listener_takes_only_what_was_sent_to_the_metadata_address() {
    for backend in BACKENDS {
        let world = World::new();
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        let gateway = world.gateway();
        for (pod, _) in world.pods() {
            get(pod, (LISTENER, 2579).into()).unwrap_err();
        }
        world
            .network
            .run(&format!("ip route add {LISTENER}/32 via {NODE}"));
        get(&world.network, (LISTENER, 2579).into()).unwrap_err();
        assert_eq!(gateway.requests(), 0, "{backend}");
    }
}
