//! The composition root: from settings to a controller at work.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::anyhow;
use podgate_daemon::readiness::{Pending, Readiness};
use podgate_watch::{Api, Freshness, client};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};

use crate::admin::{self, Admin, Port};
use crate::apply::{Apply, Events, Permit};
use crate::desk::Desk;
use crate::lease::{ApiStore, Candidate, Store};
use crate::metrics::Metrics;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::watch::{self, News};
use azure::Azure;

pub(crate) mod azure;

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
    watches: JoinSet<()>,
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
        let readiness = Readiness::default();
        let known = readiness.pending(KNOWN);
        let desk = desk(settings, &kube, news, &metrics, &readiness)?;
        let candidate = candidate(settings, &kube, &freshness)?;
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
            watches,
        })
    }

    /// Works until told to `stop`; then nothing is under way any more, and the Lease is given back. It stands for election
    /// once it knows the cluster: whoever does not could do nothing with the Lease but keep it from others.
    ///
    /// # Errors
    /// The Lease was lost: whoever restarts this process has a standby. Or a part of it ended that never may.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self {
            desk,
            candidate,
            known,
            mut watches,
            ..
        } = self;
        let (stand, standing) = oneshot::channel();
        let (resign, resigned) = oneshot::channel();
        let leadership = candidate.leadership();
        let mut candidate = tokio::spawn(campaign(candidate, standing, resigned));
        let ready = move || {
            drop(known);
            // Nobody hears it whose candidate has ended, which is noticed below.
            let _ = stand.send(());
        };
        let worked = tokio::select! {
            worked = desk.run(leadership, ready, stop) => worked,
            ended = watches.join_next() => Err(broken("a watch of the API server", ended)),
            ended = &mut candidate => Err(broken("the election", Some(ended))),
        };
        match worked {
            // Only an orderly end gives the Lease back: another one would have it already.
            Ok(()) => drop(resign),
            // Nor is it taken again by who is about to end.
            Err(_) => candidate.abort(),
        }
        worked?;
        Ok(candidate.await?)
    }
}

/// Stands for election from the moment on that it is told to, until it is told to resign.
async fn campaign<S: Store>(
    candidate: Candidate<S>,
    standing: oneshot::Receiver<()>,
    resigned: oneshot::Receiver<()>,
) {
    // The controller ended before it knew the cluster.
    if standing.await.is_err() {
        return;
    }
    let resigned = async move {
        let _ = resigned.await;
    };
    candidate.run(resigned).await;
}

fn broken(what: &str, ended: Option<Result<(), JoinError>>) -> anyhow::Error {
    match ended {
        Some(Err(error)) => anyhow!(error).context(format!("{what} broke down")),
        _ => anyhow!("{what} ended"),
    }
}

/// The plan, and what carries it out through a connection of its own: no number of writes takes the watches' streams.
fn desk(
    settings: &Settings,
    kube: &kube::Config,
    news: mpsc::Receiver<News>,
    metrics: &Arc<Metrics>,
    readiness: &Readiness,
) -> anyhow::Result<Desk> {
    let azure = Azure::new(settings, metrics);
    let access = azure.access()?;
    let writing = client::connect(kube)?;
    let permit = Permit::default();
    let apply = Apply::new(
        writing.clone(),
        azure.client(&access)?,
        permit.clone(),
        Arc::clone(metrics),
        settings.client_qps,
    );
    let plan = Plan::new(settings.plan(access.own.as_ref()));
    if settings.cloudconfig.is_some() {
        tokio::spawn(azure.follow(access.own, apply.clone(), readiness.clone()));
    }
    let events = Events::start(writing, permit.clone(), Arc::clone(metrics));
    Ok(Desk {
        plan,
        news,
        apply,
        events,
        permit,
        metrics: Arc::clone(metrics),
        most_writes: settings.create_delete_batch.get(),
        look_again: settings.sync_retry_duration.get(),
    })
}

fn candidate(
    settings: &Settings,
    kube: &kube::Config,
    freshness: &Arc<Freshness>,
) -> anyhow::Result<Candidate<ApiStore>> {
    let candidacy = settings.candidacy();
    let store = ApiStore::new(client::connect(kube)?, &candidacy);
    let freshness = Arc::clone(freshness);
    Ok(Candidate::new(store, candidacy).standing_while(move || freshness.is_whole()))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::lease::testing::{Server, candidacy};

    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn a_controller_stands_for_election_once_it_knows_the_cluster_and_not_before() {
        let server = Server::released();
        let candidate = Candidate::new(server.link(), candidacy());
        let leadership = candidate.leadership();
        let (stand, standing) = oneshot::channel();
        let (_resign, resigned) = oneshot::channel();
        let campaign = tokio::spawn(campaign(candidate, standing, resigned));
        sleep(LONG).await;
        assert_eq!(server.calls(), 0, "it does not even look at the lease");
        stand.send(()).unwrap();
        timeout(LONG, leadership.elected()).await.unwrap();
        campaign.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_controller_that_ends_before_it_knows_the_cluster_never_stood() {
        let server = Server::released();
        let candidate = Candidate::new(server.link(), candidacy());
        let (stand, standing) = oneshot::channel();
        let (_resign, resigned) = oneshot::channel();
        drop(stand);
        campaign(candidate, standing, resigned).await;
        assert_eq!(server.calls(), 0);
    }

    #[tokio::test]
    async fn a_part_that_breaks_down_or_ends_is_named() {
        let panicked = tokio::spawn(async { panic!("of this test") }).await;
        let told = broken("the election", Some(panicked)).to_string();
        assert_eq!(told, "the election broke down");
        assert_eq!(broken("a watch", None).to_string(), "a watch ended");
    }
}
