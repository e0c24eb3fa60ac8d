//! Azure Resource Manager, as azure.json or the environment describes it, and as it is described anew meanwhile.

use std::fs::File;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use podgate_api::ClientId;
use podgate_azure::arm::{ArmClient, ArmLimits};
use podgate_azure::credential::{ArmCredential, TokenSources};
use podgate_azure::http::HttpClient;
use podgate_daemon::readiness::Readiness;
use zeroize::Zeroizing;

use crate::apply::Apply;
use crate::metrics::Metrics;
use crate::settings::{AzureAccess, AzureAccessError, Settings};

/// Of hashes that are compared within this process.
const FIXED: BuildHasherDefault<DefaultHasher> = BuildHasherDefault::new();

/// Between two looks at azure.json.
const READ_AGAIN: Duration = Duration::from_secs(30);

/// Bytes of azure.json that are looked at: more than any reader of it takes.
const MAX_FILE: u64 = 2 * 1024 * 1024;

/// What is told beside readiness.
const TOPIC: &str = "azure.json";

/// Makes clients of ARM. They come and go with azure.json; what Azure has been asked already, and what was counted, stays.
pub(crate) struct Azure {
    settings: Settings,
    limits: ArmLimits,
    metrics: Arc<Metrics>,
}

impl Azure {
    /// Nothing was asked yet.
    pub(crate) fn new(settings: &Settings, metrics: &Arc<Metrics>) -> Self {
        Self {
            settings: settings.clone(),
            limits: ArmLimits::default(),
            metrics: Arc::clone(metrics),
        }
    }

    /// Where Azure is at this moment, and who the controller is there.
    ///
    /// # Errors
    /// Something is missing or wrong, or a file cannot be read.
    pub(crate) fn access(&self) -> Result<AzureAccess, AzureAccessError> {
        self.settings.azure(|name| std::env::var(name).ok())
    }

    /// A client.
    ///
    /// # Errors
    /// The file of certificate authorities cannot be used.
    pub(crate) fn client(&self, access: &AzureAccess) -> anyhow::Result<ArmClient> {
        let https = HttpClient::https(&authorities(self.settings.ca_file.as_deref())?)?;
        let sources = TokenSources {
            authority: access.endpoints.authority.clone(),
            imds: access.imds.clone(),
            https: https.clone(),
        };
        let endpoint = access.endpoints.arm.clone();
        let audience = endpoint.audience().clone();
        let credential = ArmCredential::new(access.credential.clone(), audience, sources);
        let asks_as = credential.describe();
        tracing::info!(arm = endpoint.as_str(), asks_as, "Azure");
        let metrics = Arc::clone(&self.metrics);
        let client = ArmClient::new(https, endpoint, credential, self.limits.clone());
        Ok(client
            .with_user_agent(self.settings.user_agent())
            .with_observer(move |kind, class| metrics.called(kind, class)))
    }

    /// Reads azure.json again from time to time: the cluster's owner exchanges the secret in it without asking. What cannot
    /// be used changes nothing, and is told.
    pub(super) async fn follow(self, own: Option<ClientId>, apply: Apply, readiness: Readiness) {
        let mut before = self.edition();
        loop {
            tokio::time::sleep(READ_AGAIN).await;
            let now = self.edition();
            if now == before {
                continue;
            }
            before = now;
            let problem = self.exchange(own.as_ref(), &apply).err();
            let problem = problem.map(|problem| format!("{problem:#}"));
            if let Some(problem) = &problem {
                tracing::warn!(problem, "the cloud's new settings cannot be used");
            }
            readiness.tell(TOPIC, problem);
        }
    }

    fn exchange(&self, own: Option<&ClientId>, apply: &Apply) -> anyhow::Result<()> {
        let access = self.access()?;
        apply.ask_as(self.client(&access)?);
        if access.own.as_ref() != own {
            tracing::warn!(
                "the controller is another identity by now: restart it, or it may take that one away"
            );
        }
        Ok(())
    }

    /// A hash of azure.json, or none where it cannot be read.
    fn edition(&self) -> Option<u64> {
        let file = File::open(self.settings.cloudconfig.as_ref()?).ok()?;
        let mut content = Zeroizing::new(Vec::new());
        file.take(MAX_FILE).read_to_end(&mut content).ok()?;
        Some(FIXED.hash_one(content.as_slice()))
    }
}

fn authorities(file: Option<&Path>) -> anyhow::Result<Vec<Vec<u8>>> {
    let Some(path) = file else {
        return Ok(Vec::new());
    };
    let pem = std::fs::read(path).with_context(|| format!("--ca-file {}", path.display()))?;
    Ok(vec![pem])
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use tempfile::TempDir;

    use super::*;

    const JSON: &str = r#"{"cloud": "AzurePublicCloud", "useManagedIdentityExtension": true,
        "userAssignedIdentityID": "11111111-1111-1111-1111-111111111111"}"#;

    /// A cloud at ports that nobody listens on.
    fn azure(folder: &TempDir) -> Azure {
        let path = folder.path().join("azure.json");
        std::fs::write(&path, JSON).unwrap();
        let file = format!("--cloudconfig={}", path.display());
        let flags = [
            "podgate-controller",
            &file,
            "--arm-url=https://127.0.0.1:1/",
            "--metadata-ip=127.0.0.1",
            "--metadata-port=1",
        ];
        let settings = Settings::read(flags.map(OsString::from)).unwrap();
        Azure::new(&settings, &Arc::default())
    }

    #[tokio::test]
    async fn what_azure_was_asked_counts_on_when_azure_json_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let azure = azure(&folder);
        let before = azure.client(&azure.access().unwrap()).unwrap();
        let after = azure.client(&azure.access().unwrap()).unwrap();
        let counts = |client: &ArmClient| format!("{client:?}").contains("full_at");
        assert!(!counts(&before) && !counts(&after));
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v";
        before.get(&id.parse().unwrap()).await.unwrap_err();
        assert!(counts(&after));
    }

    #[test]
    fn another_azure_json_is_noticed_and_so_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let azure = azure(&folder);
        let first = azure.edition();
        assert!(first.is_some() && azure.edition() == first);
        let path = azure.settings.cloudconfig.as_ref().unwrap();
        std::fs::write(path, JSON.replace('1', "2")).unwrap();
        assert!(
            azure
                .edition()
                .is_some_and(|edition| Some(edition) != first)
        );
        std::fs::remove_file(path).unwrap();
        assert_eq!(azure.edition(), None);
        assert!(azure.access().is_err());
    }
}
