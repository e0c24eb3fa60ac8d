//! The composition root: from settings to a running gateway.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use podgate_azure::entra::EntraClient;
use podgate_azure::http::HttpClient;
use podgate_azure::imds::ImdsClient;
use podgate_azure::throttle::ImdsLimits;
use podgate_plugin_host::{Host, HostConfig, Surroundings};
use podgate_watch::client;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::admin::Admin;
use crate::cache::{self, TokenCache};
use crate::clock::Clock;
use crate::config::Config;
use crate::credential::{Certificates, Credentials, Measured, Secrets};
use crate::flow::{Decisions, Flow, LogBudget};
use crate::host::HostDoor;
use crate::host::socket::Socket;
use crate::imds;
use crate::listen::{self, Door};
use crate::metrics::Metrics;
use crate::plugins::registry::Registries;
use crate::plugins::{self, Events, HttpOutbound, Live, Loaded, Reload, TokenFile};
use crate::policy::Chain;
use crate::readiness::Readiness;
use crate::source::{Cluster, Folder, Source};
use crate::world::World;

/// One call to IMDS: its own promise is 10 s.
const IMDS_DEADLINE: Duration = Duration::from_secs(12);

/// A gateway that listens.
pub struct Gateway {
    /// Where pods are served.
    pub address: SocketAddr,
    /// Where health, metrics and explanations are.
    pub admin: SocketAddr,
    /// Where drivers are served on loopback, if they are.
    pub host_token: Option<SocketAddr>,
    /// What is not done yet.
    pub readiness: Readiness,
    shutdown: watch::Sender<bool>,
    /// End with the gateway.
    _tasks: Tasks,
    serving: JoinHandle<((), ())>,
}

impl Gateway {
    /// Starts everything. Returns once the ports are open; the [`Readiness`] says when the world is known.
    ///
    /// # Errors
    /// A setting, a plugin, a port or the source cannot be used.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::default());
        let readiness = Readiness::default();
        let listening = readiness.pending("plugins, compiled and configured");
        // First of all, so that a probe and a person see what is awaited.
        let admin_address = SocketAddr::new(config.admin_address, config.http_probe_port);
        let shared = config.shares_port();
        let admin_listener = listen::listen(admin_address, shared)?;
        let admin_port = Arc::new(Admin {
            flow: OnceLock::new(),
            metrics: Arc::clone(&metrics),
            readiness: readiness.clone(),
        });
        let admin = admin_listener.local_addr()?;
        let mut tasks = Tasks::default();
        tasks.spawn(Arc::clone(&admin_port).serve(admin_listener));
        if let Some(path) = config.admin_socket.clone() {
            let why = format!("--admin-socket {}", path.display());
            let socket = Socket::open(path, false).context(why)?;
            tasks.spawn(Arc::clone(&admin_port).serve_socket(socket));
        }
        if let Some(port) = config.prometheus_port {
            let listener = listen::listen(SocketAddr::new(config.admin_address, port), shared)?;
            tasks.spawn(Arc::clone(&admin_port).serve(listener));
        }
        for (flag, why) in config.retired.given() {
            tracing::warn!(flag, why, "this flag of the old gateway has no effect");
        }

        let world = World::new(config.identity_rules());
        world.incomplete(config.node.is_some());
        let source = source(config, &metrics, &readiness).await?;
        let https = https(config)?;
        let host = plugin_host(config, https.clone())?;
        let registries = Registries::new(https.clone(), config.components.registries())?;
        let first = plugins::start(&host, &registries, config.plugins.as_deref()).await?;
        let credentials = credentials(config, https, &first.loaded, &metrics)?;
        let certificates = Arc::clone(&credentials.certificates);
        let own = SocketAddr::new(config.nmi_listen_address, config.nmi_port);
        let door = Door::open(own, shared, &readiness).await?;
        let address = door.address();
        let host_door = HostDoor::open(&config.host_token())?;
        let host_token = host_door.loopback();
        let loaded = first.loaded.clone();
        let flow = flow(config, address, &world, loaded, credentials, &metrics);
        let flow = Arc::new(flow);
        metrics.plugins().started(flow.clock.now());
        // Set once, here: nobody can have been first.
        let _ = admin_port.flow.set(Arc::clone(&flow));
        if let Some(path) = config.plugins.clone() {
            let live = Live {
                flow: Arc::clone(&flow),
                certificates,
                readiness: readiness.clone(),
                events: events(config, &mut tasks).await?,
            };
            tasks.spawn(Reload::new(host, registries, path, first, live).run());
        }
        tasks.spawn(vital(
            "the source of pods and identities",
            source.run(world.clone()),
        ));
        let kept = cache::keep(flow.tokens.clone(), world);
        tasks.spawn(vital("the cache's upkeep", async {
            kept.await;
            Ok(())
        }));
        drop(listening);
        let (shutdown, ending) = watch::channel(false);
        let drivers = host_door.serve(Arc::clone(&flow), ended(ending.clone()));
        let pods = listen::serve(door, flow, listen::Bounds::default(), ended(ending));
        let serving = tokio::spawn(async { tokio::join!(pods, drivers) });
        tracing::info!(%address, %admin, mode = ?config.operation_mode, "listening");
        Ok(Self {
            address,
            admin,
            host_token,
            readiness,
            shutdown,
            _tasks: tasks,
            serving,
        })
    }

    /// Stops accepting, lets open requests end, then ends everything else.
    pub async fn shut_down(self) {
        // Without a receiver the server has ended already.
        let _ = self.shutdown.send(true);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the server ended badly");
        }
    }
}

/// Tasks that end when this is dropped, also where the start fails half way.
#[derive(Default)]
struct Tasks(Vec<JoinHandle<()>>);

impl Tasks {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(tokio::spawn(task));
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

fn https(config: &Config) -> anyhow::Result<HttpClient> {
    let mut roots = Vec::new();
    if let Some(path) = &config.ca_file {
        let pem = std::fs::read(path).with_context(|| format!("--ca-file {}", path.display()))?;
        roots.push(pem);
    }
    HttpClient::https(&roots).context("--ca-file")
}

/// The folder or the API server: exactly one of them is set.
async fn source(
    config: &Config,
    metrics: &Arc<Metrics>,
    readiness: &Readiness,
) -> anyhow::Result<Box<dyn Source>> {
    let metrics = Arc::clone(metrics);
    if let Some(folder) = &config.standalone {
        let first = readiness.pending("first complete state of the standalone folder");
        return Ok(Box::new(Folder::new(folder.clone(), metrics, first)?));
    }
    let node = config.node.as_ref();
    let node = node
        .context("neither --standalone nor --node is given; name the node whose pods are served")?;
    let (kubeconfig, rules) = (config.kubeconfig.as_deref(), config.assignment_rules());
    let cluster = Cluster::new(node, kubeconfig, rules, metrics, readiness).await?;
    Ok(Box::new(cluster))
}

fn plugin_host(config: &Config, https: HttpClient) -> anyhow::Result<Host> {
    let token = config.components.service_account_token.clone();
    let surroundings = Surroundings {
        service_account: Arc::new(TokenFile::new(token, Clock::system())),
        ..Surroundings::default()
    };
    let config = HostConfig {
        code_cache: config.code_cache.clone(),
        http: Arc::new(HttpOutbound(https)),
    };
    Ok(Host::within(surroundings, config)?)
}

/// Where it is said of the ConfigMap that it cannot be used.
async fn events(config: &Config, tasks: &mut Tasks) -> anyhow::Result<Option<Events>> {
    let of = config.components.plugins_config_map.clone();
    let Some((of, node)) = of.zip(config.node.as_ref()) else {
        return Ok(None);
    };
    let settings = client::settings(config.kubeconfig.as_deref()).await?;
    let (events, written) = Events::new(client::connect(&settings)?, of, node);
    tasks.spawn(written);
    Ok(Some(events))
}

fn credentials(
    config: &Config,
    https: HttpClient,
    loaded: &Loaded,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Credentials> {
    let certificates = Certificates::new(loaded.credential.clone(), Arc::clone(metrics));
    Ok(Credentials {
        imds: imds_client(config)?,
        secrets: Secrets::new(EntraClient::new(https), config.endpoint.into()),
        certificates: Arc::new(ArcSwap::from_pointee(certificates)),
    })
}

fn flow(
    config: &Config,
    listening: SocketAddr,
    world: &World,
    loaded: Loaded,
    credentials: Credentials,
    metrics: &Arc<Metrics>,
) -> Flow {
    let clock = Clock::system();
    let imds = credentials.imds.clone();
    let source = Arc::new(Measured::new(credentials, Arc::clone(metrics)));
    let tokens = TokenCache::new(
        source,
        loaded.cache,
        clock.clone(),
        cache::Bounds::default(),
        Arc::clone(metrics),
    );
    Flow {
        rules: imds::Rules {
            metadata_header_required: config.metadata_header_required,
            block_instance_metadata: config.block_instance_metadata,
            hosts: config.hosts(listening),
        },
        world: world.clone(),
        pod_wait: config.pod_wait,
        decisions: Decisions::default(),
        log_budget: LogBudget::default(),
        policies: Chain::new(loaded.policies, Arc::clone(metrics)),
        assignment: config.assignment_rules(),
        tokens,
        imds,
        error_format: config.error_format,
        clock,
        metrics: Arc::clone(metrics),
    }
}

fn imds_client(config: &Config) -> anyhow::Result<ImdsClient> {
    let address = SocketAddr::new(config.metadata_ip, config.metadata_port);
    let base = format!("http://{address}/")
        .parse()
        .context("--metadata-ip")?;
    Ok(ImdsClient::new(base, ImdsLimits::default(), IMDS_DEADLINE))
}

/// Without it the gateway knows less and less while it serves, so its end, or its panic, is the gateway's.
async fn vital(
    what: &'static str,
    task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) {
    // It ends with this future, and tells of a panic.
    let mut alone = JoinSet::new();
    alone.spawn(task);
    let reason = match alone.join_next().await {
        Some(Ok(Err(error))) => format!("{error:#}"),
        Some(Err(panic)) => panic.to_string(),
        Some(Ok(Ok(()))) | None => "it ended".to_owned(),
    };
    tracing::error!(what, reason, "the gateway ends with it");
    std::process::exit(1);
}

async fn ended(mut ending: watch::Receiver<bool>) {
    // The sender's end means the same as its word.
    let _ = ending.wait_for(|ended| *ended).await;
}
