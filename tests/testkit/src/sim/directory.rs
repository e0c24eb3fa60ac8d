//! Who exists: the identities of the VM, the tenants, the applications, the resources.

use parking_lot::RwLock;

use super::config::{Application, ManagedIdentity, Resources, SimConfig};

pub(crate) struct Directory {
    tenant: String,
    tenants: Vec<String>,
    resources: Resources,
    identities: RwLock<Vec<ManagedIdentity>>,
    applications: RwLock<Vec<Application>>,
}

impl Directory {
    pub(crate) fn new(config: SimConfig) -> Self {
        Self {
            tenant: config.tenant,
            tenants: config.tenants,
            resources: config.resources,
            identities: RwLock::new(config.managed_identities),
            applications: RwLock::new(config.applications),
        }
    }

    /// The tenant of the VM.
    pub(crate) fn tenant(&self) -> &str {
        &self.tenant
    }

    pub(crate) fn identities(&self) -> Vec<ManagedIdentity> {
        self.identities.read().clone()
    }

    pub(crate) fn set_identities(&self, identities: Vec<ManagedIdentity>) {
        *self.identities.write() = identities;
    }

    pub(crate) fn add_identity(&self, identity: ManagedIdentity) {
        let mut all = self.identities.write();
        all.retain(|one| !one.client_id.eq_ignore_ascii_case(&identity.client_id));
        all.push(identity);
    }

    pub(crate) fn remove_identity(&self, client_id: &str) -> bool {
        let mut all = self.identities.write();
        let before = all.len();
        all.retain(|one| !one.client_id.eq_ignore_ascii_case(client_id));
        all.len() < before
    }

    pub(crate) fn set_applications(&self, applications: Vec<Application>) {
        *self.applications.write() = applications;
    }

    pub(crate) fn add_application(&self, application: Application) {
        let mut all = self.applications.write();
        all.retain(|one| !is(one, &application.tenant, &application.client_id));
        all.push(application);
    }

    pub(crate) fn remove_application(&self, tenant: &str, client_id: &str) -> bool {
        let mut all = self.applications.write();
        let before = all.len();
        all.retain(|one| !is(one, tenant, client_id));
        all.len() < before
    }

    pub(crate) fn application(&self, tenant: &str, client_id: &str) -> Option<Application> {
        self.applications
            .read()
            .iter()
            .find(|one| is(one, tenant, client_id))
            .cloned()
    }

    pub(crate) fn has_tenant(&self, tenant: &str) -> bool {
        let same = |one: &str| one.eq_ignore_ascii_case(tenant);
        same(&self.tenant)
            || self.tenants.iter().any(|one| same(one))
            || self.applications.read().iter().any(|one| same(&one.tenant))
    }

    /// Whether a token for `resource` can be had; an unknown one is AADSTS500011.
    pub(crate) fn has_resource(&self, resource: &str) -> bool {
        match &self.resources {
            Resources::Any => is_identifier(resource),
            Resources::Only(known) => known
                .iter()
                .any(|one| one.trim_end_matches('/') == resource.trim_end_matches('/')),
        }
    }
}

fn is(application: &Application, tenant: &str, client_id: &str) -> bool {
    application.tenant.eq_ignore_ascii_case(tenant)
        && application.client_id.eq_ignore_ascii_case(client_id)
}

/// An application id URI or a client id: what can be the identifier of a resource.
fn is_identifier(resource: &str) -> bool {
    let uri = url::Url::parse(resource)
        .is_ok_and(|uri| matches!(uri.scheme(), "https" | "http" | "api" | "urn"));
    (uri || uuid::Uuid::try_parse(resource).is_ok())
        && !resource.contains(|c: char| c.is_whitespace() || c.is_control())
}
