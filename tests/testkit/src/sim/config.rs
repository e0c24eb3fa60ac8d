//! What a simulation is started with: its addresses, its identities, its applications.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::arm::ArmSettings;
use super::certificate::Certificate;
use super::issuer::FederatedCredential;

/// The tenant of the managed identities unless told otherwise.
pub(super) const DEFAULT_TENANT: &str = "7a1e0000-0000-4000-8000-00000000feed";

/// How long IMDS and Entra tokens live at Azure: one day less the second IMDS takes off.
pub(super) const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_secs(86_399);

/// How a simulation is started. `SimConfig::default()` listens on free ports of 127.0.0.1 and knows nobody.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "snake_case")]
pub struct SimConfig {
    /// Where IMDS and the admin API listen (http). Port 0 takes a free one.
    pub imds_listen: SocketAddr,
    /// Where Entra listens (https). Port 0 takes a free one.
    pub entra_listen: SocketAddr,
    /// Where ARM listens (https). Port 0 takes a free one.
    pub arm_listen: SocketAddr,
    /// More names than `localhost` and the listen address for Entra's certificate and `Host` check.
    pub entra_names: Vec<String>,
    /// The same for ARM.
    pub arm_names: Vec<String>,
    /// The authority whose tokens IMDS gives, where that is another simulation of this process
    /// ([`entra_url`](crate::AzureSim::entra_url)): one Entra ID has many virtual machines.
    #[serde(skip)]
    pub issuer: Option<String>,
    /// The tenant of the managed identities; also what `/metadata/identity/info` answers.
    pub tenant: String,
    /// Tenants that exist although no application is registered in them.
    pub tenants: Vec<String>,
    /// Lifetime of every token that is minted, whole seconds.
    #[serde(rename = "token_lifetime_seconds", with = "seconds")]
    pub token_lifetime: Duration,
    /// What IMDS allows per VM.
    pub limits: Limits,
    /// Requests per minute and application that Entra answers before 429 with `Retry-After: 60`. `None`: no limit.
    pub entra_requests_per_minute: Option<usize>,
    /// For which resources tokens are given.
    pub resources: Resources,
    /// The identities of the VM.
    pub managed_identities: Vec<ManagedIdentity>,
    /// The service principals Entra knows.
    pub applications: Vec<Application>,
    /// The virtual machines and scale sets, and how ARM behaves.
    pub arm: ArmSettings,
}

impl Default for SimConfig {
    fn default() -> Self {
        let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            imds_listen: loopback,
            entra_listen: loopback,
            arm_listen: loopback,
            entra_names: Vec::new(),
            arm_names: Vec::new(),
            issuer: None,
            tenant: DEFAULT_TENANT.into(),
            tenants: Vec::new(),
            token_lifetime: DEFAULT_TOKEN_LIFETIME,
            limits: Limits::default(),
            entra_requests_per_minute: None,
            resources: Resources::Any,
            managed_identities: Vec::new(),
            applications: Vec::new(),
            arm: ArmSettings::default(),
        }
    }
}

impl SimConfig {
    /// Reads a configuration as the program takes it: the fields of this struct, `snake_case`, all of them optional.
    ///
    /// # Errors
    /// When a key is unknown or a value is not what it should be; the message names line and column.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        // serde-saphyr takes an empty document for null.
        if text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim().starts_with('#'))
        {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|why| ConfigError(why.to_string()))
    }
}

/// Why a configuration cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not what azure-sim takes: {0}")]
pub struct ConfigError(String);

/// What IMDS allows one VM, all its processes together.
///
/// Source: Azure compute docs, "Instance Metadata Service", section "Rate limiting".
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Identity requests that may be in flight at once.
    pub identity_concurrent: usize,
    /// Identity requests admitted in any window of one second.
    pub identity_per_second: usize,
    /// All other requests admitted in any window of one second.
    pub metadata_per_second: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            identity_concurrent: 5,
            identity_per_second: 20,
            metadata_per_second: 5,
        }
    }
}

/// The resources (audiences) of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resources {
    /// Every resource of the right shape exists: an absolute https or api URI, or a GUID.
    #[default]
    Any,
    /// Only these exist, compared byte by byte but for a trailing slash; others are AADSTS500011.
    Only(Vec<String>),
}

impl<'de> Deserialize<'de> for Resources {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        Ok(Option::<Vec<String>>::deserialize(source)?.map_or(Self::Any, Self::Only))
    }
}

/// One identity of the VM.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ManagedIdentity {
    /// The application (client) id, a GUID.
    pub client_id: String,
    /// The principal (object) id, a GUID.
    pub object_id: String,
    /// The ARM id of a user-assigned identity; empty for the VM's system-assigned one.
    #[serde(default)]
    pub resource_id: String,
}

impl ManagedIdentity {
    /// Whether this is the VM's system-assigned identity, which IMDS prefers when a request names none.
    pub fn is_system_assigned(&self) -> bool {
        self.resource_id.is_empty()
    }
}

/// A service principal and what it may prove itself with.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Tenant id or domain, as it stands in the token endpoint's path. `adfs` for an AD FS farm.
    pub tenant: String,
    /// The application (client) id.
    pub client_id: String,
    /// The service principal's object id; empty: the client id stands for it.
    #[serde(default)]
    pub object_id: String,
    /// Client secrets that are valid now.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Client secrets that were valid once: AADSTS7000222.
    #[serde(default)]
    pub expired_secrets: Vec<String>,
    /// Certificates registered with the application (PEM in YAML and JSON).
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// Authorities trusted to certify this application by name (subject name/issuer authentication).
    #[serde(default)]
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// Tokens of others that speak for the application (workload identity federation); Entra allows twenty.
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredential>,
}

/// Any certificate with this subject from this authority speaks for the application.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuer {
    /// The subject's common name, or one of its DNS names.
    pub subject_name: String,
    /// The root that must have issued the chain in `x5c`.
    pub authority: Certificate,
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Duration, D::Error> {
        u64::deserialize(source).map(Duration::from_secs)
    }
}
