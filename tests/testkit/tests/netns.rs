//! The network harness itself.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use podgate_testkit::netns::{METADATA, Namespace, Node, isolated};

const POD: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 11);

fn reaches(from: &Namespace, target: SocketAddr) -> bool {
    let connect = || TcpStream::connect_timeout(&target, Duration::from_secs(2)).is_ok();
    from.within(connect).unwrap()
}

#[test]
#[ignore = "needs root: cargo xtask test --only netns"]
fn without_rules_a_pod_reaches_the_metadata_address_through_its_node() {
    isolated(|network| {
        let mut node = Node::new(network).unwrap();
        let pod = node.pod(POD).unwrap();
        let metadata = TcpListener::bind((METADATA, 80)).unwrap();
        assert!(reaches(&pod.namespace, (METADATA, 80).into()));
        let (_, peer) = metadata.accept().unwrap();
        assert_eq!(peer.ip(), POD, "the hole that interception closes");
    })
    .unwrap();
}

#[test]
#[ignore = "needs root: cargo xtask test --only netns"]
fn a_namespace_ends_with_what_made_it() {
    let holder = isolated(Namespace::pid).unwrap();
    let gone = || !std::path::Path::new(&format!("/proc/{holder}")).exists();
    assert!(gone());
}
