//! What the rules shall say, as values that no longer need checking.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use clap::ValueEnum;

use crate::cli::Rules;

/// What is to be in place on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// One per family, IPv4 first.
    pub(crate) redirects: Vec<Redirect>,
    /// Where the node's own network is.
    pub(crate) uplinks: BTreeSet<InterfaceName>,
    /// How sources are checked.
    pub(crate) reverse_path: ReversePath,
    /// Whether pods are refused the WireServer.
    pub(crate) wire_server: bool,
}

/// From the metadata service to the listener, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    /// The metadata service.
    pub(crate) metadata: SocketAddr,
    /// The gateway's listener.
    pub(crate) listener: SocketAddr,
}

/// How the source of a packet for the metadata address is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReversePath {
    /// It is routed to the interface that the packet came in by.
    Strict,
    /// It has a route.
    Loose,
}

/// Name of a network interface, of characters that mean nothing to any tool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceName(String);

/// Why settings make no plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum PlanError {
    /// The listener's address would not do.
    #[error("listener address {address}: {reason}; choose a link-local address nothing else uses")]
    Listener {
        /// As given.
        address: IpAddr,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The metadata address would not do.
    #[error("metadata address {address}: {reason}")]
    Metadata {
        /// As given.
        address: IpAddr,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// `IFNAMSIZ` of Linux, without the closing NUL.
const LONGEST_NAME: usize = 15;

impl Plan {
    /// The plan for a node with these uplinks.
    ///
    /// # Errors
    /// An address that cannot serve its purpose.
    pub(crate) fn new(rules: &Rules, uplinks: BTreeSet<InterfaceName>) -> Result<Self, PlanError> {
        Ok(Self {
            redirects: redirects(rules)?,
            uplinks,
            reverse_path: rules.reverse_path,
            wire_server: rules.block_wire_server,
        })
    }
}

/// The redirects the settings ask for, checked.
pub(crate) fn redirects(rules: &Rules) -> Result<Vec<Redirect>, PlanError> {
    let redirect = |(metadata, listener)| {
        check_metadata(metadata)?;
        check_listener(listener, metadata)?;
        Ok(Redirect {
            metadata: SocketAddr::new(metadata, rules.metadata_port),
            listener: SocketAddr::new(listener, rules.listen_port),
        })
    };
    rules.pairs().into_iter().map(redirect).collect()
}

fn check_listener(address: IpAddr, metadata: IpAddr) -> Result<(), PlanError> {
    let reason = if address.is_loopback() {
        // The kernel drops what arrives for such an address unless route_localnet is on, which opens every
        // service of the node's loopback to its neighbours (CVE-2020-8558).
        "a loopback address cannot be reached by redirected packets without route_localnet"
    } else if address == metadata {
        "it is the metadata address itself"
    } else if let Some(reason) = no_host(address) {
        reason
    } else {
        return Ok(());
    };
    Err(PlanError::Listener { address, reason })
}

fn check_metadata(address: IpAddr) -> Result<(), PlanError> {
    let reason = match address.is_loopback() {
        true => Some("it is a loopback address, which pods have each for themselves"),
        false => no_host(address),
    };
    match reason {
        Some(reason) => Err(PlanError::Metadata { address, reason }),
        None => Ok(()),
    }
}

fn no_host(address: IpAddr) -> Option<&'static str> {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    match () {
        () if address.is_unspecified() => Some("it is the unspecified address"),
        () if address.is_multicast() || broadcast => Some("it is no address of one host"),
        () if mapped => Some("it is an IPv4 address in IPv6's form"),
        () if link_local => Some("an IPv6 link-local address needs an interface to mean anything"),
        () => None,
    }
}

impl Redirect {
    /// Whether it is of IPv4.
    pub(crate) fn is_v4(&self) -> bool {
        self.metadata.is_ipv4()
    }
}

impl FromStr for InterfaceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
        let fits = (1..=LONGEST_NAME).contains(&text.len());
        // A leading dash would be an option to a tool, `.` and `..` folders of /sys.
        let starts = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        match fits && starts && text.bytes().all(plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "interface {text:?}: a name is 1 to {LONGEST_NAME} letters, digits and `.`, `_`, `@`, `-`"
            )),
        }
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    pub(crate) fn mk_plan(uplinks: &[&str]) -> Plan {
        Plan {
            redirects: vec![Redirect {
                metadata: "169.254.169.254:80".parse().unwrap(),
                listener: "169.254.170.24:2579".parse().unwrap(),
            }],
            uplinks: uplinks.iter().map(|name| name.parse().unwrap()).collect(),
            reverse_path: ReversePath::Strict,
            wire_server: false,
        }
    }

    pub(crate) fn with_v6(mut plan: Plan) -> Plan {
        plan.redirects.push(Redirect {
            metadata: "[fd00:ec2::254]:80".parse().unwrap(),
            listener: "[fd70:6f64::24]:2579".parse().unwrap(),
        });
        plan
    }

    fn listener(address: &str) -> Result<(), PlanError> {
        check_listener(
            address.parse().unwrap(),
            Ipv4Addr::new(169, 254, 169, 254).into(),
        )
    }

    #[test]
    fn the_listener_is_never_an_address_of_loopback() {
        for address in ["127.0.0.1", "127.255.0.3", "::1"] {
            let error = listener(address).unwrap_err();
            assert!(error.to_string().contains("route_localnet"), "{error}");
        }
    }

    #[test]
    fn an_address_that_is_no_host_of_its_own_is_refused() {
        for address in [
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::ffff:1.2.3.4",
            "fe80::1",
            "ff02::1",
            "169.254.169.254",
        ] {
            listener(address).unwrap_err();
        }
        listener("169.254.170.24").unwrap();
        listener("fd00::2").unwrap();
        check_metadata(Ipv6Addr::LOCALHOST.into()).unwrap_err();
    }

    #[test]
    fn interface_names_of_every_network_plugin_pass() {
        for name in [
            "eth0",
            "cbr0",
            "azv1a2b3c4d5e6",
            "lxc_health",
            "eth0.100",
            "br-12ab",
            "veth1@if3",
        ] {
            name.parse::<InterfaceName>().unwrap();
        }
    }
}
