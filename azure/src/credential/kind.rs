//! The kinds of credentials.

use std::fmt;
use std::path::PathBuf;

use podgate_api::{ClientId, TenantId};
use zeroize::Zeroizing;

use super::certificate::ClientCertificate;
use crate::imds::Selector;

/// A client secret: wiped when dropped, never printed.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

/// What podgate proves itself with.
#[derive(Clone, Debug)]
pub enum CredentialKind {
    /// A managed identity of the node that podgate runs on.
    ManagedIdentity(Selector),
    /// A service account token that Entra ID trusts by federation.
    WorkloadIdentity {
        /// The tenant.
        tenant: TenantId,
        /// The application or user-assigned identity.
        client_id: ClientId,
        /// Where the kubelet keeps the token; read anew for each token, since it is rotated.
        token_file: PathBuf,
    },
    /// A client secret.
    Secret {
        /// The tenant, `adfs` for an AD FS.
        tenant: TenantId,
        /// The application.
        client_id: ClientId,
        /// Its secret.
        secret: ClientSecret,
    },
    /// A certificate.
    Certificate {
        /// The tenant.
        tenant: TenantId,
        /// The application.
        client_id: ClientId,
        /// Its key and certificates.
        certificate: ClientCertificate,
    },
}

// === impl ClientSecret ===

impl From<String> for ClientSecret {
    fn from(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }
}

impl ClientSecret {
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret([redacted])")
    }
}

// === impl CredentialKind ===

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ManagedIdentity(Selector::Unspecified) => {
                f.write_str("the node's managed identity")
            }
            Self::ManagedIdentity(Selector::ClientId(id)) => write!(f, "managed identity {id}"),
            Self::ManagedIdentity(Selector::ObjectId(id)) => {
                write!(f, "managed identity (object) {id}")
            }
            Self::ManagedIdentity(Selector::ResourceId(id)) => {
                write!(f, "managed identity {}", id.name())
            }
            Self::WorkloadIdentity { client_id, .. } => write!(f, "workload identity {client_id}"),
            Self::Secret { client_id, .. } => write!(f, "application {client_id} by its secret"),
            Self::Certificate { client_id, .. } => {
                write!(f, "application {client_id} by its certificate")
            }
        }
    }
}
