//! etcd and kube-apiserver: a real API server on free ports, ready in about three seconds.
//!
//! The programs are built once by `cargo xtask cluster build` and kept in the cache folder. They run as
//! children of a thread that lives as long as the [`ControlPlane`], and the kernel kills them when that thread
//! ends, however it ends.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, ResourceExt};

use crate::free_port;

mod controllers;
mod folder;
mod keeper;
mod pki;

use folder::Folder;
use keeper::{Keeper, Program};
use pki::Authority;

/// A start takes three seconds; this is for a machine that compiles beside it.
const START: Duration = Duration::from_secs(60);
const ETCD: &str = "etcd";
const APISERVER: &str = "kube-apiserver";

/// A running control plane. It ends with this object.
pub struct ControlPlane {
    // Before the folder: the programs write into it until they end.
    keeper: Arc<Keeper>,
    folder: Folder,
    address: IpAddr,
    port: u16,
    authority: Authority,
}

impl ControlPlane {
    /// On loopback.
    ///
    /// # Errors
    /// The programs are not built, or do not start; the message has the end of their logs.
    pub async fn start() -> Result<Self> {
        Self::listening(Ipv4Addr::LOCALHOST.into()).await
    }

    /// On an address of this machine, or of the network namespace of the calling thread.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub async fn listening(address: IpAddr) -> Result<Self> {
        let bin = programs()?;
        let folder = Folder::new()?;
        let authority = Authority::new()?;
        authority.write_server(folder.path(), address)?;
        let keeper = Arc::new(Keeper::start());
        let plane = Self {
            keeper,
            folder,
            address,
            port: free_port(),
            authority,
        };
        let (client, peer) = (free_port(), free_port());
        plane.keeper.run(plane.etcd(&bin, client, peer))?;
        plane.keeper.run(plane.apiserver(&bin, client))?;
        plane.write_kubeconfig("admin", &plane.kubeconfig_for("admin", "system:masters")?)?;
        plane.ready().await?;
        Ok(plane)
    }

    fn etcd(&self, bin: &Path, client: u16, peer: u16) -> Program {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let arguments = vec![
            "--name=e0".to_owned(),
            format!("--data-dir={}", self.path("etcd").display()),
            format!("--listen-client-urls={}", url(client)),
            format!("--advertise-client-urls={}", url(client)),
            format!("--listen-peer-urls={}", url(peer)),
            format!("--initial-advertise-peer-urls={}", url(peer)),
            format!("--initial-cluster=e0={}", url(peer)),
            "--log-level=warn".to_owned(),
            // The data is as long-lived as the test.
            "--unsafe-no-fsync".to_owned(),
        ];
        Program {
            name: ETCD,
            path: bin.join(ETCD),
            arguments,
            log: self.path("etcd.log"),
        }
    }

    fn apiserver(&self, bin: &Path, etcd: u16) -> Program {
        let file = |name: &str| self.path(name).display().to_string();
        let arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            format!("--bind-address={}", self.address),
            format!("--advertise-address={}", self.address),
            format!("--secure-port={}", self.port),
            "--endpoint-reconciler-type=none".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            format!("--client-ca-file={}", file("ca.crt")),
            format!("--tls-cert-file={}", file("apiserver.crt")),
            format!("--tls-private-key-file={}", file("apiserver.key")),
            format!("--cert-dir={}", file("certs")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("sa.pub")),
            format!("--service-account-signing-key-file={}", file("sa.key")),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            // Without the controller-manager no namespace has its default service account.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--allow-privileged=true".to_owned(),
        ];
        Program {
            name: APISERVER,
            path: bin.join(APISERVER),
            arguments,
            log: self.path("apiserver.log"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Of a user who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("admin.kubeconfig")
    }

    /// Of a user of one group, known by a client certificate. A service account is the user
    /// `system:serviceaccount:NAMESPACE:NAME`.
    ///
    /// # Errors
    /// A name that no certificate can hold.
    pub fn kubeconfig_for(&self, user: &str, group: &str) -> Result<String> {
        self.authority.kubeconfig(&self.server(), user, Some(group))
    }

    fn server(&self) -> String {
        let address = std::net::SocketAddr::new(self.address, self.port);
        format!("https://{address}")
    }

    fn write_kubeconfig(&self, name: &str, text: &str) -> Result<()> {
        std::fs::write(self.path(&format!("{name}.kubeconfig")), text).context("kubeconfig")
    }

    /// A client that may do everything.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub async fn client(&self) -> Result<Client> {
        let text = std::fs::read_to_string(self.kubeconfig())?;
        client_of(&text).await
    }

    async fn ready(&self) -> Result<()> {
        let client = self.client().await?;
        let start = Instant::now();
        while !answers(&client).await? {
            self.starting(start)
                .with_context(|| format!("the API server does not get ready: {}", self.logs()))?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// There is still hope that it gets ready.
    fn starting(&self, since: Instant) -> Result<()> {
        ensure!(since.elapsed() < START, "not within {START:?}");
        self.keeper.check(ETCD)?;
        self.keeper.check(APISERVER)
    }

    fn logs(&self) -> String {
        let end = |name: &str| {
            let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(5)..].join("\n")
        };
        format!("\n{}\n{}", end("etcd.log"), end("apiserver.log"))
    }

    /// The four kinds, established.
    ///
    /// # Errors
    /// The API server refuses one.
    pub async fn apply_crds(&self) -> Result<()> {
        use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
        let api: Api<CustomResourceDefinition> = Api::all(self.client().await?);
        for crd in podgate_api::crds() {
            api.create(&PostParams::default(), &crd).await?;
            let name = crd.name_any();
            let established = await_condition(api.clone(), &name, conditions::is_crd_established());
            tokio::time::timeout(START, established).await??;
        }
        Ok(())
    }

    /// An outage: the API server ends. What it holds stays in etcd.
    ///
    /// # Errors
    /// It does not run.
    pub async fn stop_apiserver(&self) -> Result<()> {
        let keeper = Arc::clone(&self.keeper);
        tokio::task::spawn_blocking(move || keeper.stop(APISERVER)).await?
    }

    /// The end of the outage, on the same port; ready when this returns.
    ///
    /// # Errors
    /// It runs already, or does not get ready.
    pub async fn start_apiserver(&self) -> Result<()> {
        self.keeper.again(APISERVER)?;
        self.ready().await
    }

    /// A black hole: the API server keeps its connections and does nothing more.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&self) -> Result<()> {
        self.keeper.signal(APISERVER, "STOP")
    }

    /// The end of the black hole.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&self) -> Result<()> {
        self.keeper.signal(APISERVER, "CONT")
    }
}

async fn answers(client: &Client) -> Result<bool> {
    let asked = http::Request::get("/readyz").body(Vec::new())?;
    let answer = tokio::time::timeout(Duration::from_secs(5), client.request_text(asked)).await;
    Ok(matches!(answer, Ok(Ok(_))))
}

/// A client by a kubeconfig's text.
///
/// # Errors
/// The text is none, or names what is not there.
pub async fn client_of(kubeconfig: &str) -> Result<Client> {
    let config = Kubeconfig::from_yaml(kubeconfig)?;
    let config =
        kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Where podgate keeps what is built once and is none of the repository's.
pub fn cache_folder() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    variable("PODGATE_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("podgate")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/podgate")))
        .unwrap_or_else(|| std::env::temp_dir().join("podgate"))
}

/// The folder with etcd and the Kubernetes programs.
///
/// # Errors
/// They are not built.
pub fn programs() -> Result<PathBuf> {
    let bin = cache_folder().join("bin");
    ensure!(
        bin.join(ETCD).exists() && bin.join(APISERVER).exists(),
        "{} has no etcd and kube-apiserver; `cargo xtask cluster build` makes them",
        bin.display()
    );
    Ok(bin)
}
