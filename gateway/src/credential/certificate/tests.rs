use async_trait::async_trait;
use host::AcquiredToken;
use podgate_plugin_host as host;
use podgate_plugin_host::Algorithm;

use super::*;

/// Says what the key it is given can do.
struct Plugin {
    needs_key: bool,
}

#[async_trait]
impl Credential for Plugin {
    fn name(&self) -> &str {
        "p"
    }

    fn needs_key(&self) -> bool {
        self.needs_key
    }

    async fn acquire(
        &self,
        _: &CredentialQuestion,
        key: Arc<dyn SigningKey>,
    ) -> Result<Result<AcquiredToken, CredentialFailure>, PluginError> {
        assert!(key.chain().is_empty());
        let signed = key.sign(Algorithm::Rs256, b"me");
        Ok(Err(CredentialFailure::Refused {
            error: "said".to_owned(),
            description: signed.unwrap_err().to_string(),
            stale_credential: false,
        }))
    }
}

async fn refusal(plugin: Option<Plugin>) -> String {
    let plugin = plugin.map(|plugin| Arc::new(plugin) as Arc<dyn Credential>);
    let certificates = Certificates::new(plugin, Arc::new(Metrics::default()));
    let application = Application {
        client_id: "44444444-4444-4444-8444-444444444444".parse().unwrap(),
        tenant: "99999999-9999-4999-8999-999999999999".parse().unwrap(),
        authority: "https://login.microsoftonline.com/".parse().unwrap(),
    };
    let resource = "https://vault.azure.net".parse().unwrap();
    match certificates.federated(&application, &resource).await {
        Err(Failure::Refused { description, .. }) => description,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_identity_without_a_secret_is_for_plugins_that_need_no_key_and_gives_them_none() {
    let told = refusal(Some(Plugin { needs_key: true })).await;
    assert!(told.contains("spec.clientPassword.name: missing"), "{told}");
    let told = refusal(Some(Plugin { needs_key: false })).await;
    assert!(told.contains("names no Secret"), "{told}");
    let told = refusal(None).await;
    assert!(
        told.contains("no credential plugin is configured"),
        "{told}"
    );
}
