//! Interception as a whole: the listener's address, the routing rules, the firewall's rules, in the one order in which
//! the metadata address is never open.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};

use crate::backend::{Backend, Leftovers};
use crate::cli::Rules;
use crate::kubenet;
use crate::network::Network;
use crate::plan::{InterfaceName, Plan, Redirect, redirects};
use crate::tool::ToolError;

/// Interception of one node.
pub(crate) struct Firewall {
    rules: Rules,
    redirects: Vec<Redirect>,
    network: Network,
    leftovers: Leftovers,
    backend: Backend,
}

/// What can be removed without knowing what would be put into place.
pub(crate) struct Remover {
    redirects: Vec<Redirect>,
    network: Network,
    leftovers: Leftovers,
}

impl Firewall {
    /// As [`new`](Self::new), and closes the metadata address before it finds out whether anything else works here.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) async fn closed(rules: Rules) -> Result<Self> {
        let (redirects, network) = prepare(&rules).await?;
        network.close(&metadata(&redirects)).await?;
        Self::assemble(rules, redirects, network)
            .await
            .context("the metadata address is closed to pods, but not led to the gateway")
    }

    /// Checks the settings and the node, and chooses how rules are written.
    ///
    /// # Errors
    /// The settings contradict the node, or nothing works here.
    pub(crate) async fn new(rules: Rules) -> Result<Self> {
        let (redirects, network) = prepare(&rules).await?;
        Self::assemble(rules, redirects, network).await
    }

    async fn assemble(rules: Rules, redirects: Vec<Redirect>, network: Network) -> Result<Self> {
        let plan = Plan::new(&rules, BTreeSet::new())?;
        Ok(Self {
            backend: Backend::choose(rules.backend, &plan).await?,
            leftovers: Leftovers::find()?,
            rules,
            redirects,
            network,
        })
    }

    /// What can take everything away, on a node of any kind.
    ///
    /// # Errors
    /// The settings make no sense, or no tool is installed.
    pub(crate) async fn remover(rules: Rules) -> Result<Remover> {
        Ok(Remover {
            redirects: redirects(&rules)?,
            network: Network::connect()?,
            leftovers: Leftovers::find()?,
        })
    }

    /// Brings everything into place, and then takes away what earlier settings and the old agent left.
    ///
    /// # Errors
    /// A step failed. Those before it stand: once the routing rules are in, the metadata address is closed.
    pub(crate) async fn apply(&self) -> Result<()> {
        let before = self.leftovers.listeners().await;
        let plan = self.restore().await?;
        let replaced = self.leftovers.remove(Some(&self.backend)).await;
        let replaced = replaced.or_warn("rules of another kind may be left from an earlier run");
        let before = before.or_warn("an earlier listener's address may be left");
        for listener in before {
            if !self.listeners().contains(&listener) {
                self.network.release(listener).await?;
            }
        }
        let uplinks: Vec<String> = plan.uplinks.iter().map(ToString::to_string).collect();
        tracing::info!(
            backend = self.backend.name(),
            listener = %self.redirects[0].listener,
            metadata = %self.redirects[0].metadata,
            uplinks = uplinks.join(","),
            ?replaced,
            "interception is in place"
        );
        let problems = self.take_over().await;
        for problem in problems {
            tracing::warn!(
                "the old agent's chain aad-metadata may be left; podgate's rules come before it: {problem}"
            );
        }
        Ok(())
    }

    /// Brings everything into place again. Closing comes first.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub(crate) async fn restore(&self) -> Result<Plan> {
        self.network.close(&self.metadata()).await?;
        for listener in self.listeners() {
            self.network.hold(listener).await?;
        }
        let plan = self.plan().await?;
        self.backend
            .apply(&plan)
            .await
            .context("the metadata address is closed to pods, but not led to the gateway")?;
        Ok(plan)
    }

    /// Removes the old agent's chain. What could not be removed harms nothing: ours comes first anyway.
    pub(crate) async fn take_over(&self) -> Vec<ToolError> {
        let old_agent = self.leftovers.remove_old_agent().await;
        if old_agent.found {
            tracing::info!(
                "removed the old agent's chain aad-metadata; if it comes back, its NMI still runs here and should be stopped"
            );
        }
        old_agent.problems
    }

    /// How the node differs from what it should be.
    ///
    /// # Errors
    /// It cannot be told.
    pub(crate) async fn differences(&self) -> Result<Vec<String>> {
        let plan = self.plan().await?;
        let mut differences = self.backend.differences(&plan).await?;
        differences.extend(self.network_differences().await?);
        Ok(differences)
    }

    /// As [`differences`](Self::differences), without the firewall's rules.
    ///
    /// # Errors
    /// It cannot be told.
    pub(crate) async fn network_differences(&self) -> Result<Vec<String>> {
        let mut differences = self.network.unclosed(&self.metadata()).await?;
        for listener in self.listeners() {
            if !self.network.holds(listener).await? {
                differences.push(format!("address {listener}: missing on lo"));
            }
        }
        Ok(differences)
    }

    /// The plan for the node as it is now.
    ///
    /// # Errors
    /// Its routes cannot be read.
    pub(crate) async fn plan(&self) -> Result<Plan> {
        Ok(Plan::new(&self.rules, self.uplinks().await?)?)
    }

    /// Whether the kernel tells when its rules change.
    pub(crate) fn has_events(&self) -> bool {
        self.backend.has_events()
    }

    /// Takes everything away.
    ///
    /// # Errors
    /// A step failed; those before it are done.
    pub(crate) async fn remove(self) -> Result<()> {
        let Self {
            redirects,
            network,
            leftovers,
            ..
        } = self;
        let remover = Remover {
            redirects,
            network,
            leftovers,
        };
        remover.remove().await
    }

    async fn uplinks(&self) -> Result<BTreeSet<InterfaceName>> {
        match self.rules.uplink.is_empty() {
            true => Ok(self.network.uplinks().await?),
            false => Ok(self.rules.uplink.iter().cloned().collect()),
        }
    }

    fn listeners(&self) -> Vec<IpAddr> {
        listeners(&self.redirects)
    }

    fn metadata(&self) -> Vec<IpAddr> {
        metadata(&self.redirects)
    }
}

async fn prepare(rules: &Rules) -> Result<(Vec<Redirect>, Network)> {
    let redirects = redirects(rules)?;
    let network = Network::connect()?;
    kubenet::refuse(rules, &network).await?;
    Ok((redirects, network))
}

impl Remover {
    /// Takes everything away: what redirects first, what closes last.
    ///
    /// # Errors
    /// Something may be left. Whatever could be removed is.
    pub(crate) async fn remove(self) -> Result<()> {
        let mut listeners = listeners(&self.redirects);
        let earlier = self.leftovers.listeners().await;
        listeners.extend(&earlier.found);
        let rules = self.leftovers.remove(None).await;
        let old_agent = self.leftovers.remove_old_agent().await;
        let routing = self.network.open().await?;
        let mut addresses = Vec::new();
        for listener in listeners {
            if self.network.release(listener).await? {
                addresses.push(listener);
            }
        }
        tracing::info!(
            rules = ?rules.found,
            routing,
            ?addresses,
            old_agent = old_agent.found,
            "interception is removed"
        );
        let problems = [earlier.problems, rules.problems, old_agent.problems]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        ensure!(
            problems.is_empty(),
            "something may be left: {}",
            told(&problems)
        );
        Ok(())
    }
}

fn told(problems: &[ToolError]) -> String {
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    told.join("; ")
}

fn metadata(redirects: &[Redirect]) -> Vec<IpAddr> {
    redirects
        .iter()
        .map(|redirect| redirect.metadata.ip())
        .collect()
}

fn listeners(redirects: &[Redirect]) -> Vec<IpAddr> {
    redirects
        .iter()
        .map(|redirect| redirect.listener.ip())
        .collect()
}
