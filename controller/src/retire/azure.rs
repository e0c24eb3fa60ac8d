//! Azure Resource Manager, as the controller that is retired asks it.

use std::path::Path;

use anyhow::Context;
use podgate_azure::arm::{ArmClient, ArmLimits};
use podgate_azure::credential::{ArmCredential, TokenSources};
use podgate_azure::http::HttpClient;

use crate::settings::{AzureAccess, Settings};

/// Where Azure is, and who the controller is there.
///
/// # Errors
/// The settings lack something, or are wrong.
pub(super) fn access(settings: &Settings) -> anyhow::Result<AzureAccess> {
    Ok(settings.azure(|name| std::env::var(name).ok())?)
}

/// A client. Nothing is asked yet.
///
/// # Errors
/// The file of certificate authorities cannot be used.
pub(super) fn client(settings: &Settings, access: &AzureAccess) -> anyhow::Result<ArmClient> {
    let https = HttpClient::https(&authorities(settings.ca_file.as_deref())?)?;
    let sources = TokenSources {
        authority: access.endpoints.authority.clone(),
        imds: access.imds.clone(),
        https: https.clone(),
    };
    let endpoint = access.endpoints.arm.clone();
    let audience = endpoint.audience().clone();
    let credential = ArmCredential::new(access.credential.clone(), audience, sources);
    tracing::info!(
        arm = endpoint.as_str(),
        asks_as = credential.describe(),
        "Azure"
    );
    let client = ArmClient::new(https, endpoint, credential, ArmLimits::default());
    Ok(client.with_user_agent(settings.user_agent()))
}

fn authorities(file: Option<&Path>) -> anyhow::Result<Vec<Vec<u8>>> {
    let Some(path) = file else {
        return Ok(Vec::new());
    };
    let pem = std::fs::read(path).with_context(|| format!("--ca-file {}", path.display()))?;
    Ok(vec![pem])
}
