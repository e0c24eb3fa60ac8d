//! `watch` restores what is changed, and nothing gets through meanwhile.

use std::time::{Duration, Instant};

use crate::fixture::{LISTENER, World};
use crate::program::{Watching, eventually, intercept};
use crate::server::hammer;

fn is_in_place(world: &World, options: &str) -> bool {
    intercept(&world.node, &format!("check {options}")).code == Some(0)
}

/// One way to break interception by hand.
struct Damage {
    what: &'static str,
    commands: &'static [&'static str],
}

const RULES: [Damage; 4] = [
    Damage {
        what: "flush chain intercept",
        commands: &["nft flush chain inet podgate intercept"],
    },
    Damage {
        what: "flush chain closed",
        commands: &["nft flush chain inet podgate closed"],
    },
    Damage {
        what: "delete table",
        commands: &["nft delete table inet podgate"],
    },
    Damage {
        what: "flush ruleset",
        commands: &["nft flush ruleset"],
    },
];

const NETWORK: [Damage; 3] = [
    Damage {
        what: "a routing rule deleted",
        commands: &["ip rule del pref 2"],
    },
    Damage {
        what: "the listener's address deleted",
        commands: &["ip addr del 169.254.170.24/32 dev lo"],
    },
    Damage {
        what: "all routing rules deleted",
        commands: &[
            "ip rule del pref 3",
            "ip rule del pref 1",
            "ip rule del pref 2",
        ],
    },
];

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn damaged_rules_are_back_within_a_second_and_nothing_gets_through() {
    for damage in RULES.iter().chain(&NETWORK) {
        let world = World::new();
        let watching = Watching::start(&world.node, "");
        let _gateway = world.gateway();
        let hammered = hammer(&world.pod, || {
            damage
                .commands
                .iter()
                .for_each(|command| drop(world.node.run(command)));
            let start = Instant::now();
            watching.await_line("is restored");
            let took = start.elapsed();
            println!("{}: restored after {took:?}", damage.what);
            assert!(took < Duration::from_secs(1), "{}: {took:?}", damage.what);
            eventually(damage.what, || is_in_place(&world, ""));
        });
        println!("{}: {hammered:?}", damage.what);
        assert!(hammered.gateway > 10, "{}: {hammered:?}", damage.what);
        assert_eq!(hammered.real, 0, "{}", damage.what);
        assert_eq!(world.real.requests(), 0, "{}", damage.what);
    }
}

/// Only who takes both away at once opens the address, for as long as it takes to come back.
#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn the_window_after_everything_is_removed_by_hand_is_measured_and_short() {
    let world = World::new();
    let watching = Watching::start(&world.node, "");
    let _gateway = world.gateway();
    let hammered = hammer(&world.pod, || {
        intercept(&world.node, "remove").ok();
        watching.await_line("is restored");
        eventually("all is in place", || is_in_place(&world, ""));
    });
    println!(
        "everything removed by hand, under watch: {hammered:?}, {} got through",
        world.real.requests()
    );
    let before = world.real.requests();
    let after = hammer(&world.pod, || {});
    assert_eq!(world.real.requests(), before, "{after:?}");
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn damaged_legacy_rules_are_back_within_two_seconds_and_nothing_gets_through() {
    let options = "--backend iptables-legacy";
    for (what, command) in [
        (
            "the chain emptied",
            "iptables-legacy -t nat -F PODGATE-INTERCEPT",
        ),
        (
            "the jump deleted",
            "iptables-legacy -t nat -D PREROUTING -j PODGATE-INTERCEPT",
        ),
        ("the table emptied", "iptables-legacy -t nat -F"),
        ("the filter emptied", "iptables-legacy -t filter -F"),
    ] {
        let world = World::new();
        let watching = Watching::start(&world.node, options);
        let _gateway = world.gateway();
        let hammered = hammer(&world.pod, || {
            world.node.run(command);
            let start = Instant::now();
            watching.await_line("is restored");
            println!("{what}: restored after {:?}", start.elapsed());
            assert!(start.elapsed() < Duration::from_secs(2), "{what}");
            eventually(what, || is_in_place(&world, options));
        });
        println!("{what}: {hammered:?}");
        assert_eq!(world.real.requests(), 0, "{what}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn restoring_is_no_change_to_restore() {
    let world = World::new();
    let watching = Watching::start(&world.node, "");
    world.node.run("nft delete table inet podgate");
    watching.await_line("restored=1 ");
    std::thread::sleep(Duration::from_millis(500));
    let more = watching.lines();
    assert!(more.is_empty(), "{more:#?}");
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn other_tables_that_change_all_the_time_do_not_wake_the_watch() {
    let world = World::new();
    let watching = Watching::start(&world.node, "");
    let handle = world.node.run("nft -a list table inet podgate");
    for _ in 0..50 {
        world
            .node
            .foreign_chain("type filter hook forward priority 0", "accept");
        world.node.run("nft delete table ip other");
    }
    assert!(watching.lines().is_empty());
    assert_eq!(world.node.run("nft -a list table inet podgate"), handle);
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn a_war_with_another_writer_is_slowed_down_said_aloud_and_opens_nothing() {
    let world = World::new();
    let watching = Watching::start(&world.node, "");
    let _gateway = world.gateway();
    let mut deletions = 0;
    let hammered = hammer(&world.pod, || {
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            if world.node.attempt("nft delete table inet podgate").0 {
                deletions += 1;
            }
        }
    });
    let line = watching.await_line("something keeps changing");
    println!("war of 3 s: {deletions} deletions, {hammered:?}; {line}");
    assert!(deletions < 20, "{deletions} restores in 3 s");
    assert_eq!(world.real.requests(), 0);
    eventually("peace", || is_in_place(&world, ""));
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn a_new_default_route_is_an_uplink_at_once() {
    let world = World::new();
    let watching = Watching::start(&world.node, "");
    let uplinks = || world.node.run("nft list chain inet podgate intercept");
    assert!(uplinks().contains(r#"iifname "eth0" return"#));
    world.node.run("ip link add eth1 type veth peer name eth1p");
    world.node.run("ip addr add 192.168.98.2/24 dev eth1");
    world.node.run("ip link set eth1p up");
    world.node.run("ip link set eth1 up");
    world
        .node
        .run("ip route add default via 192.168.98.1 metric 50");
    watching.await_line("uplinks changed");
    assert!(uplinks().contains(r#"iifname "eth1" return"#));
    world.node.run("ip link del eth1");
    watching.await_line("uplinks changed");
    assert!(!uplinks().contains("eth1"));
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn named_uplinks_do_not_follow_the_routes() {
    let world = World::new();
    intercept(&world.node, "apply --uplink wan0,wan1").ok();
    let chain = world.node.run("nft list chain inet podgate intercept");
    assert!(
        chain.contains(r#"iifname "wan0" return"#) && chain.contains(r#"iifname "wan1" return"#)
    );
    assert!(!chain.contains("eth0"));
    assert!(
        world
            .node
            .run("ip addr show lo")
            .contains(&LISTENER.to_string())
    );
}
