//! What stays and what goes when the program ends, what it needs, and what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::BACKENDS;
use crate::fixture::{POD, World};
use crate::program::{Watching, eventually, intercept, intercept_with, program};
use crate::server::{Server, ask, gateway_saw, hammer};

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn rules_stay_when_the_watch_ends_however_it_ends() {
    for backend in BACKENDS {
        for signal in ["TERM", "INT", "KILL"] {
            let world = World::new();
            let options = format!("--backend {backend}");
            let watching = Watching::start(&world.node, &options);
            let _gateway = world.gateway();
            let hammered = hammer(&world.pod, || watching.end(signal));
            assert_eq!(
                (hammered.real, hammered.failed),
                (0, 0),
                "{backend}, {signal}"
            );
            intercept(&world.node, &format!("check {options}")).ok();
        }
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn a_second_watch_takes_over_from_the_first_without_a_war() {
    let world = World::new();
    let first = Watching::start(&world.node, "");
    let _gateway = world.gateway();
    let hammered = hammer(&world.pod, || {
        let second = Watching::start(&world.node, "");
        std::thread::sleep(Duration::from_millis(300));
        let lines = [first.lines(), second.lines()].concat();
        assert!(
            !lines.iter().any(|line| line.contains("restored")),
            "{lines:#?}"
        );
        first.end("TERM");
        world.node.run("nft delete table inet podgate");
        second.await_line("is restored");
    });
    assert_eq!(hammered.real, 0, "{hammered:?}");
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn check_says_yes_no_and_cannot_tell_by_its_code() {
    for backend in BACKENDS {
        let world = World::new();
        let check = || intercept(&world.node, &format!("check --backend {backend}"));
        assert_eq!(check().code, Some(1), "{backend}");
        intercept(&world.node, &format!("apply --backend {backend}")).ok();
        check().ok();
        world.node.run("ip rule del pref 2");
        let ended = check();
        assert_eq!(ended.code, Some(1), "{backend}");
        assert!(
            ended
                .text
                .contains("routing rules: - 2: to 169.254.169.254 prohibit"),
            "{}",
            ended.text
        );
        let blind = intercept_with(&world.node, "+chown", &format!("check --backend {backend}"));
        assert_eq!(blind.code, Some(2), "{backend}: {}", blind.text);
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn a_foreign_rule_in_our_table_is_named_by_check() {
    let world = World::new();
    intercept(&world.node, "apply").ok();
    world
        .node
        .run("nft insert rule inet podgate guard ip saddr 10.50.0.12 accept");
    let ended = intercept(&world.node, "check");
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.text.contains("+ ip saddr 10.50.0.12 accept"),
        "{}",
        ended.text
    );
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn two_capabilities_are_enough_and_nftables_needs_one_of_them() {
    for (backend, capabilities) in [
        ("nftables", "+net_admin"),
        ("iptables-legacy", "+net_admin,+net_raw"),
    ] {
        let world = World::new();
        // As kube-proxy does: a table that can be seen with both capabilities only.
        world
            .node
            .run("iptables-legacy -t nat -A PREROUTING -s 1.2.3.4 -j ACCEPT");
        let run = |verb: &str| {
            intercept_with(
                &world.node,
                capabilities,
                &format!("{verb} --backend {backend}"),
            )
        };
        run("apply").ok();
        run("check").ok();
        let _gateway = world.gateway();
        assert_eq!(
            ask(&world.pod).unwrap(),
            gateway_saw(POD.into()),
            "{backend}"
        );
        let removed = run("remove");
        assert_eq!(ask(&world.pod).unwrap(), format!("real {POD}"), "{backend}");
        // What cannot be seen may be left, and that is said.
        let knows = capabilities.contains("net_raw");
        assert_eq!(removed.code, Some(i32::from(!knows)), "{}", removed.text);
    }
}

/// A tool is hidden in a mount namespace of the process's own.
#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn without_nft_iptables_legacy_is_used_and_without_both_the_address_is_still_closed() {
    let hide = |world: &World, tools: &str, verb: &str| {
        let script = format!(
            "for tool in {tools}; do for file in /usr/sbin/$tool /sbin/$tool; do \
             test ! -f $file || mount --bind /dev/null $file; done; done; exec {} {verb}",
            program().display()
        );
        let mut command = world.node.command("unshare");
        let output = command
            .args(["--mount", "--", "sh", "-c", &script])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    let world = World::new();
    let (code, text) = hide(&world, "nft", "apply");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(r#"backend="iptables-legacy""#), "{text}");

    let world = World::new();
    let both = "nft iptables-legacy-restore ip6tables-legacy-restore";
    let (code, text) = hide(&world, both, "apply");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("install the package nftables"), "{text}");
    ask(&world.pod).unwrap_err();
    assert_eq!(world.real.requests(), 0);
    assert_eq!(hide(&world, both, "check").0, Some(2));
}

/// What the API server says of the DaemonSet.
const LIVES: u8 = 0;
const IS_DELETED: u8 = 1;
const IS_GONE: u8 = 2;
const IS_AWAY: u8 = 3;

/// The two objects that are asked for, over plain HTTP; the node's taint goes by a patch.
fn api_server(world: &World, state: &Arc<AtomicU8>, tainted: &Arc<AtomicU8>) -> Server {
    let (state, tainted) = (Arc::clone(state), Arc::clone(tainted));
    let address = "192.168.99.1:8001".parse().unwrap();
    Server::answering(&world.network, address, move |request, _| {
        if request.starts_with("PATCH /api/v1/nodes/node-1") {
            assert!(
                request.contains("application/merge-patch+json"),
                "{request}"
            );
            assert!(request.contains(r#""resourceVersion":"41""#), "{request}");
            assert!(
                request.contains(r#""taints":[{"effect":"NoSchedule","key":"other"}]"#),
                "{request}"
            );
            tainted.store(0, Ordering::SeqCst);
            return ("200 OK", node("[]"));
        }
        if request.starts_with("GET /api/v1/nodes/node-1") {
            let taints = r#"[{"key":"podgate.io/not-ready","effect":"NoSchedule"},{"key":"other","effect":"NoSchedule"}]"#;
            return ("200 OK", node(taints));
        }
        assert!(
            request.starts_with("GET /apis/apps/v1/namespaces/podgate/daemonsets/gateway"),
            "{request}"
        );
        match state.load(Ordering::SeqCst) {
            LIVES => ("200 OK", daemonset("null")),
            IS_DELETED => ("200 OK", daemonset(r#""2026-01-02T03:04:05Z""#)),
            IS_GONE => (
                "404 Not Found",
                r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"gone"}"#.to_owned(),
            ),
            _ => ("500 Internal Server Error", "{}".to_owned()),
        }
    })
}

fn node(taints: &str) -> String {
    format!(
        r#"{{"kind":"Node","apiVersion":"v1","metadata":{{"name":"node-1","resourceVersion":"41"}},"spec":{{"taints":{taints}}}}}"#
    )
}

fn daemonset(deleted: &str) -> String {
    format!(
        r#"{{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{{"name":"gateway","namespace":"podgate","uid":"u1","deletionTimestamp":{deleted}}}}}"#
    )
}

const KUBECONFIG: &str = r#"{"apiVersion":"v1","kind":"Config","current-context":"c",
"clusters":[{"name":"c","cluster":{"server":"http://192.168.99.1:8001"}}],
"users":[{"name":"u","user":{}}],"contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}]}"#;

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn rules_go_at_the_end_of_the_watch_only_if_its_daemonset_is_being_deleted() {
    let kubeconfig = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kubeconfig.path(), KUBECONFIG).unwrap();
    let options = format!(
        "--daemonset podgate/gateway --kubeconfig {}",
        kubeconfig.path().display()
    );
    for (then, goes) in [
        (LIVES, false),
        (IS_DELETED, true),
        (IS_GONE, true),
        (IS_AWAY, false),
    ] {
        let world = World::new();
        let (state, tainted) = (Arc::default(), Arc::default());
        let api = api_server(&world, &state, &tainted);
        let watching = Watching::start(&world.node, &options);
        eventually("the DaemonSet was seen", || api.requests() > 0);
        std::thread::sleep(Duration::from_millis(50));
        state.store(then, Ordering::SeqCst);
        watching.end("TERM");
        let reaches_the_real_one = ask(&world.pod).is_ok();
        assert_eq!(reaches_the_real_one, goes, "state {then}");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test --only intercept"]
fn the_nodes_taint_goes_once_the_gateway_is_ready() {
    let kubeconfig = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kubeconfig.path(), KUBECONFIG).unwrap();
    let world = World::new();
    let (state, tainted) = (Arc::default(), Arc::new(AtomicU8::new(1)));
    let api = api_server(&world, &state, &tainted);
    let path = kubeconfig.path().display();
    let watching = Watching::start(&world.node, &format!("--node node-1 --kubeconfig {path}"));
    watching.await_line("the gateway is not ready");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!((tainted.load(Ordering::SeqCst), api.requests()), (1, 0));
    let _ready = Server::start(&world.node, "127.0.0.1:8085".parse().unwrap(), "ready");
    watching.await_line("removed the node's taint");
    assert_eq!(tainted.load(Ordering::SeqCst), 0);
}
