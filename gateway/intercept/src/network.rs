//! The node's interfaces, addresses and routing rules, by rtnetlink.

mod routing;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt;
use rtnetlink::packet_core::ErrorMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteType};
use rtnetlink::{Handle, RouteMessageBuilder};

use crate::plan::InterfaceName;

/// The interface that the listener's address is added to; every Linux has it.
const LOOPBACK: &str = "lo";

/// A connection to the kernel's networking.
#[derive(Clone)]
pub(crate) struct Network(Handle);

/// Why the kernel's networking could not be asked or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkError {
    /// No connection.
    #[error("opening a netlink socket: {0}")]
    Connect(#[from] std::io::Error),
    /// The kernel refused.
    #[error("{what}: {reason}; this needs CAP_NET_ADMIN")]
    Kernel {
        /// What was tried.
        what: String,
        /// The kernel's answer.
        reason: String,
    },
    /// Somebody else has the listener's address.
    #[error(
        "listener address {address} is taken by the interface {interface}; choose another with --listen-address"
    )]
    Taken {
        /// The address.
        address: IpAddr,
        /// Who has it.
        interface: String,
    },
    /// A default route goes by an interface that no rule can name.
    #[error("{0}; name the node's interfaces with --uplink")]
    Uplink(String),
}

impl Network {
    /// Connects.
    ///
    /// # Errors
    /// Without netlink.
    pub(crate) fn connect() -> Result<Self, NetworkError> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        Ok(Self(handle))
    }

    /// The interfaces of the default routes of the main table.
    ///
    /// # Errors
    /// The kernel refused, or such an interface's name cannot be written into a rule.
    pub(crate) async fn uplinks(&self) -> Result<BTreeSet<InterfaceName>, NetworkError> {
        let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
        let mut indices = BTreeSet::new();
        for question in [v4, v6] {
            let routes = self.0.route().get(question).execute();
            let routes: Vec<RouteMessage> = routes
                .try_collect()
                .await
                .map_err(|error| kernel("listing routes", &error))?;
            indices.extend(
                routes
                    .iter()
                    .filter(|route| is_default(route))
                    .flat_map(interfaces),
            );
        }
        let names = self.names().await?;
        indices
            .iter()
            .filter_map(|index| names.get(index))
            .map(|name| name.parse().map_err(NetworkError::Uplink))
            .collect()
    }

    /// Whether there is an interface of this name.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn has_interface(&self, name: &str) -> Result<bool, NetworkError> {
        let names = self.names().await?;
        Ok(names.values().any(|present| present == name))
    }

    /// Whether loopback has the listener's address.
    ///
    /// # Errors
    /// Another interface has it, or the kernel refused.
    pub(crate) async fn holds(&self, address: IpAddr) -> Result<bool, NetworkError> {
        let names = self.names().await?;
        let mut held = false;
        for message in self.addresses(address).await? {
            let interface = names
                .get(&message.header.index)
                .cloned()
                .unwrap_or_default();
            if interface != LOOPBACK {
                return Err(NetworkError::Taken { address, interface });
            }
            held = true;
        }
        Ok(held)
    }

    /// Gives loopback the listener's address, alone in its network; says whether that was needed.
    ///
    /// # Errors
    /// Another interface has it, or the kernel refused.
    pub(crate) async fn hold(&self, address: IpAddr) -> Result<bool, NetworkError> {
        if self.holds(address).await? {
            return Ok(false);
        }
        let index = self.loopback().await?;
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        let request = self.0.address().add(index, address, prefix).replace();
        request
            .execute()
            .await
            .map_err(|error| kernel(&format!("adding {address} to {LOOPBACK}"), &error))?;
        Ok(true)
    }

    /// Takes the listener's address from loopback; says whether it was there.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) async fn release(&self, address: IpAddr) -> Result<bool, NetworkError> {
        let index = self.loopback().await?;
        let mut released = false;
        for message in self.addresses(address).await? {
            if message.header.index == index {
                let removal = self.0.address().del(message).execute().await;
                removal.map_err(|error| {
                    kernel(&format!("removing {address} from {LOOPBACK}"), &error)
                })?;
                released = true;
            }
        }
        Ok(released)
    }

    async fn addresses(&self, address: IpAddr) -> Result<Vec<AddressMessage>, NetworkError> {
        let mut all: Vec<AddressMessage> = self
            .0
            .address()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(|error| kernel("listing addresses", &error))?;
        all.retain(|message| local(message) == Some(address));
        Ok(all)
    }

    async fn loopback(&self) -> Result<u32, NetworkError> {
        let names = self.names().await?;
        let loopback = names.iter().find(|(_, name)| *name == LOOPBACK);
        let missing = || NetworkError::Kernel {
            what: format!("looking for the interface {LOOPBACK}"),
            reason: "there is none".to_owned(),
        };
        loopback.map(|(index, _)| *index).ok_or_else(missing)
    }

    async fn names(&self) -> Result<BTreeMap<u32, String>, NetworkError> {
        let links: Vec<_> = self
            .0
            .link()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(|error| kernel("listing interfaces", &error))?;
        let named = links.into_iter().filter_map(|link| {
            let name = link
                .attributes
                .into_iter()
                .find_map(|attribute| match attribute {
                    LinkAttribute::IfName(name) => Some(name),
                    _ => None,
                })?;
            Some((link.header.index, name))
        });
        Ok(named.collect())
    }
}

/// What an interface has as its own: the peer's address, of a point-to-point link, is another attribute.
fn local(message: &AddressMessage) -> Option<IpAddr> {
    let own = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            AddressAttribute::Local(address) => Some(*address),
            _ => None,
        });
    own.or_else(|| {
        message
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            })
    })
}

fn is_default(route: &RouteMessage) -> bool {
    let table = route
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Table(table) => Some(*table),
            _ => None,
        });
    let table = table.unwrap_or(route.header.table.into());
    route.header.destination_prefix_length == 0
        && route.header.kind == RouteType::Unicast
        && table == u32::from(RouteHeader::RT_TABLE_MAIN)
}

fn interfaces(route: &RouteMessage) -> Vec<u32> {
    route
        .attributes
        .iter()
        .flat_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => vec![*index],
            RouteAttribute::MultiPath(hops) => hops.iter().map(|hop| hop.interface_index).collect(),
            _ => Vec::new(),
        })
        .collect()
}

fn kernel(what: &str, error: &rtnetlink::Error) -> NetworkError {
    let reason = match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io().to_string(),
        other => other.to_string(),
    };
    NetworkError::Kernel {
        what: what.to_owned(),
        reason,
    }
}

/// The kernel's own number for why it refused.
fn code(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(ErrorMessage::raw_code(message).abs()),
        _ => None,
    }
}
