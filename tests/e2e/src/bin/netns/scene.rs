//! What the cases share: the stage with podgate's processes on it.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use podgate_e2e::node::{InNode, NodeStage, PodObject, RunningPod, Watch};
use podgate_testkit::netns::Namespace;

/// The port of health and metrics of the first gateway.
pub(crate) const PROBE: u16 = 8085;

/// The node, and podgate on it.
pub(crate) struct Scene {
    pub(crate) stage: NodeStage,
    /// `intercept watch`.
    pub(crate) watch: Option<Watch>,
    /// The server.
    pub(crate) gateway: Option<InNode>,
    /// In the one case that shows the hole.
    pub(crate) leaks_expected: bool,
    pods: u8,
}

impl Scene {
    pub(crate) fn new(network: &Namespace) -> Result<Self> {
        let stage = NodeStage::new(network)?;
        Ok(Self {
            stage,
            watch: None,
            gateway: None,
            leaks_expected: false,
            pods: 10,
        })
    }

    /// All cases but the first find the rules in and the gateway up, whatever the last case did to them.
    pub(crate) fn prepare(&mut self, name: &str) -> Result<()> {
        self.leaks_expected = name == crate::tokens::HOLE;
        if self.leaks_expected {
            return Ok(());
        }
        if self.watch.is_none() || !self.stage.rules_complete() {
            self.watch = Some(self.stage.watch(&[])?);
            self.stage
                .rules_in()
                .with_context(|| self.interception_log())?;
        }
        if self.gateway.is_none() {
            self.gateway = Some(self.stage.gateway(PROBE, &[])?);
        }
        Ok(())
    }

    fn interception_log(&self) -> String {
        self.watch.as_ref().map(InNode::tail).unwrap_or_default()
    }

    /// An address that no pod had yet.
    pub(crate) fn free_ip(&mut self) -> Ipv4Addr {
        self.pods += 1;
        Ipv4Addr::new(10, 50, 0, self.pods)
    }

    /// A pod of the namespace `shop` with this selector, and the record that its identity is assigned.
    pub(crate) fn bound_pod(&mut self, name: &str, selector: &str) -> Result<RunningPod> {
        let ip = self.free_ip();
        // A case that failed may have left its pod.
        self.pod_at(ip, &format!("{name}-{}", self.pods), selector)
    }

    /// The same with an address.
    pub(crate) fn pod_at(
        &mut self,
        ip: Ipv4Addr,
        name: &str,
        selector: &str,
    ) -> Result<RunningPod> {
        let pod = self.stage.pod(PodObject::bound(name, selector, ip))?;
        self.stage
            .block_on(pod.object.assign(&self.stage.kube, selector, "Assigned"))?;
        Ok(pod)
    }

    /// Until Enter or Ctrl-C.
    pub(crate) fn stay(&mut self) -> Result<()> {
        self.prepare("stay")?;
        let pod = self.bound_pod("visitor", "web")?;
        let namespace = pod.network.namespace.path();
        println!(
            "\nThe node stays up. A shell in the pod shop/visitor ({}):\n",
            pod.network.ip
        );
        println!("    nsenter --net={} bash", namespace.display());
        println!(
            "    curl -H Metadata:true 'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net'\n"
        );
        println!(
            "The node's rules:\n\n    nsenter --net={} nft list table inet podgate\n",
            self.stage.node.namespace.path().display()
        );
        println!("Enter ends it.");
        std::io::stdin().read_line(&mut String::new())?;
        Ok(())
    }
}
