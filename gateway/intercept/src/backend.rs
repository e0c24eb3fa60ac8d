//! Which of the two ways to write rules is used, and what the other one left.

use std::net::IpAddr;

use crate::cli::Choice;
use crate::legacy::Legacy;
use crate::nftables::Nftables;
use crate::old_agent;
use crate::plan::Plan;
use crate::tool::ToolError;

/// One way to write rules.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    /// A table of nftables.
    Nftables(Nftables),
    /// Chains of iptables-legacy.
    Legacy(Legacy),
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    /// Neither works.
    #[error(
        "neither nftables nor iptables-legacy works here: {nftables}; {legacy}. podgate needs CAP_NET_ADMIN, and the \
         package nftables with a kernel of 5.9 or newer (NF_TABLES_INET, NFT_FIB_INET, NFT_REJECT_INET, NFT_NAT, \
         NFT_CT), or the package iptables with CAP_NET_RAW and IP_NF_IPTABLES_LEGACY, IP_NF_RAW, IP_NF_NAT and \
         IP_NF_MATCH_RPFILTER"
    )]
    Neither {
        /// What nft said.
        nftables: Box<ToolError>,
        /// What iptables said.
        legacy: Box<ToolError>,
    },
    /// A tool failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

impl Backend {
    /// The one that is asked for, or the first that the kernel accepts.
    ///
    /// # Errors
    /// It does not work here.
    pub(crate) async fn choose(choice: Choice, plan: &Plan) -> Result<Self, BackendError> {
        match choice {
            Choice::Nftables => Ok(nftables(plan).await?),
            Choice::IptablesLegacy => Ok(legacy(plan).await?),
            Choice::Auto => match nftables(plan).await {
                Ok(backend) => Ok(backend),
                Err(nftables) => match legacy(plan).await {
                    Ok(backend) => {
                        tracing::warn!(reason = %nftables, "nftables does not work here, so iptables-legacy is used");
                        Ok(backend)
                    }
                    Err(legacy) => Err(neither(nftables, legacy)),
                },
            },
        }
    }

    /// Its name, as on the command line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Nftables(_) => "nftables",
            Self::Legacy(_) => "iptables-legacy",
        }
    }

    /// Whether the kernel tells when its rules change.
    pub(crate) fn has_events(&self) -> bool {
        matches!(self, Self::Nftables(_))
    }

    /// Puts the rules into place.
    ///
    /// # Errors
    /// A tool failed.
    pub(crate) async fn apply(&self, plan: &Plan) -> Result<(), ToolError> {
        match self {
            Self::Nftables(nftables) => nftables.apply(plan).await,
            Self::Legacy(legacy) => legacy.apply(plan).await,
        }
    }

    /// How the rules in place differ from the plan.
    ///
    /// # Errors
    /// They could not be listed.
    pub(crate) async fn differences(&self, plan: &Plan) -> Result<Vec<String>, ToolError> {
        match self {
            Self::Nftables(nftables) => nftables.differences(plan).await,
            Self::Legacy(legacy) => legacy.differences(plan).await,
        }
    }
}

fn neither(nftables: ToolError, legacy: ToolError) -> BackendError {
    BackendError::Neither {
        nftables: Box::new(nftables),
        legacy: Box::new(legacy),
    }
}

async fn nftables(plan: &Plan) -> Result<Backend, ToolError> {
    let nftables = Nftables::find()?;
    nftables.try_out(plan).await?;
    Ok(Backend::Nftables(nftables))
}

async fn legacy(plan: &Plan) -> Result<Backend, ToolError> {
    let legacy = Legacy::find()?;
    legacy.try_out(plan).await?;
    Ok(Backend::Legacy(legacy))
}

/// Both ways, as far as their tools are installed: for what was left by an earlier run or by the old agent.
#[derive(Clone, Debug)]
pub(crate) struct Leftovers {
    nftables: Option<Nftables>,
    legacy: Option<Legacy>,
}

impl Leftovers {
    /// Looks for the tools.
    ///
    /// # Errors
    /// None is installed, so nothing can be known.
    pub(crate) fn find() -> Result<Self, BackendError> {
        match (Nftables::find(), Legacy::find()) {
            (Err(nftables), Err(legacy)) => Err(neither(nftables, legacy)),
            (nftables, legacy) => Ok(Self {
                nftables: nftables.ok(),
                legacy: legacy.ok(),
            }),
        }
    }

    /// Where rules in place lead to, whoever's way wrote them.
    pub(crate) async fn listeners(&self) -> Found<Vec<IpAddr>> {
        let mut found = Found::default();
        if let Some(nftables) = &self.nftables {
            found.add(nftables.listeners().await);
        }
        if let Some(legacy) = &self.legacy {
            found.add(legacy.listeners().await);
        }
        found.map(|listeners| listeners.concat())
    }

    /// Removes podgate's rules but those of `kept`'s way; the names of what was removed.
    pub(crate) async fn remove(&self, kept: Option<&Backend>) -> Found<Vec<&'static str>> {
        let mut found = Found::default();
        if let Some(nftables) = &self.nftables
            && !matches!(kept, Some(Backend::Nftables(_)))
        {
            let removed = nftables.remove().await;
            found.add(removed.map(|removed| removed.then_some("nftables")));
        }
        if let Some(legacy) = &self.legacy
            && !matches!(kept, Some(Backend::Legacy(_)))
        {
            let removed = legacy.remove().await;
            found.add(removed.map(|removed| removed.then_some("iptables-legacy")));
        }
        found.map(|removed| removed.into_iter().flatten().collect())
    }

    /// Removes the old agent's chain wherever it is; says whether it was.
    pub(crate) async fn remove_old_agent(&self) -> Found<bool> {
        let mut found = Found::default();
        if let Some(nftables) = &self.nftables {
            found.add(old_agent::remove(nftables).await);
        }
        if let Some(legacy) = &self.legacy {
            found.add(legacy.remove_old_agent().await);
        }
        found.map(|removed| removed.contains(&true))
    }
}

/// What was found by the ways that work, and what the others complain of: iptables-legacy, for instance, needs a
/// capability more than nftables.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Found<T> {
    pub(crate) found: T,
    pub(crate) problems: Vec<ToolError>,
}

impl<T> Found<Vec<T>> {
    fn add(&mut self, result: Result<T, ToolError>) {
        match result {
            Ok(found) => self.found.push(found),
            Err(problem) => self.problems.push(problem),
        }
    }
}

impl<T> Found<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Found<U> {
        Found {
            found: change(self.found),
            problems: self.problems,
        }
    }

    /// Tells the complaints and goes on without.
    pub(crate) fn or_warn(self, what: &str) -> T {
        for problem in self.problems {
            tracing::warn!("{what}: {problem}");
        }
        self.found
    }
}
