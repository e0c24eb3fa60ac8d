//! Clouds that are not Microsoft's own: Azure Stack Hub, and the air-gapped ones.
//!
//! Facts: `azure.Environment` of go-autorest, whose JSON is what `AZURE_ENVIRONMENT_FILEPATH` names.

use serde::Deserialize;

use super::{CloudEndpoints, MAX_FILE, Resource, SettingsError, parsed};
use crate::arm::ArmEndpoint;
use crate::cloud::Authority;

/// The newest version of `Microsoft.Compute` that Azure Stack Hub has.
const STACK_API_VERSION: &str = "2020-06-01";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    resource_manager_endpoint: String,
    active_directory_endpoint: String,
    #[serde(default)]
    token_audience: String,
    #[serde(default)]
    service_management_endpoint: String,
}

pub(super) fn read(text: &str) -> Result<CloudEndpoints, SettingsError> {
    if text.len() > MAX_FILE {
        return Err(SettingsError::TooLong(text.len()));
    }
    let environment: Environment = serde_json::from_str(text).map_err(|error| {
        SettingsError::Unreadable(format!("the description of the custom cloud: {error}"))
    })?;
    let arm: ArmEndpoint = parsed(
        "resourceManagerEndpoint",
        environment.resource_manager_endpoint.trim(),
    )?;
    let arm = arm
        .with_api_version(STACK_API_VERSION)
        .map_err(|problem| SettingsError::Wrong {
            key: "resourceManagerEndpoint",
            problem: problem.to_string(),
        })?;
    let audience = [
        environment.token_audience,
        environment.service_management_endpoint,
    ];
    let audience = audience
        .iter()
        .map(|text| text.trim())
        .find(|text| !text.is_empty());
    let audience: Option<Resource> = audience
        .map(|text| parsed("tokenAudience", text))
        .transpose()?;
    let (authority, adfs) = authority(environment.active_directory_endpoint.trim())?;
    let arm = match audience {
        Some(audience) => arm.with_audience(audience),
        None => arm,
    };
    Ok(CloudEndpoints {
        authority,
        arm,
        adfs,
    })
}

/// An AD FS is written with its tenant, `https://adfs.example/adfs`; the tenant is a segment that requests add.
fn authority(text: &str) -> Result<(Authority, bool), SettingsError> {
    let trimmed = text.trim_end_matches('/');
    let bare = trimmed
        .len()
        .checked_sub("/adfs".len())
        .and_then(|at| trimmed.split_at_checked(at));
    match bare.filter(|(_, end)| end.eq_ignore_ascii_case("/adfs")) {
        Some((host, _)) => Ok((parsed("activeDirectoryEndpoint", host)?, true)),
        None => Ok((parsed("activeDirectoryEndpoint", text)?, false)),
    }
}
