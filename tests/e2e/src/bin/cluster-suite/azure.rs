//! azure-sim as each node sees it: a metadata service of its own behind its uplink, and one Entra ID and ARM for all.
//!
//! ```text
//! pod ──▶ node1 ──▶ hub: 169.254.169.254 ─┬─ from node1 or its pods ─▶ IMDS of node1 ◀─┐
//! pod ──▶ node2 ──▶                       └─ from node2 or its pods ─▶ IMDS of node2 ◀─┤ what ARM has given
//! controller ─────────────────────────────────────────────────────────▶ ARM ───────────┘ each one's machine
//! ```
//! All nodes but the last are of one scale set; that one is a virtual machine of its own. Both take four changes a minute, and
//! twelve at once, as Azure does: cases are spread over them.
//! What reaches one from a pod's own address did not go through a gateway: a leak.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use podgate_e2e::demo;
use podgate_testkit::{
    Answer, AzureSim, Call, Client, Compute, HandChange, ManagedIdentity, SimConfig,
    SystemIdentity, Target,
};
use tokio::runtime::{Handle, Runtime};

use crate::people::{self, identity};

/// The hub's address: the control plane's and Azure's.
pub(crate) const HUB: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
/// The first two numbers of every pod's address; the third is the node's.
const PODS: [u8; 2] = [10, 244];

/// Of the subscription of the nodes and the identities.
pub(crate) const SUBSCRIPTION: &str = "00000000-0000-4000-8000-000000000000";
/// Of the nodes.
pub(crate) const GROUP: &str = "mc-shop";
/// The tenant of the subscription, as azure-sim has it where nothing else is said.
pub(crate) const TENANT: &str = "7a1e0000-0000-4000-8000-00000000feed";
/// Identities that are on the machines all the time: the cluster's own, by which the controller signs in, and somebody else's.
pub(crate) const OTHERS: [&str; 2] = ["cluster", "foreign"];
/// A change at ARM; Azure takes 10 to 60 s.
pub(crate) const OPERATION: Duration = Duration::from_secs(3);
/// Between two looks of the metadata services at what their machines have.
const LOOK: Duration = Duration::from_millis(50);

/// All of it, in the network namespace of whoever made it.
pub(crate) struct Azure {
    /// Entra ID and ARM.
    cloud: Arc<AzureSim>,
    nodes: Arc<Vec<AzureSim>>,
    runtime: Handle,
}

impl Azure {
    /// With the demo's identities on every node.
    pub(crate) fn start(runtime: &Runtime, nodes: u8) -> Result<Self> {
        let (here, hidden) = (
            SocketAddr::new(HUB.into(), 0),
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        );
        let start = |config: SimConfig| anyhow::Ok(runtime.block_on(AzureSim::start(config))?);
        let cloud = start(SimConfig {
            imds_listen: hidden,
            entra_listen: here,
            arm_listen: here,
            ..directory(usize::from(nodes))?
        })?;
        let node = |_| {
            start(SimConfig {
                imds_listen: here,
                issuer: Some(cloud.entra_url()),
                ..SimConfig::default()
            })
        };
        let azure = Self {
            nodes: Arc::new((0..nodes).map(node).collect::<Result<_>>()?),
            cloud: Arc::new(cloud),
            runtime: runtime.handle().clone(),
        };
        runtime.spawn(mirror(Arc::clone(&azure.cloud), Arc::clone(&azure.nodes)));
        azure.lead()?;
        Ok(azure)
    }

    /// Each node's packets for the metadata address to its own service.
    fn lead(&self) -> Result<()> {
        let rule = |(sim, node): (&AzureSim, usize)| {
            format!(
                "ip saddr {{ 192.168.77.1{node}, 10.244.{node}.0/24 }} ip daddr 169.254.169.254 tcp dport 80 dnat to {}\n",
                sim.imds_addr()
            )
        };
        let rules: String = self.nodes.iter().zip(1..).map(rule).collect();
        let table = format!(
            "table ip azure {{\nchain lead {{\ntype nat hook prerouting priority dstnat\n{rules}}}\n}}\n"
        );
        let mut nft = Command::new("nft");
        let mut nft = nft.args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
        let mut input = nft.stdin.take().context("nft's input")?;
        input.write_all(table.as_bytes())?;
        drop(input);
        ensure!(nft.wait()?.success(), "nft refuses: {table}");
        Ok(())
    }

    /// Entra ID's login URL.
    pub(crate) fn authority(&self) -> String {
        self.cloud.entra_url()
    }

    /// Azure Resource Manager's URL.
    pub(crate) fn arm_url(&self) -> String {
        self.cloud.arm_url()
    }

    /// Somebody takes every user-assigned identity off the nodes but the cluster's own and a foreign one.
    pub(crate) fn bare_nodes(&self) {
        for compute in self.cloud.computes() {
            let mut remove = compute.identities;
            remove.retain(|id| !OTHERS.iter().any(|other| is(id, other)));
            self.by_hand(compute.id, &remove);
        }
    }

    /// Somebody takes an identity off a node's machine.
    pub(crate) fn take(&self, node: usize, name: &str) {
        let taken = [identity(name).resource_id];
        self.by_hand(machine(node, self.nodes.len()), &taken);
    }

    fn by_hand(&self, compute: String, remove: &[String]) {
        self.cloud.change_by_hand(&HandChange {
            compute,
            remove: remove.to_vec(),
            ..HandChange::default()
        });
    }

    /// Somebody creates an identity.
    pub(crate) fn create(&self, name: &str) {
        self.cloud.add_arm_identity(identity(name));
    }

    /// The names of the identities that ARM has given to the machine of a node, by its number from 0, but for those that
    /// somebody else put there.
    pub(crate) fn held(&self, node: usize) -> BTreeSet<String> {
        let mut all = self.names(node);
        all.retain(|name| !OTHERS.contains(&name.as_str()));
        all
    }

    /// Whether this one is on it.
    pub(crate) fn has(&self, node: usize, name: &str) -> bool {
        self.names(node).contains(name)
    }

    fn names(&self, node: usize) -> BTreeSet<String> {
        let compute = self.machine(node);
        let ids = compute.iter().flat_map(|compute| &compute.identities);
        let name = |id: &String| id.rsplit('/').next().map(str::to_owned);
        ids.filter_map(name).collect()
    }

    /// The machine of a node as ARM has it.
    pub(crate) fn machine(&self, node: usize) -> Option<Compute> {
        self.cloud.compute(&machine(node, self.nodes.len()))
    }

    /// Lists the nodes' scale sets at ARM with the token of an answer.
    pub(crate) fn list(&self, answer: &Answer) -> Result<Answer> {
        let json = answer.json();
        let token = json["access_token"].as_str().context("access_token")?;
        let url = self.arm_url();
        let host = url.trim_start_matches("https://").trim_end_matches('/');
        let client = Client::new(host.parse()?).https(self.ca_pem(), &HUB.to_string());
        let path = format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets?api-version=2024-07-01"
        );
        let headers = [
            ("Authorization", format!("Bearer {token}")),
            ("Host", host.to_owned()),
        ];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        Ok(self.runtime.block_on(client.get(&path, &headers))?)
    }

    /// Changes that ARM was asked for.
    pub(crate) fn changes(&self) -> usize {
        let calls = self.cloud.calls_to(Target::Arm);
        calls.iter().filter(|call| call.method == "PATCH").count()
    }

    /// Whom a client of it has to trust.
    pub(crate) fn ca_pem(&self) -> &str {
        self.cloud.ca_pem()
    }

    /// Nothing has been asked.
    pub(crate) fn clear(&self) {
        self.all().for_each(AzureSim::clear_calls);
    }

    /// Requests that came from pods to the metadata services past the gateways.
    pub(crate) fn leaks(&self) -> Vec<Call> {
        let from_pod =
            |call: &Call| matches!(call.peer.ip(), IpAddr::V4(ip) if ip.octets()[..2] == PODS);
        let calls = self
            .nodes
            .iter()
            .flat_map(|node| node.calls_to(Target::Imds));
        calls.filter(from_pod).collect()
    }

    /// How many tokens the gateways asked for.
    pub(crate) fn tokens(&self) -> usize {
        let is_token = |call: &Call| call.path.ends_with("/token");
        self.all()
            .flat_map(AzureSim::calls)
            .filter(is_token)
            .count()
    }

    /// Whose token an answer has.
    pub(crate) fn client_id(&self, answer: &Answer) -> Result<String> {
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        let json = answer.json();
        let token = json["access_token"].as_str().context("access_token")?;
        self.verify(token).context("nobody here issued this token")
    }

    /// Whose token it is, if it is a good one of any of the services.
    pub(crate) fn verify(&self, token: &str) -> Option<String> {
        self.all()
            .find_map(|sim| sim.verify(token).ok())
            .map(|claims| claims.appid)
    }

    fn all(&self) -> impl Iterator<Item = &AzureSim> {
        self.nodes.iter().chain([&*self.cloud])
    }
}

/// Whether a resource id has this name.
fn is(id: &str, name: &str) -> bool {
    id.rsplit('/').next() == Some(name)
}

/// `spec.providerID` of a node, by its number from 0.
pub(crate) fn provider_id(node: usize, nodes: usize) -> String {
    let machine = machine(node, nodes);
    match machine.contains("virtualMachineScaleSets") {
        true => format!("azure://{machine}/virtualMachines/{node}"),
        false => format!("azure://{machine}"),
    }
}

/// The scale set or virtual machine whose identities a node has.
fn machine(node: usize, nodes: usize) -> String {
    let name = match node + 1 == nodes {
        true => "virtualMachines/alone",
        false => "virtualMachineScaleSets/pool",
    };
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/{name}"
    )
}

/// The demo's identities on all machines, the cluster's own and a foreign one; the applications of the demo; and the
/// identities of the cases, on none.
fn directory(nodes: usize) -> Result<SimConfig> {
    let mut config = demo::directory()?;
    let (system, assigned): (Vec<_>, Vec<_>) = config
        .managed_identities
        .drain(..)
        .partition(ManagedIdentity::is_system_assigned);
    let system = system.into_iter().next().map(|own| SystemIdentity {
        client_id: own.client_id,
        object_id: own.object_id,
    });
    let machines: BTreeSet<String> = (0..nodes).map(|node| machine(node, nodes)).collect();
    let others = OTHERS.map(identity);
    let on_all = assigned.iter().chain(&others);
    let on_all: Vec<String> = on_all.map(|one| one.resource_id.clone()).collect();
    let compute = |id| Compute {
        id,
        location: "westeurope".to_owned(),
        system_assigned: system.clone(),
        identities: on_all.clone(),
        state: "Succeeded".to_owned(),
    };
    config.arm.computes = machines.into_iter().map(compute).collect();
    config.arm.identities = assigned;
    config.arm.identities.extend(people::from_the_beginning());
    config.arm.operation_ms = u64::try_from(OPERATION.as_millis())?;
    config.arm.retry_after_seconds = Some(1);
    config.arm.writers = Some(vec![people::client_id("cluster")]);
    let readers = [demo::WEB.to_owned(), people::client_id("right")];
    config.arm.readers = Some(readers.into());
    Ok(config)
}

/// Each metadata service has what ARM has given to its machine, for as long as there is one.
async fn mirror(cloud: Arc<AzureSim>, nodes: Arc<Vec<AzureSim>>) {
    let known: Vec<ManagedIdentity> = demo::directory()
        .map(|directory| directory.managed_identities)
        .unwrap_or_default()
        .into_iter()
        .chain(people::everybody())
        .collect();
    loop {
        for (number, node) in nodes.iter().enumerate() {
            let compute = cloud.compute(&machine(number, nodes.len()));
            let has = compute
                .map(|compute| compute.identities)
                .unwrap_or_default();
            for identity in &known {
                let is_there = identity.is_system_assigned()
                    || has
                        .iter()
                        .any(|id| id.eq_ignore_ascii_case(&identity.resource_id));
                match is_there {
                    true => node.add_managed_identity(identity.clone()),
                    false => drop(node.remove_managed_identity(&identity.client_id)),
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
