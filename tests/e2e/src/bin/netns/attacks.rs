//! Known attacks on gateways of this kind that need a network to be tried. docs/attacks.md has the whole list.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use podgate_e2e::demo::{ARCHIVE, WEB, WORKER};
use podgate_e2e::load::Inside;
use podgate_e2e::node::{LISTENER, Outcome, PodObject, RunningPod};
use podgate_testkit::netns::{METADATA, NETWORK, NODE};

use crate::Promise;
use crate::scene::Scene;
use crate::tokens::{gets, resource};

pub(crate) const PROMISES: [Promise; 10] = [
    (
        "attack: a connection from before the rules is cut",
        established,
    ),
    (
        "attack: a source address of another subnet is dropped",
        spoofed_subnet,
    ),
    (
        "attack: a neighbour's source address gets no answer",
        spoofed_neighbour,
    ),
    (
        "attack: the listener's own port is closed to pods",
        direct_hit,
    ),
    (
        "attack: the listener is closed to other machines",
        direct_hit_from_outside,
    ),
    (
        "attack: another pod's identity by its id is refused",
        confused_deputy,
    ),
    (
        "attack: other ports of the metadata address are closed",
        other_ports,
    ),
    ("attack: the WireServer can be closed to pods", wire_server),
    ("attack: loopback is not routed", route_localnet),
    ("attack: a process of the node is no pod", host_process),
];

/// A closed door answers nothing; this is how long we knock.
const KNOCK: Duration = Duration::from_millis(700);

fn connects(pod: &RunningPod, target: SocketAddr) -> Result<bool> {
    Ok(pod
        .network
        .namespace
        .within(|| TcpStream::connect_timeout(&target, KNOCK).is_ok())?)
}

/// Opened to the real service while no rule was there, used again after.
fn established(scene: &mut Scene) -> Result<Outcome> {
    if let Some(watch) = scene.watch.take() {
        watch.kill()?;
    }
    let (removed, text) = scene.stage.intercept("remove", &[])?;
    ensure!(removed, "{text}");
    let pod = scene.bound_pod("patient", "web")?;
    let open = || TcpStream::connect((METADATA, 80));
    let mut stream = pod
        .network
        .namespace
        .within(open)?
        .context("without rules the service is reachable")?;
    ask(&mut stream).context("the connection works")?;
    scene.stage.sim.clear_calls();
    scene.prepare("")?;
    ensure!(ask(&mut stream).is_err(), "the old connection still works");
    scene.stage.delete(pod)?;
    Ok(Outcome::new())
}

/// One request on a connection that stays open.
fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(
        b"GET /metadata/versions HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n",
    )?;
    // Larger than any answer, so that nothing of it is left for the next one.
    let mut answer = [0; 64 * 1024];
    match stream.read(&mut answer)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn spoofed_subnet(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("spoofer", "web")?;
    let foreign = Ipv4Addr::new(10, 99, 0, 7);
    spoof(scene, &pod, foreign)?;
    let dropped = scene
        .stage
        .node
        .namespace
        .run("nft list table inet podgate")?;
    ensure!(dropped.contains("fib saddr . iif oif"), "{dropped}");
    scene.stage.delete(pod)?;
    Ok(Outcome::new())
}

fn spoofed_neighbour(scene: &mut Scene) -> Result<Outcome> {
    let victim = scene.bound_pod("victim", "worker")?;
    let pod = scene.bound_pod("thief", "web")?;
    // A pod that may also forge ARP takes its neighbour's place on a shared bridge (CVE-2021-1677): no rule of
    // the node's IP layer sees that, which is why kubenet is refused. This one only forges its address.
    for quiet in ["arp_ignore=8", "arp_announce=2"] {
        pod.network
            .namespace
            .run(&format!("sysctl -qw net.ipv4.conf.eth0.{quiet}"))?;
    }
    gets(scene, &victim, WORKER)?;
    scene.stage.sim.clear_calls();
    spoof(scene, &pod, victim.object.ip)?;
    scene.stage.delete(victim)?;
    scene.stage.delete(pod)?;
    Ok(Outcome::new())
}

/// Takes an address that is another's and asks for a token from it.
fn spoof(scene: &Scene, pod: &RunningPod, source: Ipv4Addr) -> Result<()> {
    pod.network
        .namespace
        .run(&format!("ip addr add {source}/32 dev eth0"))?;
    let before = scene.stage.sim.calls().len();
    let target = SocketAddr::new(METADATA.into(), 80);
    let asked = pod.within(async {
        let client = podgate_testkit::Client::new(target)
            .from_source(IpAddr::V4(source))
            .deadline(Duration::from_secs(2));
        let path = format!(
            "/metadata/identity/oauth2/token?api-version=2018-02-01&{}",
            resource()
        );
        client
            .get(&path, &[("Metadata", "true"), ("Host", "169.254.169.254")])
            .await
    })?;
    ensure!(asked.is_err(), "an answer came: {asked:?}");
    ensure!(
        scene.stage.sim.calls().len() == before,
        "the gateway asked for a token"
    );
    Ok(())
}

fn direct_hit(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("direct", "web")?;
    let port = LISTENER.port();
    let bridge = Ipv4Addr::new(10, 50, 0, 1);
    for target in [
        LISTENER,
        (bridge, port).into(),
        (NODE, port).into(),
        (METADATA, port).into(),
    ] {
        ensure!(!connects(&pod, target)?, "{target} is open");
    }
    gets(scene, &pod, WEB)?;
    scene.stage.delete(pod)?;
    Ok(Outcome::new())
}

fn direct_hit_from_outside(_: &mut Scene) -> Result<Outcome> {
    let port = LISTENER.port();
    let network = |line: &str| run(line);
    network(&format!("ip route add {} via {NODE}", LISTENER.ip()))?;
    for target in [LISTENER, (NODE, port).into()] {
        ensure!(
            TcpStream::connect_timeout(&target, KNOCK).is_err(),
            "{target} is open"
        );
    }
    network(&format!("ip route del {}", LISTENER.ip()))?;
    Ok(Outcome::new())
}

/// A command in this thread's namespace, which is the network's.
fn run(line: &str) -> Result<()> {
    let mut words = line.split_ascii_whitespace();
    let status = std::process::Command::new(words.next().unwrap_or_default())
        .args(words)
        .status()?;
    ensure!(status.success(), "{line}: {status}");
    Ok(())
}

fn confused_deputy(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("deputy", "web")?;
    let answer = pod.token(&format!("{}&client_id={ARCHIVE}", resource()))?;
    ensure!(answer.status == 400, "{} {}", answer.status, answer.text());
    scene.stage.delete(pod)?;
    Ok(Outcome::new())
}

fn other_ports(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("ports", "web")?;
    let other = std::net::TcpListener::bind((METADATA, 8080))?;
    ensure!(
        !connects(&pod, (METADATA, 8080).into())?,
        "port 8080 of the metadata address is open"
    );
    let datagram = std::net::UdpSocket::bind((METADATA, 80))?;
    datagram.set_read_timeout(Some(KNOCK))?;
    let send = || std::net::UdpSocket::bind("0.0.0.0:0")?.send_to(b"hello", (METADATA, 80));
    // Whether it may be sent or not, it must not arrive.
    let _ = pod.network.namespace.within(send)?;
    ensure!(
        datagram.recv(&mut [0; 16]).is_err(),
        "a datagram reached the metadata address"
    );
    drop(other);
    scene.stage.delete(pod)?;
    Ok(Outcome::new())
}

/// The platform's own channel, which hands out a node's configuration.
fn wire_server(scene: &mut Scene) -> Result<Outcome> {
    const WIRE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    run(&format!("ip addr add {WIRE}/32 dev lo"))?;
    let (_http, _agent) = (
        std::net::TcpListener::bind((WIRE, 80))?,
        std::net::TcpListener::bind((WIRE, 32526))?,
    );
    let pod = scene.bound_pod("wire", "web")?;
    ensure!(
        connects(&pod, (WIRE, 80).into())?,
        "it is open unless it is closed"
    );
    if let Some(watch) = scene.watch.take() {
        watch.kill()?;
    }
    scene.watch = Some(scene.stage.watch(&["--block-wire-server"])?);
    let closed = || connects(&pod, (WIRE, 80).into()).is_ok_and(|open| !open);
    scene
        .stage
        .until("it is closed", Duration::from_secs(10), closed)?;
    ensure!(
        !connects(&pod, (WIRE, 32526).into())?,
        "the agent's port is open"
    );
    scene.stage.delete(pod)?;
    if let Some(watch) = scene.watch.take() {
        watch.kill()?;
    }
    scene.prepare("")?;
    run(&format!("ip addr del {WIRE}/32 dev lo"))?;
    Ok(Outcome::new())
}

/// CVE-2020-8558: with it, a neighbour reaches what listens on loopback.
fn route_localnet(scene: &mut Scene) -> Result<Outcome> {
    for interface in ["all", "cni0", "eth0"] {
        let name = format!("net.ipv4.conf.{interface}.route_localnet");
        let value = scene
            .stage
            .node
            .namespace
            .run(&format!("sysctl -n {name}"))?;
        ensure!(value.trim() == "0", "{name} = {value}");
    }
    Ok(Outcome::new())
}

/// hostNetwork pods share the node's address, so that address is nobody's: they are not intercepted, and the
/// listener gives them nothing.
fn host_process(scene: &mut Scene) -> Result<Outcome> {
    let host = PodObject {
        host_network: true,
        ..PodObject::bound("host", "web", NODE)
    };
    scene.stage.block_on(host.create(&scene.stage.kube))?;
    let ask = || -> Result<u16> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let client = podgate_testkit::Client::new(LISTENER).deadline(Duration::from_secs(30));
        let path = format!(
            "/metadata/identity/oauth2/token?api-version=2018-02-01&{}",
            resource()
        );
        let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
        Ok(runtime.block_on(client.get(&path, &headers))?.status)
    };
    let status = scene.stage.node.namespace.within(ask)??;
    ensure!(
        status != 200,
        "the listener gave a token to a process of the node"
    );
    scene.stage.block_on(host.delete(&scene.stage.kube))?;
    ensure!(
        scene
            .stage
            .sim
            .calls()
            .iter()
            .all(|call| call.peer.ip() != IpAddr::V4(NETWORK))
    );
    Ok(Outcome::new())
}
