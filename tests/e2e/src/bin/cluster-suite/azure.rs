//! azure-sim as each node sees it: a metadata service of its own behind its uplink, and one Entra ID and ARM for all.
//!
//! ```text
//! pod ──▶ node1 ──▶ hub: 169.254.169.254 ─┬─ from node1 or its pods ─▶ IMDS of node1 ◀─┐
//! pod ──▶ node2 ──▶                       └─ from node2 or its pods ─▶ IMDS of node2 ◀─┤ what ARM has given
//! controller ─────────────────────────────────────────────────────────▶ ARM ───────────┘ each one's machine
//! ```
//! All nodes but the last are of one scale set; that one is a virtual machine of its own.
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
    Answer, Application, AzureSim, Call, Compute, HandChange, ManagedIdentity, SimConfig,
    SystemIdentity, Target,
};
use tokio::runtime::Runtime;

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
/// The controller's application.
pub(crate) const CONTROLLER: &str = "66666666-6666-4666-8666-666666666666";
/// Its secret; azure-sim is the only one that takes it.
pub(crate) const SECRET: &str = "suite-client-secret";
/// A change at ARM; Azure takes 10 to 60 s.
pub(crate) const OPERATION: Duration = Duration::from_secs(3);
/// Between two looks of the metadata services at what their machines have.
const LOOK: Duration = Duration::from_millis(20);

/// All of it, in the network namespace of whoever made it.
pub(crate) struct Azure {
    /// Entra ID and ARM.
    cloud: Arc<AzureSim>,
    nodes: Arc<Vec<AzureSim>>,
}

impl Azure {
    /// With the demo's identities on every node.
    pub(crate) fn start(runtime: &Runtime, nodes: u8) -> Result<Self> {
        let (here, hidden) = (
            SocketAddr::new(HUB.into(), 0),
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        );
        let start = |config: SimConfig| anyhow::Ok(runtime.block_on(AzureSim::start(config))?);
        let node = |_| {
            start(SimConfig {
                imds_listen: here,
                ..SimConfig::default()
            })
        };
        let cloud = SimConfig {
            imds_listen: hidden,
            entra_listen: here,
            arm_listen: here,
            ..directory(usize::from(nodes))?
        };
        let azure = Self {
            cloud: Arc::new(start(cloud)?),
            nodes: Arc::new((0..nodes).map(node).collect::<Result<_>>()?),
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

    /// Somebody takes every user-assigned identity off the nodes.
    pub(crate) fn take_all(&self) {
        for compute in self.cloud.computes() {
            self.cloud.change_by_hand(&HandChange {
                compute: compute.id,
                remove: compute.identities,
                ..HandChange::default()
            });
        }
    }

    /// What ARM has given to the machine of a node, by its number from 0: resource ids.
    pub(crate) fn held(&self, node: usize) -> Vec<String> {
        let id = machine(node, self.nodes.len());
        let compute = self.cloud.compute(&id);
        compute
            .map(|compute| compute.identities)
            .unwrap_or_default()
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

/// The demo's identities on all machines, its applications, and the controller's own.
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
    let compute = |id| Compute {
        id,
        location: "westeurope".to_owned(),
        system_assigned: system.clone(),
        identities: assigned.iter().map(|one| one.resource_id.clone()).collect(),
        state: "Succeeded".to_owned(),
    };
    config.arm.computes = machines.into_iter().map(compute).collect();
    config.arm.identities = assigned;
    config.arm.operation_ms = u64::try_from(OPERATION.as_millis())?;
    config.arm.retry_after_seconds = Some(1);
    config.arm.writers = Some(vec![CONTROLLER.to_owned()]);
    config.applications.push(Application {
        tenant: TENANT.to_owned(),
        client_id: CONTROLLER.to_owned(),
        secrets: vec![SECRET.to_owned()],
        ..Application::default()
    });
    Ok(config)
}

/// Each metadata service has what ARM has given to its machine, for as long as there is one.
async fn mirror(cloud: Arc<AzureSim>, nodes: Arc<Vec<AzureSim>>) {
    let known: Vec<ManagedIdentity> = demo::directory()
        .map(|directory| directory.managed_identities)
        .unwrap_or_default();
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
