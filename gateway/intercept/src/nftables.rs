//! The rules as a table of nftables, replaced as a whole in one transaction.

mod rules;

use std::net::IpAddr;

use crate::comparison::differences;
use crate::plan::Plan;
use crate::tool::{Tool, ToolError};

pub(crate) use self::rules::TABLE;

/// Rules by `nft`.
#[derive(Clone, Debug)]
pub(crate) struct Nftables(Tool);

/// Without counters' values, and priorities as numbers: what is written is then what is listed.
const LIST: [&str; 6] = ["-s", "-y", "list", "table", rules::FAMILY, TABLE];

impl Nftables {
    /// Finds `nft`.
    ///
    /// # Errors
    /// It is not installed.
    pub(crate) fn find() -> Result<Self, ToolError> {
        Tool::find("nft", "nftables").map(Self)
    }

    /// Asks the kernel whether it would take the rules, and changes nothing.
    ///
    /// # Errors
    /// It would not: an old kernel, or no permission.
    pub(crate) async fn try_out(&self, plan: &Plan) -> Result<(), ToolError> {
        let transaction = rules::transaction(plan);
        self.0.run(&["-c", "-f", "-"], &transaction).await.map(drop)
    }

    /// Puts the rules into place, whatever was there before, without a moment in between.
    ///
    /// # Errors
    /// `nft` failed; what was there before is unchanged.
    pub(crate) async fn apply(&self, plan: &Plan) -> Result<(), ToolError> {
        let transaction = rules::transaction(plan);
        self.0.run(&["-f", "-"], &transaction).await.map(drop)
    }

    /// How the table differs from what it should be.
    ///
    /// # Errors
    /// It could not be listed.
    pub(crate) async fn differences(&self, plan: &Plan) -> Result<Vec<String>, ToolError> {
        let table = format!("table {} {TABLE}", rules::FAMILY);
        match self.list().await? {
            None => Ok(vec![format!("{table}: missing")]),
            Some(listing) => Ok(differences(
                &table,
                &rules::lines(&rules::table(plan)),
                &rules::lines(&listing),
            )),
        }
    }

    /// Removes the table; says whether there was one.
    ///
    /// # Errors
    /// `nft` failed.
    pub(crate) async fn remove(&self) -> Result<bool, ToolError> {
        let is_there = self.list().await?.is_some();
        if is_there {
            self.0.run(&["-f", "-"], &rules::removal()).await?;
        }
        Ok(is_there)
    }

    /// The listeners that the table in place leads to.
    ///
    /// # Errors
    /// It could not be listed.
    pub(crate) async fn listeners(&self) -> Result<Vec<IpAddr>, ToolError> {
        let listing = self.list().await?.unwrap_or_default();
        Ok(rules::listeners(&listing))
    }

    /// The tool itself, for tables that are not ours.
    pub(crate) fn tool(&self) -> &Tool {
        &self.0
    }

    async fn list(&self) -> Result<Option<String>, ToolError> {
        absent_is_none(self.0.run(&LIST, "").await)
    }
}

/// A table or chain that is not there is an answer, not a failure.
pub(crate) fn absent_is_none(
    listing: Result<String, ToolError>,
) -> Result<Option<String>, ToolError> {
    match listing {
        Ok(listing) => Ok(Some(listing)),
        // ENOENT in the C locale, which a tool without environment speaks.
        Err(ToolError::Refused { complaint, .. })
            if complaint.contains("No such file or directory") =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
