//! What the kernel tells by netlink: somebody changed the table, or the node's network.

use std::io;
use std::time::Duration;

use futures::FutureExt;
use rtnetlink::packet_core::{NetlinkBuffer, NlasIterator};
use rtnetlink::sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use tokio::time::sleep;

use crate::nftables::TABLE;

/// What may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The firewall's rules.
    Rules,
    /// Interfaces, addresses, routes or routing rules.
    Network,
    /// Either.
    Both,
}

/// The subscriptions.
pub(crate) struct Events {
    rules: TokioSocket,
    network: TokioSocket,
}

/// `NFNLGRP_NFTABLES` of linux/netfilter/nfnetlink.h.
const NFTABLES: u32 = 7;
/// Links, addresses, routes and routing rules: groups 1, 5, 7, 8, 9, 11 and 19 of linux/rtnetlink.h.
const NETWORK: [u32; 7] = [1, 5, 7, 8, 9, 11, 19];

/// `NFNL_SUBSYS_NFTABLES`, in the upper half of a message's type.
const SUBSYSTEM: u16 = 10;
/// `struct nfgenmsg`, before the attributes.
const HEADER: usize = 4;
/// `NFTA_TABLE_NAME`, `NFTA_CHAIN_TABLE`, `NFTA_RULE_TABLE`, `NFTA_SET_TABLE` and so on are all 1.
const TABLE_NAME: u16 = 1;

/// As much as the kernel puts into one datagram.
const DATAGRAM: usize = 64 * 1024;

/// One change comes as several messages, which are looked at once.
const SETTLING: Duration = Duration::from_millis(2);

/// `ENOBUFS`: more was told than the socket could hold. The rest is found by looking.
const OVERRUN: i32 = 105;

impl Events {
    /// Subscribes. What changes from here on is told.
    ///
    /// # Errors
    /// Without netlink.
    pub(crate) fn subscribe() -> io::Result<Self> {
        Ok(Self {
            rules: socket(NETLINK_NETFILTER, &[NFTABLES])?,
            network: socket(NETLINK_ROUTE, &NETWORK)?,
        })
    }

    /// The next change, together with whatever else is told at about that time.
    ///
    /// # Errors
    /// A subscription broke.
    pub(crate) async fn next(&mut self) -> io::Result<Change> {
        let mut change = self.one().await?;
        sleep(SETTLING).await;
        while let Some(more) = self.one().now_or_never() {
            change = change.and(more?);
        }
        Ok(change)
    }

    /// Losing what is told by cancelling this harms nothing: whoever comes back looks at the whole.
    async fn one(&mut self) -> io::Result<Change> {
        loop {
            let (mut rules, mut network) = (buffer(), buffer());
            tokio::select! {
                told = self.rules.recv(&mut rules) => {
                    if is_overrun(told)? || concerns_us(&rules) {
                        return Ok(Change::Rules);
                    }
                }
                told = self.network.recv(&mut network) => {
                    is_overrun(told)?;
                    return Ok(Change::Network);
                }
            }
        }
    }
}

impl Change {
    fn and(self, other: Self) -> Self {
        match self == other {
            true => self,
            false => Self::Both,
        }
    }
}

fn buffer() -> bytes::BytesMut {
    bytes::BytesMut::with_capacity(DATAGRAM)
}

fn socket(protocol: isize, groups: &[u32]) -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(protocol)?;
    socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
    for group in groups {
        socket.socket_mut().add_membership(*group)?;
    }
    Ok(socket)
}

fn is_overrun(told: io::Result<()>) -> io::Result<bool> {
    match told {
        Ok(()) => Ok(false),
        Err(error) if error.raw_os_error() == Some(OVERRUN) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether any message of a datagram is about podgate's table; others, such as kube-proxy's, change often.
fn concerns_us(mut datagram: &[u8]) -> bool {
    while let Ok(message) = NetlinkBuffer::new_checked(datagram) {
        if message.message_type() >> 8 == SUBSYSTEM && names_our_table(message.payload()) {
            return true;
        }
        // Messages are aligned to four bytes.
        let length = (message.length() as usize).next_multiple_of(4);
        datagram = datagram.get(length..).unwrap_or_default();
    }
    false
}

fn names_our_table(payload: &[u8]) -> bool {
    let attributes = payload.get(HEADER..).unwrap_or_default();
    NlasIterator::new(attributes)
        .map_while(Result::ok)
        .filter(|attribute| attribute.kind() == TABLE_NAME)
        .any(|attribute| attribute.value().strip_suffix(b"\0") == Some(TABLE.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the kernel tells that something of `table` changed: header, nfgenmsg, one attribute.
    fn mk_message(kind: u16, table: &str) -> Vec<u8> {
        let mut attribute = (4 + table.len() as u16 + 1).to_ne_bytes().to_vec();
        attribute.extend(TABLE_NAME.to_ne_bytes());
        attribute.extend(table.bytes().chain([0]));
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        let mut message = (16 + 4 + attribute.len() as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend([1, 0, 0, 0]);
        message.extend(attribute);
        message
    }

    const DELETED_RULE: u16 = SUBSYSTEM << 8 | 8;

    #[test]
    fn a_change_of_our_table_is_seen_even_behind_others() {
        let datagram = [
            mk_message(DELETED_RULE, "kube-proxy"),
            mk_message(DELETED_RULE, "podgate"),
        ];
        assert!(concerns_us(&datagram.concat()));
    }

    #[test]
    fn other_tables_and_other_subsystems_are_not_ours() {
        assert!(!concerns_us(&mk_message(DELETED_RULE, "kube-proxy")));
        assert!(!concerns_us(&mk_message(DELETED_RULE, "podgate2")));
        assert!(!concerns_us(&mk_message(1 << 8, "podgate")));
    }

    proptest! {
        #[test]
        fn no_datagram_breaks_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            concerns_us(&bytes);
        }

        #[test]
        fn no_cut_of_a_real_message_breaks_it(end in 0..40_usize, length in any::<u32>()) {
            let mut message = mk_message(DELETED_RULE, "podgate");
            concerns_us(&message[..end.min(message.len())]);
            message[..4].copy_from_slice(&length.to_ne_bytes());
            concerns_us(&message);
        }
    }
}
