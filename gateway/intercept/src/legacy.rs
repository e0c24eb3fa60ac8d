//! The rules as chains of iptables-legacy, for kernels without a usable nftables. Each table is replaced in one
//! transaction of its own.

mod rules;
mod saved;

use std::net::IpAddr;

use self::rules::{Family, Table};
use self::saved::Saved;
use crate::plan::Plan;
use crate::tool::{Tool, ToolError};

/// Rules by `iptables-legacy-restore` and its IPv6 twin.
#[derive(Clone, Debug)]
pub(crate) struct Legacy {
    v4: Tools,
    v6: Tools,
}

#[derive(Clone, Debug)]
struct Tools {
    family: Family,
    restore: Tool,
    save: Tool,
}

/// The lock of other tools is waited for; kube-proxy holds it for a second or two at most.
const RESTORE: [&str; 3] = ["-w", "5", "--noflush"];

impl Legacy {
    /// Finds the tools.
    ///
    /// # Errors
    /// They are not installed.
    pub(crate) fn find() -> Result<Self, ToolError> {
        let tools = |family, restore, save| {
            Ok(Tools {
                family,
                restore: Tool::find(restore, "iptables")?,
                save: Tool::find(save, "iptables")?,
            })
        };
        Ok(Self {
            v4: tools(
                Family::V4,
                "iptables-legacy-restore",
                "iptables-legacy-save",
            )?,
            v6: tools(
                Family::V6,
                "ip6tables-legacy-restore",
                "ip6tables-legacy-save",
            )?,
        })
    }

    /// Asks the kernel for every table that the plan needs.
    ///
    /// # Errors
    /// It has none, or there is no permission.
    pub(crate) async fn try_out(&self, plan: &Plan) -> Result<(), ToolError> {
        for (tools, tables) in self.tables(plan) {
            for table in tables {
                tools.save.run(&["-t", table.name], "").await?;
            }
        }
        Ok(())
    }

    /// Puts the rules into place, whatever was there before.
    ///
    /// # Errors
    /// A tool failed; each table is then as before or as it should be.
    pub(crate) async fn apply(&self, plan: &Plan) -> Result<(), ToolError> {
        for (tools, tables) in self.tables(plan) {
            for table in tables {
                let saved = tools.saved(table.name).await?;
                let transaction = table.replacement(&saved);
                tools.restore.run(&RESTORE, &transaction).await?;
            }
        }
        self.remove_unplanned(plan).await
    }

    /// How the chains differ from what they should be.
    ///
    /// # Errors
    /// They could not be listed.
    pub(crate) async fn differences(&self, plan: &Plan) -> Result<Vec<String>, ToolError> {
        let mut differences = Vec::new();
        for (tools, tables) in self.tables(plan) {
            for table in tables {
                let saved = tools.saved_if_loaded(table.name).await?;
                differences.extend(table.differences(tools.family, &saved));
            }
        }
        Ok(differences)
    }

    /// Removes the chains; says whether there were any.
    ///
    /// # Errors
    /// A tool failed.
    pub(crate) async fn remove(&self) -> Result<bool, ToolError> {
        let v4 = self.v4.remove().await?;
        Ok(self.v6.remove().await? || v4)
    }

    /// Removes the old agent's chain where it is; says whether it was.
    ///
    /// # Errors
    /// A tool failed.
    pub(crate) async fn remove_old_agent(&self) -> Result<bool, ToolError> {
        let saved = self.v4.saved_if_loaded("nat").await?;
        let Some(transaction) = rules::old_agent_removal(&saved) else {
            return Ok(false);
        };
        self.v4.restore.run(&RESTORE, &transaction).await?;
        Ok(true)
    }

    /// The listeners that the chains in place lead to.
    ///
    /// # Errors
    /// They could not be listed.
    pub(crate) async fn listeners(&self) -> Result<Vec<IpAddr>, ToolError> {
        let mut listeners = self.v4.saved_if_loaded("nat").await?.listeners();
        listeners.extend(self.v6.saved_if_loaded("nat").await?.listeners());
        Ok(listeners)
    }

    /// A plan without IPv6 leaves none of an earlier plan's IPv6.
    async fn remove_unplanned(&self, plan: &Plan) -> Result<(), ToolError> {
        match plan.redirects.iter().any(|redirect| !redirect.is_v4()) {
            true => Ok(()),
            false => self.v6.remove().await.map(drop),
        }
    }

    fn tables(&self, plan: &Plan) -> Vec<(&Tools, Vec<Table>)> {
        [&self.v4, &self.v6]
            .into_iter()
            .map(|tools| (tools, rules::tables(tools.family, plan)))
            .collect()
    }
}

impl Tools {
    async fn saved(&self, table: &str) -> Result<Saved, ToolError> {
        let text = self.save.run(&["-t", table], "").await?;
        Ok(Saved::parse(&text))
    }

    /// Nothing for a table that the kernel has not loaded: listing it would load it.
    async fn saved_if_loaded(&self, table: &str) -> Result<Saved, ToolError> {
        match self.family.is_loaded(table) {
            true => self.saved(table).await,
            false => Ok(Saved::default()),
        }
    }

    async fn remove(&self) -> Result<bool, ToolError> {
        let mut removed = false;
        for table in rules::OWN {
            let saved = self.saved_if_loaded(table.0).await?;
            if let Some(transaction) = rules::removal(table, &saved) {
                self.restore.run(&RESTORE, &transaction).await?;
                removed = true;
            }
        }
        Ok(removed)
    }
}
