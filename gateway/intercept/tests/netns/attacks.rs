//! What hostile pods and hostile machines try.

use crate::BACKENDS;
use crate::fixture::{DIRECT_POD, LISTENER, METADATA, NODE, World};
use crate::program::intercept;
use crate::server::{ask, gateway_saw, get};

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn a_pod_with_the_address_of_another_network_gets_no_answer() {
    for backend in BACKENDS {
        let world = World::new();
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        let gateway = world.gateway();
        world.pod.run("ip addr flush dev eth0");
        world
            .pod
            .run(&format!("ip addr add {DIRECT_POD}/32 dev eth0"));
        world.pod.run("ip route add 10.50.0.0/24 dev eth0");
        world.pod.run("ip route add default via 10.50.0.1");
        ask(&world.pod).unwrap_err();
        assert_eq!(gateway.requests(), 0, "{backend}");
        assert_eq!(
            ask(&world.direct_pod).unwrap(),
            gateway_saw(DIRECT_POD.into())
        );
    }
}

/// The listener alone would not notice: a handshake without an answer makes no request. The drop is what is looked at.
#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn a_spoofed_packet_is_dropped_before_it_makes_a_connection() {
    let world = World::new();
    intercept(&world.node, "apply").ok();
    let _gateway = world.gateway();
    world
        .pod
        .run(&format!("ip addr add {DIRECT_POD}/32 dev lo"));
    world.pod.run(&format!(
        "ip route add {METADATA}/32 via 10.50.0.1 src {DIRECT_POD}"
    ));
    ask(&world.pod).unwrap_err();
    let guard = world.node.run("nft list chain inet podgate guard");
    let dropped = guard
        .lines()
        .find(|line| line.contains("fib saddr"))
        .unwrap();
    assert!(!dropped.contains("packets 0 "), "{guard}");
    assert!(
        !world
            .node
            .run("conntrack -L -s 10.60.0.5")
            .contains("SYN_RECV")
    );
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn another_machine_cannot_use_the_node_to_ask_for_metadata() {
    for backend in BACKENDS {
        let world = World::new();
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        let gateway = world.gateway();
        // The other machine does not hold the address itself, so its packets come to the node.
        let other = &world.network;
        other.run(&format!("ip addr del {METADATA}/32 dev lo"));
        other.run(&format!("ip route add {METADATA}/32 via {NODE}"));
        other.run(&format!("ip route add {LISTENER}/32 via {NODE}"));
        ask(other).unwrap_err();
        get(other, (LISTENER, 2579).into()).unwrap_err();
        assert_eq!(gateway.requests(), 0, "{backend}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn another_machine_cannot_take_a_pods_address() {
    let world = World::new();
    // Even where the node's network is not known as an uplink, the address is routed elsewhere.
    intercept(&world.node, "apply --uplink none0").ok();
    let gateway = world.gateway();
    let other = &world.network;
    other.run(&format!("ip addr del {METADATA}/32 dev lo"));
    other.run(&format!("ip addr add {DIRECT_POD}/32 dev lo"));
    other.run(&format!(
        "ip route add {METADATA}/32 via {NODE} src {DIRECT_POD}"
    ));
    ask(other).unwrap_err();
    assert_eq!(gateway.requests(), 0);
    assert!(
        !world
            .node
            .run("nft list chain inet podgate guard")
            .contains("oif 0 counter packets 0 ")
    );
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn a_translation_of_somebody_elses_to_the_listener_is_dropped() {
    for backend in BACKENDS {
        let world = World::new();
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        let gateway = world.gateway();
        world.node.foreign_chain(
            "type nat hook prerouting priority dstnat",
            &format!("ip daddr 10.96.0.1 tcp dport 80 dnat to {LISTENER}:2579"),
        );
        get(&world.pod, "10.96.0.1:80".parse().unwrap()).unwrap_err();
        assert_eq!(gateway.requests(), 0, "{backend}");
    }
}
