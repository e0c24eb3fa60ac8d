//! What `iptables-save` prints of one table.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// The chains of a table and their rules, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    chains: BTreeSet<String>,
    rules: Vec<(String, String)>,
}

impl Saved {
    /// Reads it. Lines of other kinds (comments, COMMIT) say nothing here.
    pub(super) fn parse(text: &str) -> Self {
        let mut saved = Self::default();
        for line in text.lines() {
            if let Some(chain) = line.strip_prefix(':') {
                saved
                    .chains
                    .extend(chain.split(' ').next().map(str::to_owned));
            } else if let Some((chain, rule)) = line
                .strip_prefix("-A ")
                .and_then(|rule| rule.split_once(' '))
            {
                saved.rules.push((chain.to_owned(), rule.to_owned()));
            }
        }
        saved
    }

    /// Whether the table has this chain.
    pub(super) fn has(&self, chain: &str) -> bool {
        self.chains.contains(chain)
    }

    /// The rules of a chain.
    pub(super) fn rules(&self, chain: &str) -> Vec<String> {
        self.rules
            .iter()
            .filter(|(of, _)| of == chain)
            .map(|(_, rule)| rule.clone())
            .collect()
    }

    /// The rules of `chain` that send everything, or something, on to `target`.
    pub(super) fn jumps(&self, chain: &str, target: &str) -> Vec<String> {
        let jump = format!("-j {target}");
        let mut rules = self.rules(chain);
        rules.retain(|rule| *rule == jump || rule.ends_with(&format!(" {jump}")));
        rules
    }

    /// Where podgate's translations lead to.
    pub(super) fn listeners(&self) -> Vec<IpAddr> {
        let target = |rule: &String| {
            let (_, target) = rule.split_once("-j DNAT --to-destination ")?;
            target.trim().parse().ok()
        };
        self.rules(super::rules::INTERCEPT)
            .iter()
            .filter_map(target)
            .map(|listener: SocketAddr| listener.ip())
            .collect()
    }
}
