//! What is in an image besides the program and its libraries.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::library;
use super::toolchain::Toolchain;
use super::tree::Tree;

/// A part of an image.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Contents {
    /// The names of users, and where names of hosts are looked up.
    Users,
    /// nft and iptables-legacy with all extensions: saving a table reads everybody's rules, with whatever they match by.
    FirewallTools,
}

/// Where administrators' tools are, here and in an image.
const TOOLS: &str = "/usr/sbin";
const NFT: &str = "nft";
const IPTABLES: &str = "xtables-legacy-multi";
/// The names by which that one is called.
const IPTABLES_NAMES: [&str; 6] = [
    "iptables-legacy",
    "iptables-legacy-save",
    "iptables-legacy-restore",
    "ip6tables-legacy",
    "ip6tables-legacy-save",
    "ip6tables-legacy-restore",
];
/// Whom the server runs as, in the way of distroless images.
const PASSWD: &str =
    "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnonroot:x:65532:\n";
const NSSWITCH: &str = "hosts: files dns\n";
/// nft writes a protocol that has no name here as a number, and rules in place would seem to differ from those wanted.
const PROTOCOLS: &str = "icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\ndccp 33 DCCP\ngre 47 GRE\nesp 50 IPSEC-ESP\nah 51 IPSEC-AH\n\
                         ipv6-icmp 58 IPv6-ICMP\nsctp 132 SCTP\nudplite 136 UDPLite\n";

/// A program at its place.
pub(crate) fn program(path: &str, bytes: &[u8]) -> Tree {
    let mut tree = Tree::default();
    tree.file(path, bytes.to_vec(), 0o755);
    tree
}

impl Contents {
    /// For the image's history.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::FirewallTools => "nft and iptables-legacy",
        }
    }

    /// Why it cannot be had here.
    pub(crate) fn lacks(self, toolchain: &Toolchain) -> Option<String> {
        let missing = || {
            [NFT, IPTABLES]
                .into_iter()
                .find(|tool| !Path::new(TOOLS).join(tool).exists())
        };
        match self {
            Self::Users => None,
            Self::FirewallTools if toolchain.is_cross() => Some(format!(
                "nft and iptables are here for another processor than {}; run this there, or build images/Containerfile",
                toolchain.arch().name()
            )),
            Self::FirewallTools => missing().map(|tool| {
                format!("{TOOLS}/{tool} is not here; install the packages nftables and iptables")
            }),
        }
    }

    /// Its files.
    ///
    /// # Errors
    /// One is missing or unreadable.
    pub(crate) fn tree(self, toolchain: &Toolchain) -> Result<Tree> {
        match self {
            Self::Users => Ok(users()),
            Self::FirewallTools => firewall_tools(toolchain),
        }
    }
}

fn users() -> Tree {
    let mut tree = Tree::default();
    for (path, text) in [
        ("/etc/passwd", PASSWD),
        ("/etc/group", GROUP),
        ("/etc/nsswitch.conf", NSSWITCH),
    ] {
        tree.file(path, text.as_bytes().to_vec(), 0o644);
    }
    tree
}

fn firewall_tools(toolchain: &Toolchain) -> Result<Tree> {
    let (nft, iptables) = (Path::new(TOOLS).join(NFT), Path::new(TOOLS).join(IPTABLES));
    let extensions = extensions(toolchain)?;
    let mut programs = vec![nft.as_path(), iptables.as_path()];
    programs.extend(extensions.iter().map(PathBuf::as_path));
    let mut tree = library::of(&programs, toolchain)?;
    for path in programs {
        tree.file(&path.display().to_string(), library::read(path)?, 0o755);
    }
    for name in IPTABLES_NAMES {
        tree.link(&format!("{TOOLS}/{name}"), IPTABLES);
    }
    tree.file("/etc/protocols", PROTOCOLS.as_bytes().to_vec(), 0o644);
    // Where its lock is mounted.
    tree.folder("/run");
    Ok(tree)
}

/// iptables looks for them in the folder that it was built with, which is beside its library.
fn extensions(toolchain: &Toolchain) -> Result<Vec<PathBuf>> {
    let found = toolchain.library("libxtables.so.12").and_then(|(path, _)| {
        let name = path.parent()?.file_name()?.to_owned();
        let usual = [
            Path::new("/usr/lib").join(name).join("xtables"),
            PathBuf::from("/usr/lib64/xtables"),
        ];
        usual.into_iter().find(|folder| folder.is_dir())
    });
    let folder =
        found.context("the extensions of iptables are not here; install the package iptables")?;
    let entries = fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "so"));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firewalls_tools_know_the_protocols_by_name() {
        let toolchain = Toolchain::find(crate::cli::Arch::host()).unwrap();
        if Contents::FirewallTools.lacks(&toolchain).is_some() {
            return;
        }
        let tree = Contents::FirewallTools.tree(&toolchain).unwrap();
        let text = |wanted: &str| {
            tree.files()
                .find(|(path, _)| *path == wanted)
                .unwrap()
                .1
                .to_vec()
        };
        assert!(
            String::from_utf8(text("/etc/protocols"))
                .unwrap()
                .contains("\ntcp 6 ")
        );
        assert!(!text("/usr/sbin/nft").is_empty());
    }

    #[test]
    fn the_users_are_root_and_nonroot_without_a_shell() {
        let tree = users();
        assert!(tree.files().any(|(path, _)| path == "/etc/passwd"));
        assert!(PASSWD.lines().all(|line| line.ends_with("/sbin/nologin")));
        assert!(PASSWD.contains("nonroot:x:65532:65532"));
    }
}
