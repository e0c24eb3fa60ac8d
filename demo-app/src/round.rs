//! One round of each generation, in the words of its tutorials.

use anyhow::{Context, Result, ensure};

use crate::arguments::{Generation, Settings};
use crate::arm::Arm;
use crate::imds::Imds;
use crate::token::Token;

/// What a round needs.
pub(crate) struct Round {
    settings: Settings,
    imds: Imds,
    arm: Arm,
}

impl Round {
    /// # Errors
    /// The file of certificate authorities is none.
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        Ok(Self {
            imds: Imds::new(&settings.imds_url),
            arm: Arm::new(&settings.arm_url, settings.ca_file.as_deref())?,
            settings,
        })
    }

    /// What the first generation said of itself.
    pub(crate) fn begin(&self) {
        if self.settings.generation == Generation::First {
            let variable = |name| std::env::var(name).unwrap_or_default();
            tracing::info!(
                "starting demo pod {}/{} {}",
                variable("MY_POD_NAMESPACE"),
                variable("MY_POD_NAME"),
                variable("MY_POD_IP")
            );
        }
    }

    /// Whether everything was got. What was not is in the log, and the next round tries again.
    pub(crate) async fn perform(&self) -> bool {
        let outcome = match self.settings.generation {
            Generation::First => self.first().await,
            Generation::Second => self.second().await,
            Generation::Third => self.third().await,
        };
        told(outcome)
    }

    async fn first(&self) -> Result<()> {
        let endpoint = self.imds.token_endpoint();
        let msi = self.token(None).await?;
        let counted = told(self.count(&msi).await);
        tracing::info!("successfully acquired a token using the MSI, msiEndpoint({endpoint})");
        let named = self.token(self.settings.client_id.as_deref()).await?;
        let client_id = self.settings.client_id.as_deref().unwrap_or_default();
        tracing::info!(
            "successfully acquired a token, userAssignedID MSI, msiEndpoint({endpoint}) clientID({client_id})"
        );
        let instance = self.imds.instance().await;
        let instance = instance.context("failed to make GET on instance metadata")?;
        tracing::info!("successfully made GET on instance metadata, {instance}");
        ensure!(
            msi == named,
            "msi, emsi test failed: the token of the identity by its name is another one than that without a name"
        );
        ensure!(counted, "the virtual machines could not be counted");
        Ok(())
    }

    /// Of the first generation, in its earlier and in its later words.
    async fn count(&self, token: &Token) -> Result<()> {
        if let Some(names) = self.list(token, "virtualMachines").await? {
            tracing::info!("successfully doARMOperations vm count {}", names.len());
            tracing::info!("successfully counted VM from ARM: {}", names.len());
        }
        Ok(())
    }

    async fn second(&self) -> Result<()> {
        let msi = self.token(None).await?;
        let listed = told(self.name_scale_sets(&msi).await);
        tracing::info!(
            "successfully acquired a service principal token from {}",
            self.imds.token_endpoint()
        );
        let named = self.named().await?;
        ensure!(
            msi == named,
            "Tokens acquired from IMDS with and without identity client ID do not match"
        );
        ensure!(listed, "the scale sets could not be listed");
        Ok(())
    }

    async fn name_scale_sets(&self, token: &Token) -> Result<()> {
        if let Some(names) = self.list(token, "virtualMachineScaleSets").await? {
            // As Go writes a list of texts.
            let names = names.join(" ");
            tracing::info!(
                "successfully listed VMSS instances via ARM with AAD Pod Identity: [{names}]"
            );
        }
        Ok(())
    }

    async fn third(&self) -> Result<()> {
        let instance = self.imds.instance().await.unwrap_or_else(|error| {
            // The old one logged whatever came, and went on.
            format!("{error:#}")
        });
        tracing::info!(
            "curl -H Metadata:true \"{}\": {instance}",
            self.imds.instance_endpoint()
        );
        self.named().await.map(drop)
    }

    /// The second and the third.
    async fn named(&self) -> Result<Token> {
        let token = self.token(self.settings.client_id.as_deref()).await;
        let token = token.context("Failed to acquire token from IMDS with identity client ID")?;
        let client_id = self.settings.client_id.as_deref().unwrap_or_default();
        tracing::info!(
            "successfully acquired a service principal token from IMDS using a user-assigned identity ({client_id})"
        );
        tracing::info!(
            "Try decoding your token {} at https://jwt.io",
            token.unsigned()
        );
        Ok(token)
    }

    async fn token(&self, client_id: Option<&str>) -> Result<Token> {
        let token = self.imds.token(&self.settings.resource, client_id).await;
        token.context("failed to refresh the service principal token, error")
    }

    /// Nothing where no subscription is named.
    async fn list(&self, token: &Token, kind: &str) -> Result<Option<Vec<String>>> {
        let Settings {
            subscription,
            group,
            ..
        } = &self.settings;
        if subscription.is_empty() || group.is_empty() {
            return Ok(None);
        }
        let names = self.arm.names(token, subscription, group, kind).await;
        names
            .map(Some)
            .with_context(|| format!("failed to list {kind} of {group}"))
    }
}

/// Whether it was done; what stood in the way is said where it happened, as the old ones did.
fn told(outcome: Result<()>) -> bool {
    outcome
        .inspect_err(|error| tracing::error!("{error:#}"))
        .is_ok()
}
