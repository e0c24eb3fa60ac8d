//! Rules of others beside ours.

use crate::BACKENDS;
use crate::fixture::{METADATA, Namespace, World};
use crate::program::intercept;
use crate::server::{ask, gateway_saw};

fn assert_pods_reach_the_gateway(world: &World, with: &str) {
    let _gateway = world.gateway();
    for (pod, address) in world.pods() {
        let answer = ask(pod).unwrap_or_else(|error| panic!("{with}: {error}"));
        assert_eq!(answer, gateway_saw(address), "{with}");
    }
    assert_eq!(world.real.requests(), 0, "{with}");
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn bridge_netfilter_makes_no_difference() {
    for backend in BACKENDS {
        for on in [0, 1] {
            let world = World::new();
            let setting = format!("net.bridge.bridge-nf-call-iptables={on}");
            world.node.run(&format!("sysctl -qw {setting}"));
            intercept(&world.node, &format!("apply --backend {backend}")).ok();
            assert_pods_reach_the_gateway(&world, &format!("{backend}, {setting}"));
        }
    }
}

fn masquerade(node: &Namespace, tool: &str) {
    match tool {
        "nftables" => node.foreign_chain(
            "type nat hook postrouting priority srcnat",
            "ip saddr 10.0.0.0/8 ip daddr != 10.0.0.0/8 masquerade",
        ),
        _ => drop(node.run(
            "iptables-legacy -t nat -A POSTROUTING -s 10.0.0.0/8 ! -d 10.0.0.0/8 -j MASQUERADE",
        )),
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn masquerading_as_kube_proxy_does_it_hides_no_pods_address() {
    for backend in BACKENDS {
        for tool in ["nftables", "iptables-legacy"] {
            let world = World::new();
            masquerade(&world.node, tool);
            intercept(&world.node, &format!("apply --backend {backend}")).ok();
            assert_pods_reach_the_gateway(&world, &format!("{backend} beside {tool}"));
        }
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn a_later_translation_of_the_metadata_address_does_not_win() {
    let world = World::new();
    world.node.foreign_chain(
        "type nat hook prerouting priority dstnat",
        &format!("ip daddr {METADATA} dnat to 192.168.99.1"),
    );
    intercept(&world.node, "apply").ok();
    assert_pods_reach_the_gateway(&world, "a foreign dnat");
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn somebody_who_turns_connection_tracking_off_closes_the_address_and_opens_nothing() {
    for backend in BACKENDS {
        let world = World::new();
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        world.node.foreign_chain(
            "type filter hook prerouting priority raw",
            &format!("ip daddr {METADATA} notrack"),
        );
        let gateway = world.gateway();
        ask(&world.pod).unwrap_err();
        assert_eq!(
            (gateway.requests(), world.real.requests()),
            (0, 0),
            "{backend}"
        );
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn rules_and_routes_of_others_are_left_as_they_are() {
    let world = World::new();
    world.node.foreign_chain(
        "type filter hook forward priority 0",
        "counter packets 7 bytes 7 accept",
    );
    world
        .node
        .run("iptables-legacy -t nat -A PREROUTING -s 1.2.3.4 -j ACCEPT");
    world.node.run("ip rule add pref 1 fwmark 7 lookup main");
    let state = || {
        let lines = [
            "nft list ruleset",
            "iptables-legacy -t nat -S",
            "ip rule",
            "ip -6 rule",
            "ip addr show lo",
        ];
        lines.map(|line| world.node.run(line)).concat()
    };
    let before = state();
    for backend in BACKENDS {
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        assert_ne!(state(), before);
        intercept(&world.node, "remove").ok();
        assert_eq!(state(), before, "{backend}");
        intercept(&world.node, "remove").ok();
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn a_listener_address_that_an_interface_has_is_refused() {
    let world = World::new();
    let ended = intercept(&world.node, "apply --listen-address 10.50.0.1");
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.text.contains("taken by the interface cni0"),
        "{}",
        ended.text
    );
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn kubenets_bridge_is_refused_unless_allowed() {
    let world = World::new();
    world.node.run("ip link add cbr0 type bridge");
    let ended = intercept(&world.node, "apply");
    assert_eq!(ended.code, Some(1));
    assert!(ended.text.contains("CVE-2021-1677"), "{}", ended.text);
    intercept(&world.node, "apply --allow-network-plugin-kubenet").ok();
    assert_pods_reach_the_gateway(&world, "kubenet allowed");
}
