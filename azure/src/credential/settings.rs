//! The cloud's settings as aad-pod-identity's controller took them: the node's `azure.json`, or the environment.
//!
//! Facts: `pkg/config` and `cmd/mic` of aad-pod-identity; "Cloud provider config" of cloud-provider-azure for the
//! keys of certificates and workload identity, which the old controller ignored.

use std::fmt;
use std::path::PathBuf;

use podgate_api::{ClientId, Resource, ResourceId, TenantId};
use serde::Deserialize;
use thiserror::Error;

use super::certificate::{CertificateError, ClientCertificate};
use super::kind::{ClientSecret, CredentialKind};
use crate::arm::ArmEndpoint;
use crate::cloud::{Authority, Cloud};
use crate::imds::Selector;

mod custom;

/// Longest settings file that is read, in bytes. Real ones have some 3 KiB.
const MAX_FILE: usize = 256 * 1024;

/// Where to go and as whom. The secrets in it are wiped when it is dropped, and never printed.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CloudSettings {
    /// The cloud's name; empty is an error, as before.
    cloud: Text,
    tenant_id: Text,
    #[serde(alias = "aadClientID")]
    aad_client_id: Text,
    aad_client_secret: Option<ClientSecret>,
    aad_client_cert_path: Text,
    aad_client_cert_password: Option<ClientSecret>,
    use_managed_identity_extension: Flag,
    #[serde(alias = "userAssignedIdentityID")]
    user_assigned_identity_id: Text,
    use_federated_workload_identity_extension: Flag,
    aad_federated_token_file: Text,
    subscription_id: Text,
    resource_group: Text,
    vm_type: Text,
}

/// Why settings cannot be used. Values are repeated only where they are no secret.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// Longer than any real one.
    #[error("the cloud's settings have {0} bytes, at most {MAX_FILE} are read")]
    TooLong(usize),
    /// No YAML or JSON of the right shape.
    #[error("the cloud's settings cannot be read: {0}")]
    Unreadable(String),
    /// A key is missing.
    #[error("the cloud's settings lack {key}: {why}")]
    Missing {
        /// The key of azure.json, and the variable.
        key: &'static str,
        /// What it is needed for.
        why: &'static str,
    },
    /// A key has a value that cannot be.
    #[error("the cloud's settings have a wrong {key}: {problem}")]
    Wrong {
        /// The key of azure.json, and the variable.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A file that the settings name cannot be read.
    #[error("{path}, named by {key} of the cloud's settings, cannot be read: {source}")]
    File {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate.
    #[error("aadClientCertPath of the cloud's settings: {0}")]
    Certificate(#[from] CertificateError),
}

/// Where a cloud's services are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudEndpoints {
    /// Entra ID, or an AD FS.
    pub authority: Authority,
    /// ARM.
    pub arm: ArmEndpoint,
    /// The login host is an AD FS, whose only tenant is `adfs`.
    pub adfs: bool,
}

/// `azure.json` is written by many hands: a number or null stands where a text should be.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<Scalar>")]
struct Text(String);

/// `true`, or a text that says so in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<Scalar>")]
struct Flag(bool);

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Flag(bool),
    Number(i64),
    Text(String),
}

// === impl Text, Flag ===

impl From<Option<Scalar>> for Text {
    fn from(value: Option<Scalar>) -> Self {
        Self(match value {
            Some(Scalar::Text(text)) => text.trim().to_owned(),
            Some(Scalar::Number(number)) => number.to_string(),
            Some(Scalar::Flag(flag)) => flag.to_string(),
            None => String::new(),
        })
    }
}

impl From<Option<Scalar>> for Flag {
    fn from(value: Option<Scalar>) -> Self {
        Self(Text::from(value).0.eq_ignore_ascii_case("true"))
    }
}

impl Text {
    fn given(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(self.0.as_str())
    }

    fn required(&self, key: &'static str, why: &'static str) -> Result<&str, SettingsError> {
        self.given().ok_or(SettingsError::Missing { key, why })
    }
}

impl<'de> Deserialize<'de> for ClientSecret {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        Option::<String>::deserialize(source).map(|text| Self::from(text.unwrap_or_default()))
    }
}

// === impl CloudSettings ===

impl CloudSettings {
    /// Reads an `azure.json`, which may be YAML as well. Keys that podgate does not need are left alone: the file
    /// is the cloud provider's.
    ///
    /// # Errors
    /// It is no such file.
    pub fn from_file(text: &str) -> Result<Self, SettingsError> {
        if text.len() > MAX_FILE {
            return Err(SettingsError::TooLong(text.len()));
        }
        // The parser's words may repeat a line, and the line a secret: only the place is taken.
        serde_saphyr::from_str(text).map_err(|error| {
            let place = error
                .location()
                .map(|place| format!("line {}", place.line()));
            let place = place.unwrap_or_else(|| "somewhere".to_owned());
            SettingsError::Unreadable(format!("it is no JSON or YAML of an azure.json ({place})"))
        })
    }

    /// Reads the variables that the old controller took, and those that workload identity puts into a pod.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |names: &[&str]| {
            let values = names.iter().filter_map(|name| variable(name));
            Text(
                values
                    .map(|value| value.trim().to_owned())
                    .find(|value| !value.is_empty())
                    .unwrap_or_default(),
            )
        };
        let token_file = text(&["AZURE_FEDERATED_TOKEN_FILE"]);
        let secret = variable("CLIENT_SECRET").filter(|secret| !secret.is_empty());
        let msi = text(&["USE_MSI"]).0.eq_ignore_ascii_case("true");
        Self {
            cloud: text(&["CLOUD"]),
            tenant_id: text(&["TENANT_ID", "AZURE_TENANT_ID"]),
            aad_client_id: text(&["CLIENT_ID", "AZURE_CLIENT_ID"]),
            use_federated_workload_identity_extension: Flag(
                !token_file.0.is_empty() && !msi && secret.is_none(),
            ),
            aad_client_secret: secret.map(ClientSecret::from),
            use_managed_identity_extension: Flag(msi),
            user_assigned_identity_id: text(&["USER_ASSIGNED_MSI_CLIENT_ID"]),
            aad_federated_token_file: token_file,
            subscription_id: text(&["SUBSCRIPTION_ID"]),
            resource_group: text(&["RESOURCE_GROUP"]),
            vm_type: text(&["VM_TYPE"]),
            ..Self::default()
        }
    }

    /// What to prove oneself with: a managed identity where it is switched on, then workload identity, then a
    /// client secret, then a certificate (the cloud provider's order).
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn credential(&self, endpoints: &CloudEndpoints) -> Result<CredentialKind, SettingsError> {
        // AKS writes `msi` where the cluster has a managed identity.
        let msi = self.aad_client_id.0.eq_ignore_ascii_case("msi");
        if self.use_managed_identity_extension.0 || msi {
            return self.managed();
        }
        let client_id = self.client_id()?;
        let tenant = self.tenant(endpoints)?;
        if self.use_federated_workload_identity_extension.0 {
            let why = "workload identity needs the file of the service account's token";
            let file = self
                .aad_federated_token_file
                .required("aadFederatedTokenFile (AZURE_FEDERATED_TOKEN_FILE)", why)?;
            return Ok(CredentialKind::WorkloadIdentity {
                tenant,
                client_id,
                token_file: file.into(),
            });
        }
        match self
            .aad_client_secret
            .as_ref()
            .filter(|secret| !secret.expose().is_empty())
        {
            Some(secret) => Ok(CredentialKind::Secret {
                tenant,
                client_id,
                secret: secret.clone(),
            }),
            None => Ok(CredentialKind::Certificate {
                tenant,
                client_id,
                certificate: self.certificate()?,
            }),
        }
    }

    /// The node's identity that is podgate's own, never to be taken off a node: the kubelet's, as a rule.
    pub fn own_identity(&self) -> Option<&str> {
        self.user_assigned_identity_id.given()
    }

    /// The cluster's subscription, where nodes do not say otherwise.
    pub fn subscription(&self) -> Option<&str> {
        self.subscription_id.given()
    }

    /// The nodes' resource group, likewise.
    pub fn resource_group(&self) -> Option<&str> {
        self.resource_group.given()
    }

    /// `vmss` or `standard`, likewise.
    pub fn vm_type(&self) -> Option<&str> {
        self.vm_type.given()
    }

    /// Empty is the system-assigned identity; else a client id, or a resource id as the cloud provider also takes.
    fn managed(&self) -> Result<CredentialKind, SettingsError> {
        let selector = match self.user_assigned_identity_id.given() {
            None => Selector::Unspecified,
            Some(id) if id.starts_with('/') => {
                Selector::ResourceId(parsed::<ResourceId>("userAssignedIdentityID", id)?)
            }
            Some(id) => Selector::ClientId(parsed::<ClientId>(
                "userAssignedIdentityID (USER_ASSIGNED_MSI_CLIENT_ID)",
                id,
            )?),
        };
        Ok(CredentialKind::ManagedIdentity(selector))
    }

    fn client_id(&self) -> Result<ClientId, SettingsError> {
        let key = "aadClientId (CLIENT_ID)";
        let why = "without a managed identity, podgate needs an application to be";
        parsed(key, self.aad_client_id.required(key, why)?)
    }

    fn tenant(&self, endpoints: &CloudEndpoints) -> Result<TenantId, SettingsError> {
        let key = "tenantId (TENANT_ID)";
        match endpoints.adfs {
            true => parsed(key, "adfs"),
            false => parsed(
                key,
                self.tenant_id
                    .required(key, "it is where the application logs in")?,
            ),
        }
    }

    fn certificate(&self) -> Result<ClientCertificate, SettingsError> {
        let key = "aadClientSecret (CLIENT_SECRET)";
        let why =
            "neither it nor aadClientCertPath is there, and managed identity is not switched on";
        let path = PathBuf::from(self.aad_client_cert_path.required(key, why)?);
        let file = std::fs::read(&path).map_err(|source| SettingsError::File {
            key: "aadClientCertPath",
            path,
            source,
        })?;
        let password = self
            .aad_client_cert_password
            .as_ref()
            .map_or("", ClientSecret::expose);
        Ok(ClientCertificate::read(&file, password)?)
    }

    /// Where the cloud's services are. `environment` is the content of the file that `AZURE_ENVIRONMENT_FILEPATH`
    /// names, which a custom cloud needs.
    ///
    /// # Errors
    /// The cloud is not known, or its description is not usable.
    pub fn endpoints(&self, environment: Option<&str>) -> Result<CloudEndpoints, SettingsError> {
        let why = "podgate must know which Azure it is on; AzurePublicCloud is the usual one";
        let name = self.cloud.required("cloud (CLOUD)", why)?;
        if name.eq_ignore_ascii_case("AzureStackCloud") {
            let why = "it names the file that describes a custom cloud; AKS keeps it in /etc/kubernetes/akscustom.json";
            let key = "AZURE_ENVIRONMENT_FILEPATH";
            return custom::read(environment.ok_or(SettingsError::Missing { key, why })?);
        }
        let cloud: Cloud = parsed("cloud (CLOUD)", name)?;
        Ok(CloudEndpoints {
            authority: cloud.authority(),
            arm: cloud.arm(),
            adfs: false,
        })
    }
}

fn parsed<T: std::str::FromStr<Err: fmt::Display>>(
    key: &'static str,
    text: &str,
) -> Result<T, SettingsError> {
    text.parse()
        .map_err(|problem: T::Err| SettingsError::Wrong {
            key,
            problem: problem.to_string(),
        })
}

/// No secret, and no length of one.
impl fmt::Debug for CloudSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudSettings")
            .field("cloud", &self.cloud.0)
            .field("tenant", &self.tenant_id.0)
            .field("client_id", &self.aad_client_id.0)
            .field("managed_identity", &self.use_managed_identity_extension.0)
            .field("user_assigned_identity", &self.user_assigned_identity_id.0)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
