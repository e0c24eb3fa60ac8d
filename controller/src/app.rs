//! The composition root: from settings to a controller at work.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use podgate_api::ClientId;
use podgate_azure::arm::{ArmClient, ArmLimits};
use podgate_azure::credential::{ArmCredential, TokenSources};
use podgate_azure::http::HttpClient;
use podgate_watch::{Api, Freshness, client};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::admin::{self, Admin, Pending, Port, Readiness};
use crate::apply::{Apply, Events, Permit};
use crate::desk::Desk;
use crate::lease::{ApiStore, Candidate};
use crate::metrics::Metrics;
use crate::plan::Plan;
use crate::settings::{AzureAccess, Settings};
use crate::watch::{self, News};

/// Of hashes that are compared within this process.
const FIXED: BuildHasherDefault<DefaultHasher> = BuildHasherDefault::new();

/// Between two looks at azure.json.
const READ_AGAIN: Duration = Duration::from_secs(30);

/// The start-up task of the first complete state.
const KNOWN: &str = "the cluster's pods, nodes, identities, bindings and records";

/// A controller that watches and stands for election, and is at work once elected.
pub struct Controller {
    /// Where the probes are answered.
    pub probes: SocketAddr,
    /// Where the metrics are.
    pub metrics: SocketAddr,
    desk: Desk,
    candidate: Candidate<ApiStore>,
    /// The first complete state of the API server.
    known: Pending,
    _watches: tokio::task::JoinSet<()>,
}

impl Controller {
    /// Starts to watch, and opens the ports. The API server and Azure may be away.
    ///
    /// # Errors
    /// A setting cannot be used, or a port is taken.
    pub async fn start(settings: &Settings) -> anyhow::Result<Self> {
        let freshness = Arc::new(Freshness::default());
        let metrics = Arc::new(Metrics::new(&freshness));
        let kube = client::settings(settings.kubeconfig.as_deref()).await?;
        let api = Api::new(client::connect(&kube)?, "the controller");
        let keep_ended = settings.keep_completed_pods;
        let (news, watches) = watch::start(&api, keep_ended, &freshness, &metrics);
        let desk = desk(settings, &kube, news, &metrics)?;
        let candidate = candidate(settings, &kube)?;
        let readiness = Readiness::default();
        let known = readiness.pending(KNOWN);
        let admin = Admin {
            leadership: candidate.leadership(),
            readiness,
            freshness,
            metrics,
        };
        let (probes, scraped) = listen(settings, Arc::new(admin)).await?;
        Ok(Self {
            probes,
            metrics: scraped,
            desk,
            candidate,
            known,
            _watches: watches,
        })
    }

    /// Works until told to `stop`; then nothing is under way any more, and the Lease is given back.
    ///
    /// # Errors
    /// The Lease was lost: whoever restarts this process has a standby. Or a watch ended.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let (resign, resigned) = oneshot::channel::<()>();
        let leadership = self.candidate.leadership();
        let candidate = tokio::spawn(self.candidate.run(async move {
            let _ = resigned.await;
        }));
        let known = self.known;
        let worked = self.desk.run(leadership, move || drop(known), stop).await;
        // Only an orderly end gives the Lease back: another one would have it already.
        if worked.is_ok() {
            drop(resign);
            candidate.await?;
        }
        worked
    }
}

/// The plan, and what carries it out through a connection of its own: no number of writes takes the watches' streams.
fn desk(
    settings: &Settings,
    kube: &kube::Config,
    news: mpsc::Receiver<News>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Desk> {
    let access = settings.azure(variable)?;
    let writing = client::connect(kube)?;
    let permit = Permit::default();
    let apply = Apply::new(
        writing.clone(),
        arm(settings, &access)?,
        permit.clone(),
        Arc::clone(metrics),
        settings.client_qps,
    );
    if settings.cloudconfig.is_some() {
        tokio::spawn(follow(settings.clone(), access.own.clone(), apply.clone()));
    }
    Ok(Desk {
        plan: Plan::new(settings.plan(access.own.as_ref())),
        news,
        apply,
        events: Events::start(writing, permit.clone(), Arc::clone(metrics)),
        permit,
        metrics: Arc::clone(metrics),
        most_writes: settings.create_delete_batch.get(),
        look_again: settings.sync_retry_duration,
    })
}

fn candidate(settings: &Settings, kube: &kube::Config) -> anyhow::Result<Candidate<ApiStore>> {
    let candidacy = settings.candidacy();
    let store = ApiStore::new(client::connect(kube)?, &candidacy);
    Ok(Candidate::new(store, candidacy))
}

/// Reads azure.json again from time to time: the cluster's owner exchanges the secret in it without asking. What cannot
/// be used changes nothing.
async fn follow(settings: Settings, own: Option<ClientId>, apply: Apply) {
    let mut before = edition(&settings);
    loop {
        tokio::time::sleep(READ_AGAIN).await;
        let now = edition(&settings);
        if now == before {
            continue;
        }
        before = now;
        let client = settings.azure(variable).map_err(anyhow::Error::from);
        match client.and_then(|access| Ok((arm(&settings, &access)?, access.own))) {
            Ok((client, now)) => {
                apply.ask_as(client);
                if now != own {
                    tracing::warn!(
                        "the controller is another identity by now: restart it, or it may take that one away"
                    );
                }
            }
            Err(problem) => {
                tracing::warn!(
                    problem = format!("{problem:#}"),
                    "the cloud's new settings cannot be used"
                );
            }
        }
    }
}

/// A hash of azure.json, or none where it cannot be read.
fn edition(settings: &Settings) -> Option<u64> {
    let content = Zeroizing::new(std::fs::read(settings.cloudconfig.as_ref()?).ok()?);
    Some(FIXED.hash_one(content.as_slice()))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn arm(settings: &Settings, access: &AzureAccess) -> anyhow::Result<ArmClient> {
    let https = HttpClient::https(&authorities(settings.ca_file.as_deref())?)?;
    let sources = TokenSources {
        authority: access.endpoints.authority.clone(),
        imds: access.imds.clone(),
        https: https.clone(),
    };
    let endpoint = access.endpoints.arm.clone();
    let credential = ArmCredential::new(
        access.credential.clone(),
        endpoint.audience().clone(),
        sources,
    );
    let asks_as = credential.describe();
    tracing::info!(arm = endpoint.as_str(), asks_as, "Azure");
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

async fn listen(
    settings: &Settings,
    admin: Arc<Admin>,
) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let address = settings.admin_address;
    let probes = admin::listen(address, settings.http_probe_port, Port::Probes).await?;
    let metrics = admin::listen(address, settings.prometheus_port, Port::Metrics).await?;
    let addresses = (probes.local_addr()?, metrics.local_addr()?);
    tokio::spawn(Arc::clone(&admin).serve(probes, Port::Probes));
    tokio::spawn(admin.serve(metrics, Port::Metrics));
    Ok(addresses)
}
