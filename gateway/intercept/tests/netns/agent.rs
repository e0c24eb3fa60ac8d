//! The old agent's chain beside ours.

use std::io::ErrorKind;

use crate::BACKENDS;
use crate::fixture::{METADATA, Namespace, POD, World};
use crate::program::{Watching, eventually, intercept};
use crate::server::{ask, gateway_saw, hammer};

/// What NMI puts into place by this tool; at once, because a watch may be looking.
fn install(node: &Namespace, tool: &str) {
    let rules = format!(
        "*nat\n:aad-metadata - [0:0]\n\
         -A aad-metadata ! -s 127.0.0.1/32 -d {METADATA}/32 -p tcp -m tcp --dport 80 \
         -j DNAT --to-destination 127.0.0.1:2579\n\
         -A aad-metadata -j RETURN\n-I PREROUTING 1 -j aad-metadata\nCOMMIT\n"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    node.run(&format!(
        "{tool}-restore --noflush {}",
        file.path().display()
    ));
}

fn is_installed(node: &Namespace, tool: &str) -> bool {
    node.run(&format!("{tool} -t nat -S"))
        .contains("aad-metadata")
}

const TOOLS: [&str; 2] = ["iptables-nft", "iptables-legacy"];

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn the_old_agents_chain_is_taken_over_and_other_rules_of_its_table_stay() {
    for tool in TOOLS {
        for backend in BACKENDS {
            let world = World::new();
            install(&world.node, tool);
            world.node.run(&format!(
                "{tool} -t nat -A PREROUTING -s 1.2.3.4/32 -j RETURN"
            ));
            let text = intercept(&world.node, &format!("apply --backend {backend}")).ok();
            assert!(text.contains("removed the old agent's chain"), "{text}");
            assert!(!is_installed(&world.node, tool), "{tool}, {backend}");
            let left = world.node.run(&format!("{tool} -t nat -S PREROUTING"));
            assert!(left.contains("-s 1.2.3.4/32 -j RETURN"), "{left}");
            let _gateway = world.gateway();
            assert_eq!(ask(&world.pod).unwrap(), gateway_saw(POD.into()));
        }
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn an_old_agent_that_comes_back_does_not_win() {
    for tool in TOOLS {
        let world = World::new();
        intercept(&world.node, "apply --backend nftables").ok();
        let _gateway = world.gateway();
        install(&world.node, tool);
        assert_eq!(ask(&world.pod).unwrap(), gateway_saw(POD.into()), "{tool}");
    }
}

/// Without events, ours comes first again within a second; until then the old agent's listener has the requests.
#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn an_old_agent_that_comes_back_is_removed_while_legacy_rules_are_watched() {
    let world = World::new();
    let _watching = Watching::start(&world.node, "--backend iptables-legacy");
    install(&world.node, "iptables-legacy");
    let took = eventually("the chain is gone", || {
        !is_installed(&world.node, "iptables-legacy")
    });
    println!("the old agent's chain was removed after {took:?}");
    let _gateway = world.gateway();
    assert_eq!(ask(&world.pod).unwrap(), gateway_saw(POD.into()));
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn nothing_gets_through_while_the_old_agent_is_taken_over() {
    for tool in TOOLS {
        let world = World::new();
        install(&world.node, tool);
        // Without route_localnet the old agent's redirect ends in nothing, as on a node whose agent is gone.
        assert_ne!(
            ask(&world.pod).unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
        let hammered = hammer(&world.pod, || {
            intercept(&world.node, "apply").ok();
        });
        println!("takeover from {tool} under load: {hammered:?}");
        assert_eq!(world.real.requests(), 0, "{tool}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn removing_takes_the_old_agents_leftovers_too() {
    for tool in TOOLS {
        let world = World::new();
        install(&world.node, tool);
        let text = intercept(&world.node, "remove").ok();
        assert!(text.contains("old_agent=true"), "{text}");
        assert!(!is_installed(&world.node, tool), "{tool}");
    }
}
