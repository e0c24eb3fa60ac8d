//! Network namespaces: a node with its pods, and the network around it, on one machine.
//!
//! ```text
//!  network ── 169.254.169.254 (azure-sim), 192.168.99.1 (API server, Entra ID)
//!     │ uplink
//!   eth0 192.168.99.2
//!   node ── cni0 10.50.0.1/24 ── veth ── pod 10.50.0.11, 10.50.0.12, …
//! ```
//! Nothing of it is in the machine's own namespace. A namespace lives as long as a process that sleeps in it,
//! and that process dies with the thread that made it: nothing is left, even when a test is killed.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The metadata address, which the network holds.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The network's own address: what else a node reaches is here.
pub const NETWORK: Ipv4Addr = Ipv4Addr::new(192, 168, 99, 1);
/// The node's address.
pub const NODE: Ipv4Addr = Ipv4Addr::new(192, 168, 99, 2);

/// A new namespace is there within milliseconds; a machine that takes longer has a problem.
const BIRTH: Duration = Duration::from_secs(5);

/// A network namespace.
pub struct Namespace(Child);

/// A node: a bridge for its pods, and an uplink to the network.
pub struct Node {
    /// Where the node's own processes run.
    pub namespace: Namespace,
    made: u32,
}

/// A pod's network: one address behind a veth on the node's bridge.
pub struct PodNetwork {
    /// Where the pod's processes run.
    pub namespace: Namespace,
    /// Its address.
    pub ip: Ipv4Addr,
    /// The node's end of its veth.
    pub link: String,
}

/// Why a namespace could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// A command failed.
    #[error(
        "`{command}`: {problem}; network namespaces need root and the packages util-linux and iproute2"
    )]
    Command {
        /// As it was run.
        command: String,
        /// What it said.
        problem: String,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
}

/// Runs `work` in a thread of its own whose network is new and has nothing but loopback. Threads and
/// processes that it starts share it.
///
/// # Errors
/// The namespace could not be made. A panic of `work` goes on here.
pub fn isolated<T: Send>(work: impl FnOnce(&Namespace) -> T + Send) -> Result<T, NetnsError> {
    let inside = || {
        let network = Namespace::new()?;
        network.enter()?;
        Ok(work(&network))
    };
    std::thread::scope(|scope| match scope.spawn(inside).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

impl Namespace {
    /// A namespace with loopback up and nothing else.
    ///
    /// # Errors
    /// Without root.
    pub fn new() -> Result<Self, NetnsError> {
        let mut command = Command::new("setpriv");
        command
            // A parent that died before `setpriv` ran would never be missed: whoever is an orphan by now ends.
            .args(["--pdeathsig", "KILL", "--", "sh", "-c"])
            .arg("[ \"$PPID\" = \"$0\" ] && exec unshare --net -- sleep infinity")
            .arg(std::process::id().to_string())
            .stdin(Stdio::null());
        let child = command.spawn().map_err(|error| failed(&command, &error))?;
        let namespace = Self(child);
        namespace.born()?;
        namespace.run("ip link set lo up")?;
        Ok(namespace)
    }

    /// Until the process has left this thread's namespace and sleeps.
    fn born(&self) -> Result<(), NetnsError> {
        let deadline = Instant::now() + BIRTH;
        let comm = format!("/proc/{}/comm", self.0.id());
        while std::fs::read_to_string(&comm).is_ok_and(|name| name.trim() != "sleep") {
            if Instant::now() > deadline {
                let problem = "no new namespace within 5 s".to_owned();
                let command = "unshare --net".to_owned();
                return Err(NetnsError::Command { command, problem });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// The process that holds it.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The namespace as a file.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.0.id()).into()
    }

    /// A command that will run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display()));
        command.arg("--").arg(program);
        command
    }

    /// Runs a command line inside, split at spaces, and returns what it wrote to standard output.
    ///
    /// # Errors
    /// It failed; the message has what it said.
    pub fn run(&self, line: &str) -> Result<String, NetnsError> {
        let mut words = line.split_ascii_whitespace();
        let mut command = self.command(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::null());
        let output = command.output().map_err(|error| failed(&command, &error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(NetnsError::Command {
            command: line.to_owned(),
            problem: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Moves the calling thread inside, for good.
    ///
    /// # Errors
    /// Without root, or when the namespace is gone.
    pub fn enter(&self) -> Result<(), NetnsError> {
        let io = |source| NetnsError::Io {
            what: "entering a network namespace",
            source,
        };
        let file = std::fs::File::open(self.path()).map_err(io)?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| io(error.into()))
    }

    /// Runs `work` on a thread inside, to its end.
    ///
    /// # Errors
    /// As [`enter`](Self::enter). A panic of `work` goes on here.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        let inside = || self.enter().map(|()| work());
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Node {
    /// A node on `network`, which is the namespace of the calling thread.
    ///
    /// # Errors
    /// A command failed.
    pub fn new(network: &Namespace) -> Result<Self, NetnsError> {
        let namespace = Namespace::new()?;
        let (outer, inner) = (network.pid(), namespace.pid());
        network.run(&format!(
            "ip link add uplink type veth peer name eth0 netns {inner}"
        ))?;
        network.run(&format!("ip addr add {NETWORK}/24 dev uplink"))?;
        network.run("ip link set uplink up")?;
        network.run(&format!("ip addr add {METADATA}/32 dev lo"))?;
        namespace.run(&format!("ip addr add {NODE}/24 dev eth0"))?;
        namespace.run("ip link set eth0 up")?;
        namespace.run(&format!("ip route add default via {NETWORK}"))?;
        namespace.run("ip link add cni0 type bridge")?;
        namespace.run("ip addr add 10.50.0.1/24 dev cni0")?;
        namespace.run("ip link set cni0 up")?;
        namespace.run("sysctl -qw net.ipv4.ip_forward=1")?;
        // The way back: what leaves the node with a pod's address is answered, so that a leak shows.
        network.run(&format!("ip route add 10.50.0.0/24 via {NODE}"))?;
        tracing::debug!(network = outer, node = inner, "node");
        Ok(Self { namespace, made: 0 })
    }

    /// A pod with this address, one of 10.50.0.0/24.
    ///
    /// # Errors
    /// A command failed.
    pub fn pod(&mut self, ip: Ipv4Addr) -> Result<PodNetwork, NetnsError> {
        self.made += 1;
        let link = format!("veth{}", self.made);
        let namespace = Namespace::new()?;
        let (node, pod) = (&self.namespace, namespace.pid());
        node.run(&format!(
            "ip link add {link} type veth peer name eth0 netns {pod}"
        ))?;
        node.run(&format!("ip link set {link} master cni0"))?;
        node.run(&format!("ip link set {link} up"))?;
        namespace.run(&format!("ip addr add {ip}/24 dev eth0"))?;
        namespace.run("ip link set eth0 up")?;
        namespace.run("ip route add default via 10.50.0.1")?;
        Ok(PodNetwork {
            namespace,
            ip,
            link,
        })
    }
}

impl PodNetwork {
    /// The address, as a source.
    pub fn address(&self) -> IpAddr {
        IpAddr::V4(self.ip)
    }
}

fn failed(command: &Command, error: &io::Error) -> NetnsError {
    NetnsError::Command {
        command: format!("{command:?}"),
        problem: error.to_string(),
    }
}
