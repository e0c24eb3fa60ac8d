//! The commands and their options, each with an environment twin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use http::Uri;

pub use crate::plan::{InterfaceName, ReversePath};

/// What to do with the node's firewall rules.
#[derive(Clone, Debug, Subcommand)]
pub enum Intercept {
    /// Bring the rules into place, once. Repeating it changes nothing.
    Apply(Rules),
    /// Bring the rules into place and restore them at once whenever something changes them.
    Watch(Box<Watch>),
    /// Say whether the rules are in place: 0 yes, 1 no (with the differences), 2 it cannot be told.
    Check(Rules),
    /// Take everything away again, the old agent's rules included.
    Remove(Rules),
}

/// What the rules say.
#[derive(Clone, Debug, Args)]
pub struct Rules {
    /// How rules are written; `auto` takes nftables where the kernel accepts them, iptables-legacy elsewhere.
    #[arg(
        long,
        env = "PODGATE_INTERCEPT_BACKEND",
        default_value = "auto",
        ignore_case = true
    )]
    pub backend: Choice,
    /// Address of the instance metadata service, which pods are led away from.
    #[arg(
        long,
        env = "PODGATE_INTERCEPT_METADATA_IP",
        default_value = "169.254.169.254"
    )]
    pub metadata_ip: Ipv4Addr,
    /// Its port. Whatever else pods send to the address is refused.
    #[arg(long, env = "PODGATE_INTERCEPT_METADATA_PORT", default_value_t = 80, value_parser = clap::value_parser!(u16).range(1..))]
    pub metadata_port: u16,
    /// IPv6 address of a metadata service; without it there are no IPv6 rules.
    #[arg(
        long,
        env = "PODGATE_INTERCEPT_METADATA_IPV6",
        requires = "listen_address_ipv6"
    )]
    pub metadata_ipv6: Option<Ipv6Addr>,
    /// Address the gateway listens on for pods; it is added to the interface `lo`.
    #[arg(
        long,
        env = "PODGATE_INTERCEPT_LISTEN_ADDRESS",
        default_value = "169.254.170.24"
    )]
    pub listen_address: Ipv4Addr,
    /// The same for IPv6.
    #[arg(
        long,
        env = "PODGATE_INTERCEPT_LISTEN_ADDRESS_IPV6",
        requires = "metadata_ipv6"
    )]
    pub listen_address_ipv6: Option<Ipv6Addr>,
    /// Port the gateway listens on for pods.
    #[arg(long, env = "PODGATE_INTERCEPT_LISTEN_PORT", default_value_t = 2579, value_parser = clap::value_parser!(u16).range(1..))]
    pub listen_port: u16,
    /// An interface of the node's network, from which no request is accepted; repeatable. Without it these are the
    /// interfaces of the default routes.
    #[arg(long, env = "PODGATE_INTERCEPT_UPLINK", value_delimiter = ',')]
    pub uplink: Vec<InterfaceName>,
    /// Check of sources: a pod's packets must come in by the interface that its address is routed to (`strict`), or
    /// its address must have some route (`loose`, for networks that route pods through another interface).
    #[arg(
        long,
        env = "PODGATE_INTERCEPT_REVERSE_PATH",
        default_value = "strict",
        ignore_case = true
    )]
    pub reverse_path: ReversePath,
    /// Refuse 168.63.129.16, ports 80 and 32526 (WireServer), to pods; name resolution there still works.
    #[arg(long, env = "PODGATE_INTERCEPT_BLOCK_WIRE_SERVER")]
    pub block_wire_server: bool,
    /// Go on although the node uses kubenet, where pods can take each other's addresses (CVE-2021-1677).
    #[arg(long, env = "PODGATE_INTERCEPT_ALLOW_NETWORK_PLUGIN_KUBENET")]
    pub allow_network_plugin_kubenet: bool,
    /// File with the kubelet's flags, in which kubenet is looked for.
    #[arg(
        long,
        env = "PODGATE_INTERCEPT_KUBELET_CONFIG",
        default_value = "/etc/default/kubelet"
    )]
    pub kubelet_config: PathBuf,
}

/// What `watch` takes besides.
#[derive(Clone, Debug, Args)]
pub struct Watch {
    /// The rules to hold.
    #[command(flatten)]
    pub rules: Rules,
    /// The DaemonSet this process belongs to, as NAMESPACE/NAME: when it is being deleted at this process's end, the
    /// rules are removed. Without it they always stay.
    #[arg(
        long,
        env = "PODGATE_INTERCEPT_DAEMONSET",
        value_name = "NAMESPACE/NAME"
    )]
    pub daemonset: Option<DaemonSetName>,
    /// How to reach the API server; without it as a pod does, by its service account.
    #[arg(long, env = "PODGATE_INTERCEPT_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The node this runs on: its taint goes once the rules are in place and the gateway is ready.
    #[arg(long, env = "PODGATE_INTERCEPT_NODE")]
    pub node: Option<String>,
    /// Key of that taint.
    #[arg(
        long,
        env = "PODGATE_INTERCEPT_STARTUP_TAINT",
        default_value = "podgate.io/not-ready"
    )]
    pub startup_taint: String,
    /// Where the gateway says that it is ready: plain HTTP, by address.
    #[arg(
        long,
        env = "PODGATE_INTERCEPT_READY_URL",
        default_value = "http://127.0.0.1:8085/readyz"
    )]
    pub ready_url: Uri,
}

/// How rules are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// The first of the others that works.
    Auto,
    /// A table of its own, by `nft`.
    Nftables,
    /// Chains of its own, by `iptables-legacy-restore`.
    IptablesLegacy,
}

/// A DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSetName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FromStr for DaemonSetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .split_once('/')
            .filter(|(namespace, name)| is_name(namespace) && is_name(name));
        let (namespace, name) = parts.ok_or("write NAMESPACE/NAME")?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// A DNS subdomain of RFC 1123, which is what Kubernetes takes as a name: nothing that could change a URL's path.
fn is_name(text: &str) -> bool {
    let bounded = (1..=253).contains(&text.len());
    bounded
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
}

impl Rules {
    /// What the settings lead away, and where to: metadata address and listener of one family each.
    pub(crate) fn pairs(&self) -> Vec<(IpAddr, IpAddr)> {
        let v6 = self.metadata_ipv6.zip(self.listen_address_ipv6);
        let v4 = (self.metadata_ip.into(), self.listen_address.into());
        std::iter::once(v4)
            .chain(v6.map(|(metadata, listener)| (metadata.into(), listener.into())))
            .collect()
    }
}

#[cfg(test)]
mod tests;
