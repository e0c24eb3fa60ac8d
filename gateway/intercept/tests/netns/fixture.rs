//! Namespaces and what connects them.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::server::Server;

pub(crate) const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
pub(crate) const LISTENER: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 24);
pub(crate) const METADATA_V6: &str = "fd00:ec2::254";
pub(crate) const LISTENER_V6: &str = "fd70:6f64::24";
pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(192, 168, 99, 2);
pub(crate) const POD: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 11);
pub(crate) const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 12);
pub(crate) const DIRECT_POD: Ipv4Addr = Ipv4Addr::new(10, 60, 0, 5);

/// A network namespace, held by a process that sleeps in it and dies with the thread that made it.
pub(crate) struct Namespace(Child);

/// A node with pods, and the network with the real metadata service.
pub(crate) struct World {
    pub(crate) network: Namespace,
    pub(crate) node: Namespace,
    pub(crate) pod: Namespace,
    pub(crate) neighbour: Namespace,
    pub(crate) direct_pod: Namespace,
    /// Whatever reaches it got past the node.
    pub(crate) real: Server,
}

impl World {
    pub(crate) fn new() -> Self {
        let (network, node) = (Namespace::new(), Namespace::new());
        uplink(&network, &node);
        node.run("ip link add cni0 type bridge mcast_snooping 0");
        node.run("ip addr add 10.50.0.1/24 dev cni0");
        node.run("ip -6 addr add fd50::1/64 dev cni0 nodad");
        node.run("ip link set cni0 up");
        let pod = bridged(&node, "veth1", POD, "fd50::11");
        let neighbour = bridged(&node, "veth2", NEIGHBOUR, "fd50::12");
        let direct_pod = direct(&node);
        let real = Server::start(&network, (METADATA, 80).into(), "real");
        Self {
            network,
            node,
            pod,
            neighbour,
            direct_pod,
            real,
        }
    }

    /// The gateway's double; it says which address it saw.
    pub(crate) fn gateway(&self) -> Server {
        Server::start(&self.node, (LISTENER, 2579).into(), "gateway")
    }

    /// Every pod with its address.
    pub(crate) fn pods(&self) -> [(&Namespace, IpAddr); 3] {
        [
            (&self.pod, POD.into()),
            (&self.neighbour, NEIGHBOUR.into()),
            (&self.direct_pod, DIRECT_POD.into()),
        ]
    }
}

fn uplink(network: &Namespace, node: &Namespace) {
    network.run(&format!(
        "ip link add uplink type veth peer name eth0 netns {}",
        node.pid()
    ));
    network.run("ip addr add 192.168.99.1/24 dev uplink");
    network.run("ip -6 addr add fd99::1/64 dev uplink nodad");
    network.run("ip link set uplink up");
    network.run(&format!("ip addr add {METADATA}/32 dev lo"));
    network.run(&format!("ip -6 addr add {METADATA_V6}/128 dev lo"));
    // What leaves the node with a pod's address is answered, so that a leak shows.
    network.run("ip route add 10.0.0.0/8 via 192.168.99.2");
    network.run("ip -6 route add fd50::/64 via fd99::2");
    node.run(&format!("ip addr add {NODE}/24 dev eth0"));
    node.run("ip -6 addr add fd99::2/64 dev eth0 nodad");
    node.run("ip link set eth0 up");
    node.run("ip route add default via 192.168.99.1");
    node.run("ip -6 route add default via fd99::1");
    node.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
}

/// A pod on the node's bridge, as most network plugins make it.
fn bridged(node: &Namespace, link: &str, ip: Ipv4Addr, v6: &str) -> Namespace {
    let pod = Namespace::new();
    node.run(&format!(
        "ip link add {link} type veth peer name eth0 netns {}",
        pod.pid()
    ));
    node.run(&format!("ip link set {link} master cni0"));
    node.run(&format!("ip link set {link} up"));
    pod.run(&format!("ip addr add {ip}/24 dev eth0"));
    pod.run(&format!("ip -6 addr add {v6}/64 dev eth0 nodad"));
    pod.run("ip link set eth0 up");
    pod.run("ip route add default via 10.50.0.1");
    pod.run("ip -6 route add default via fd50::1");
    pod
}

/// A pod whose address is routed to its veth, as Azure CNI in transparent mode makes it.
fn direct(node: &Namespace) -> Namespace {
    let pod = Namespace::new();
    node.run(&format!(
        "ip link add azv1 type veth peer name eth0 netns {}",
        pod.pid()
    ));
    node.run("ip link set azv1 up");
    node.run(&format!("ip route add {DIRECT_POD}/32 dev azv1"));
    node.run("sysctl -qw net.ipv4.conf.azv1.proxy_arp=1");
    pod.run(&format!("ip addr add {DIRECT_POD}/32 dev eth0"));
    pod.run("ip link set eth0 up");
    pod.run("ip route add 169.254.1.1/32 dev eth0");
    pod.run("ip route add default via 169.254.1.1");
    pod
}

impl Namespace {
    pub(crate) fn new() -> Self {
        let child = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "--",
                "unshare",
                "--net",
                "--",
                "sleep",
                "infinity",
            ])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let namespace = Self(child);
        let deadline = Instant::now() + Duration::from_secs(5);
        let comm = format!("/proc/{}/comm", namespace.pid());
        while std::fs::read_to_string(&comm).unwrap().trim() != "sleep" {
            assert!(
                Instant::now() < deadline,
                "no new namespace; this needs root"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        // Addresses of IPv6 are usable at once, as there is nobody to have the same.
        namespace
            .run("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0");
        namespace.run("ip link set lo up");
        namespace
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// A program that will run inside, and die with this thread.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid()));
        command.args(["--", "setpriv", "--pdeathsig", "KILL", "--", program]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a line inside, split at spaces; it must succeed.
    pub(crate) fn run(&self, line: &str) -> String {
        let (success, text) = self.attempt(line);
        assert!(success, "`{line}`: {text}");
        text
    }

    /// Runs a line inside; whether it succeeded, and what it said.
    pub(crate) fn attempt(&self, line: &str) -> (bool, String) {
        let mut words = line.split_ascii_whitespace();
        let mut command = self.command(words.next().unwrap());
        let output = command.args(words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// A chain of somebody else's, in a table of its own, with one rule.
    pub(crate) fn foreign_chain(&self, hook: &str, rule: &str) {
        self.nft(&format!(
            "table ip other {{\nchain c {{\n{hook};\n{rule}\n}}\n}}\n"
        ));
    }

    /// Loads a ruleset of nftables inside.
    pub(crate) fn nft(&self, rules: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), rules).unwrap();
        self.run(&format!("nft -f {}", file.path().display()));
    }

    /// Runs `work` on a thread inside. Sockets made there stay there.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            let file = std::fs::File::open(format!("/proc/{}/ns/net", self.pid())).unwrap();
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
