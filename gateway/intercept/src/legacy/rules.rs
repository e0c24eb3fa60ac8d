//! The text of the chains. A pure function of the plan, written the way `iptables-save` writes it, so that what is in
//! place can be compared with it.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::saved::Saved;
use crate::comparison::differences;
use crate::old_agent;
use crate::plan::{Plan, Redirect, ReversePath};

/// IP version, each with tools and tables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `iptables`
    V4,
    /// `ip6tables`
    V6,
}

/// Podgate's part of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: &'static str,
    chains: Vec<Chain>,
}

/// A chain and the built-in chain that jumps to it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    hook: &'static str,
    name: &'static str,
    rules: Vec<String>,
}

const GUARD: &str = "PODGATE-GUARD";
pub(super) const INTERCEPT: &str = "PODGATE-INTERCEPT";
const LOCAL: &str = "PODGATE-LOCAL";
const CLOSED: &str = "PODGATE-CLOSED";

/// The chains by table and built-in chain. What closes comes before what redirects.
pub(super) const OWN: [(&str, &[(&str, &str)]); 3] = [
    ("filter", &[("INPUT", LOCAL), ("FORWARD", CLOSED)]),
    ("raw", &[("PREROUTING", GUARD)]),
    ("nat", &[("PREROUTING", INTERCEPT)]),
];

impl Family {
    /// Whether the kernel has this table of the old kind.
    pub(super) fn is_loaded(self, table: &str) -> bool {
        let names = match self {
            Self::V4 => "/proc/self/net/ip_tables_names",
            Self::V6 => "/proc/self/net/ip6_tables_names",
        };
        std::fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == table))
    }

    fn holds(self, redirect: &Redirect) -> bool {
        redirect.is_v4() == (self == Self::V4)
    }
}

/// The tables of one family; none where the plan has nothing for it.
pub(super) fn tables(family: Family, plan: &Plan) -> Vec<Table> {
    let Some(redirect) = plan
        .redirects
        .iter()
        .find(|redirect| family.holds(redirect))
    else {
        return Vec::new();
    };
    let chain = |(hook, name): &(&'static str, &'static str)| Chain {
        hook,
        name,
        rules: rules(name, family, plan, redirect),
    };
    OWN.iter()
        .map(|(name, chains)| Table {
            name,
            chains: chains.iter().map(chain).collect(),
        })
        .collect()
}

fn rules(chain: &str, family: Family, plan: &Plan, redirect: &Redirect) -> Vec<String> {
    match chain {
        GUARD => guard(plan, redirect),
        INTERCEPT => intercept(plan, redirect),
        LOCAL => local(redirect),
        _ => closed(family, plan, redirect),
    }
}

/// As `guard` of the table of nftables.
fn guard(plan: &Plan, redirect: &Redirect) -> Vec<String> {
    let (metadata, listener) = (one(redirect.metadata.ip()), one(redirect.listener.ip()));
    let path = match plan.reverse_path {
        ReversePath::Strict => "-m rpfilter --invert",
        ReversePath::Loose => "-m rpfilter --loose --invert",
    };
    vec![
        format!("-d {listener} ! -i lo -j DROP"),
        format!("-d {metadata} {path} -j DROP"),
    ]
}

fn intercept(plan: &Plan, redirect: &Redirect) -> Vec<String> {
    let (metadata, port) = (one(redirect.metadata.ip()), redirect.metadata.port());
    let listener = redirect.listener;
    let uplinks = plan.uplinks.iter();
    uplinks
        .map(|uplink| format!("-i {uplink} -j RETURN"))
        .chain(std::iter::once(format!(
            "-d {metadata} -p tcp -m tcp --dport {port} -j DNAT --to-destination {listener}"
        )))
        .collect()
}

/// The metadata address may be the node's own, as in a test; then what was not redirected ends here.
fn local(redirect: &Redirect) -> Vec<String> {
    let (metadata, listener) = (redirect.metadata.ip(), one(redirect.listener.ip()));
    vec![
        "-i lo -j RETURN".to_owned(),
        format!("-d {listener} -m conntrack --ctorigdst {metadata} -j RETURN"),
        format!("-d {listener} -j DROP"),
        format!("-d {} -j DROP", one(metadata)),
    ]
}

fn closed(family: Family, plan: &Plan, redirect: &Redirect) -> Vec<String> {
    let metadata = one(redirect.metadata.ip());
    let mut rules = vec![
        format!("-d {metadata} -p tcp -j REJECT --reject-with tcp-reset"),
        format!("-d {metadata} -j DROP"),
    ];
    if plan.wire_server && family == Family::V4 {
        rules.push(
            "-d 168.63.129.16/32 -p tcp -m multiport --dports 80,32526 -j REJECT --reject-with tcp-reset"
                .to_owned(),
        );
    }
    rules
}

fn one(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("{v4}/32"),
        IpAddr::V6(v6) => format!("{v6}/128"),
    }
}

impl Table {
    /// The replacement of whatever `saved` has of it, as one transaction. Naming a chain empties it; each jump goes
    /// and comes back in front.
    pub(super) fn replacement(&self, saved: &Saved) -> String {
        let mut text = format!("*{}\n", self.name);
        for chain in &self.chains {
            let _ = writeln!(text, ":{} - [0:0]", chain.name);
        }
        for chain in &self.chains {
            for rule in &chain.rules {
                let _ = writeln!(text, "-A {} {rule}", chain.name);
            }
            text.push_str(&unhooked(saved, chain.hook, chain.name));
            let _ = writeln!(text, "-I {} 1 -j {}", chain.hook, chain.name);
        }
        text + "COMMIT\n"
    }

    /// How `saved` differs from it.
    pub(super) fn differences(&self, family: Family, saved: &Saved) -> Vec<String> {
        let tool = match family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        let chain = |chain: &Chain| {
            let place = |name| format!("{tool} {} {name}", self.name);
            let rules = saved.rules(chain.name);
            let mut found = differences(&place(chain.name), &chain.rules, &rules);
            found.extend(
                chain
                    .hook_problem(saved)
                    .map(|problem| format!("{}: {problem}", place(chain.hook))),
            );
            found
        };
        self.chains.iter().flat_map(chain).collect()
    }
}

impl Chain {
    /// Others may put jumps of their own in front (some insist on it): what they let through is still closed by the
    /// routing rules. Only the old agent's chain must not come first, since it redirects elsewhere.
    fn hook_problem(&self, saved: &Saved) -> Option<String> {
        let jump = format!("-j {}", self.name);
        if saved.jumps(self.hook, self.name) != [jump.as_str()] {
            return Some(format!("does not have the one rule `{jump}`"));
        }
        let rules = saved.rules(self.hook);
        let place = |target: &str| {
            let ending = format!("-j {target}");
            rules.iter().position(|rule| rule.ends_with(&ending))
        };
        let overtaken = place(old_agent::CHAIN).is_some_and(|old| Some(old) < place(self.name));
        overtaken.then(|| format!("the old agent's chain {} comes first", old_agent::CHAIN))
    }
}

/// Deletions of every jump from `hook` to `chain`.
fn unhooked(saved: &Saved, hook: &str, chain: &str) -> String {
    saved
        .jumps(hook, chain)
        .iter()
        .map(|rule| format!("-D {hook} {rule}\n"))
        .collect()
}

/// The removal of podgate's chains from a table; nothing when it has none.
pub(super) fn removal(table: (&str, &[(&str, &str)]), saved: &Saved) -> Option<String> {
    let (name, chains) = table;
    let chains: Vec<_> = chains
        .iter()
        .filter(|(_, chain)| saved.has(chain))
        .collect();
    let lines: String = chains
        .iter()
        .map(|(hook, chain)| taken_away(saved, hook, chain))
        .collect();
    (!chains.is_empty()).then(|| format!("*{name}\n{lines}COMMIT\n"))
}

/// The removal of the old agent's chain; nothing when there is none.
pub(super) fn old_agent_removal(saved: &Saved) -> Option<String> {
    let chain = old_agent::CHAIN;
    saved
        .has(chain)
        .then(|| format!("*nat\n{}COMMIT\n", taken_away(saved, "PREROUTING", chain)))
}

fn taken_away(saved: &Saved, hook: &str, chain: &str) -> String {
    format!("{}-F {chain}\n-X {chain}\n", unhooked(saved, hook, chain))
}

#[cfg(test)]
mod tests;
