//! azure-sim: IMDS, Entra ID and ARM on loopback, stricter than the real ones.

mod admin;
mod arm;
mod body;
mod certificate;
mod config;
mod directory;
mod entra;
mod faults;
mod imds;
mod issuer;
mod jwt;
mod limits;
mod line;
mod record;
mod reply;
mod serve;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use arm::Arm;
pub use arm::{
    ArmBucket, ArmCalls, ArmLimit, ArmSettings, Compute, Fleet, FleetNode, HandChange, StateChange,
    SystemIdentity,
};
pub use certificate::{Certificate, CertificateError};
pub use config::{
    Application, ConfigError, Limits, ManagedIdentity, Resources, SimConfig, TrustedIssuer,
};
use directory::Directory;
use entra::{Replays, Throttle};
use faults::Faults;
pub use faults::{Fault, FaultKind, Target, Times};
pub use issuer::{FederatedCredential, IssuerKeys, ServedKeys};
use jwt::Mint;
pub use jwt::{Claims, VerifyError};
pub use limits::LimitCounts;
use limits::VmLimits;
pub use record::Call;
use record::Record;
use serde_json::json;

/// A running simulation. Dropping it closes its ports and connections.
///
/// ```no_run
/// # async fn demo() -> Result<(), podgate_testkit::SimError> {
/// use podgate_testkit::{AzureSim, Fault, FaultKind, ManagedIdentity, SimConfig, Target};
///
/// let sim = AzureSim::start(SimConfig::default()).await?;
/// sim.add_managed_identity(ManagedIdentity {
///     client_id: "11111111-1111-4111-8111-111111111111".into(),
///     object_id: "22222222-2222-4222-8222-222222222222".into(),
///     resource_id: "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a".into(),
/// });
/// sim.fail(Fault::new(Target::Imds, FaultKind::status(410)).times(2));
/// // … point the code under test at sim.imds_url() …
/// assert!(sim.forbidden_calls().is_empty());
/// # Ok(()) }
/// ```
pub struct AzureSim {
    world: Arc<World>,
    listeners: Vec<JoinHandle<()>>,
}

/// Everything the services share.
pub(crate) struct World {
    pub(crate) directory: Directory,
    pub(crate) faults: Faults,
    pub(crate) record: Record,
    pub(crate) limits: VmLimits,
    pub(crate) mint: Mint,
    pub(crate) throttle: Throttle,
    pub(crate) replays: Replays,
    pub(crate) arm: Arm,
    pub(crate) imds: SocketAddr,
    /// With a trailing slash.
    pub(crate) entra_url: String,
    /// What `Host` may say at Entra; the first one is in [`entra_url`](Self::entra_url). Never empty.
    pub(crate) entra_hosts: Vec<String>,
    /// With a trailing slash.
    pub(crate) arm_url: String,
    /// What `Host` may say at ARM, likewise.
    pub(crate) arm_hosts: Vec<String>,
    pub(crate) ca_pem: String,
}

/// Why a simulation did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address} for {service}: {source}; choose a free address, or port 0")]
    Listen {
        /// The service.
        service: &'static str,
        /// The configured address.
        address: SocketAddr,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The https certificate could not be made.
    #[error("cannot make the certificate of the https endpoint: {0}; check `entra_names`")]
    Tls(String),
}

impl AzureSim {
    /// Starts listening. When this returns, all services answer.
    ///
    /// # Errors
    /// When an address cannot be bound, or a name in `entra_names` or `arm_names` is not a DNS name.
    pub async fn start(config: SimConfig) -> Result<Self, SimError> {
        let imds = listen("imds", config.imds_listen).await?;
        let entra = listen("entra", config.entra_listen).await?;
        let arm = listen("arm", config.arm_listen).await?;
        let at = At {
            imds: local(&imds, "imds")?,
            entra: local(&entra, "entra")?,
            arm: local(&arm, "arm")?,
        };
        let tls = tls::endpoint(at.entra.ip(), &at.names(&config))?;
        let world = Arc::new(World::new(config, at, tls.ca_pem));
        arm::tell_imds(&world);
        let tls = Some(TlsAcceptor::from(tls.server));
        let services = [
            (imds, None, Target::Imds),
            (entra, tls.clone(), Target::Entra),
            (arm, tls, Target::Arm),
        ];
        let serve = |(listener, tls, target)| {
            tokio::spawn(serve::run(listener, tls, target, world.clone()))
        };
        let listeners = services.into_iter().map(serve).collect();
        Ok(Self { world, listeners })
    }

    /// The base of IMDS, without a trailing slash: `http://127.0.0.1:PORT`.
    pub fn imds_url(&self) -> String {
        format!("http://{}", self.world.imds)
    }

    /// Where IMDS (and the admin API) listen.
    pub fn imds_addr(&self) -> SocketAddr {
        self.world.imds
    }

    /// The authority, with a trailing slash: `https://localhost:PORT/`.
    pub fn entra_url(&self) -> String {
        self.world.entra_url.clone()
    }

    /// The certificate to trust for [`entra_url`](Self::entra_url) and [`arm_url`](Self::arm_url).
    pub fn ca_pem(&self) -> &str {
        &self.world.ca_pem
    }

    /// Assigns an identity to the VM; one with the same client id is replaced.
    pub fn add_managed_identity(&self, identity: ManagedIdentity) {
        self.world.directory.add_identity(identity);
    }

    /// Takes an identity from the VM. Returns whether it was there.
    pub fn remove_managed_identity(&self, client_id: &str) -> bool {
        self.world.directory.remove_identity(client_id)
    }

    /// Registers an application; one with the same tenant and client id is replaced.
    pub fn add_application(&self, application: Application) {
        self.world.directory.add_application(application);
    }

    /// Removes an application. Returns whether it was there.
    pub fn remove_application(&self, tenant: &str, client_id: &str) -> bool {
        self.world.directory.remove_application(tenant, client_id)
    }

    /// The lifetime of tokens from now on, whole seconds.
    pub fn set_token_lifetime(&self, lifetime: std::time::Duration) {
        self.world.mint.set_lifetime(lifetime);
    }

    /// Adds a fault to the script.
    pub fn fail(&self, fault: Fault) {
        self.world.faults.add(fault);
    }

    /// Forgets all faults: everything works again.
    pub fn recover(&self) {
        self.world.faults.clear();
    }

    /// Every call since the start or the last [`clear_calls`](Self::clear_calls), in the order they came.
    pub fn calls(&self) -> Vec<Call> {
        self.world.record.calls()
    }

    /// The calls of one service.
    pub fn calls_to(&self, target: Target) -> Vec<Call> {
        self.calls()
            .into_iter()
            .filter(|call| call.target == target)
            .collect()
    }

    /// The calls that must never be made (see [`Call::forbidden`]).
    pub fn forbidden_calls(&self) -> Vec<Call> {
        self.calls()
            .into_iter()
            .filter(|call| call.forbidden)
            .collect()
    }

    /// Forgets the calls.
    pub fn clear_calls(&self) {
        self.world.record.clear();
    }

    /// The faults that are still to happen.
    pub fn pending_faults(&self) -> Vec<Fault> {
        self.world.faults.pending()
    }

    /// Where everything listens, as JSON: what the program prints when it is ready.
    pub fn addresses(&self) -> serde_json::Value {
        self.world.addresses()
    }

    /// What the per-VM limits saw.
    pub fn limit_counts(&self) -> LimitCounts {
        self.world.limits.counts()
    }

    /// Checks a token as a resource would: signature, times, issuer.
    ///
    /// # Errors
    /// When the token is not one of this process's simulations, was changed, or is expired.
    pub fn verify(&self, token: &str) -> Result<Claims, VerifyError> {
        self.world.mint.verify(token)
    }
}

impl Drop for AzureSim {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    fn new(config: SimConfig, at: At, ca_pem: String) -> Self {
        let entra_hosts = hosts(at.entra, &config.entra_names);
        let entra_url = format!("https://{}/", entra_hosts[0]);
        let arm_hosts = hosts(at.arm, &config.arm_names);
        Self {
            limits: VmLimits::new(config.limits),
            mint: Mint::new(
                config.issuer.clone().unwrap_or_else(|| entra_url.clone()),
                config.token_lifetime,
            ),
            throttle: Throttle::new(config.entra_requests_per_minute),
            replays: Replays::default(),
            faults: Faults::default(),
            record: Record::default(),
            arm: Arm::new(config.arm.clone()),
            directory: Directory::new(config),
            imds: at.imds,
            entra_url,
            entra_hosts,
            arm_url: format!("https://{}/", arm_hosts[0]),
            arm_hosts,
            ca_pem,
        }
    }

    /// Where everything is, for people and programs.
    fn addresses(&self) -> serde_json::Value {
        let imds = format!("http://{}", self.imds);
        json!({
            "imds": imds,
            "admin": format!("{imds}/admin"),
            "entra": self.entra_url,
            "arm": self.arm_url,
        })
    }
}

/// Where the services listen.
#[derive(Clone, Copy)]
struct At {
    imds: SocketAddr,
    entra: SocketAddr,
    arm: SocketAddr,
}

impl At {
    /// What the one certificate of both https services is for, beside Entra's address.
    fn names(self, config: &SimConfig) -> Vec<String> {
        let arm = (self.arm.ip() != self.entra.ip()).then(|| self.arm.ip().to_string());
        let named = config.entra_names.iter().chain(&config.arm_names).cloned();
        named.chain(arm).collect()
    }
}

/// Names of an https endpoint: `localhost` while it listens there, then what the configuration adds, then the address.
fn hosts(at: SocketAddr, names: &[String]) -> Vec<String> {
    let port = at.port();
    let localhost =
        (at.ip().is_loopback() || at.ip().is_unspecified()).then(|| format!("localhost:{port}"));
    let named = names.iter().map(|name| format!("{name}:{port}"));
    localhost
        .into_iter()
        .chain(named)
        .chain([at.to_string()])
        .collect()
}

async fn listen(service: &'static str, address: SocketAddr) -> Result<TcpListener, SimError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| SimError::Listen {
            service,
            address,
            source,
        })
}

fn local(listener: &TcpListener, service: &'static str) -> Result<SocketAddr, SimError> {
    let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
    listener.local_addr().map_err(|source| SimError::Listen {
        service,
        address: unknown,
        source,
    })
}
