//! The gateway as a process of its own, with its log in a file.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use podgate_e2e::process::GatewayProcess;
use podgate_e2e::{demo, stage};
use podgate_testkit::{Answer, AzureSim, Client};
use tempfile::TempDir;

use crate::chain::Chain;

/// A process, what it asks, and where it writes.
pub(crate) struct Running {
    pub(crate) sim: AzureSim,
    pub(crate) gateway: GatewayProcess,
    folder: TempDir,
}

impl Running {
    /// A gateway with these plugins and further flags, ready.
    pub(crate) async fn start(chain: &Chain, flags: &[&str]) -> Self {
        let sim = AzureSim::start(demo::directory().unwrap()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (pods, ca) = (folder.path().join("pods"), folder.path().join("ca.pem"));
        demo::lay_out(&pods).unwrap();
        std::fs::write(&ca, sim.ca_pem()).unwrap();
        let mut arguments = stage::arguments(&sim, &pods, &ca);
        arguments.extend(["--nmi-port=0".to_owned(), "--http-probe-port=0".to_owned()]);
        arguments.extend(chain.write(folder.path()));
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let gateway = GatewayProcess::start(&arguments, Stdio::from(log))
            .await
            .unwrap();
        let running = Self {
            sim,
            gateway,
            folder,
        };
        running.ready().await;
        running
    }

    async fn ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.admin("/readyz").await.status != 200 {
            assert!(Instant::now() < deadline, "the gateway does not get ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A client with a pod's address.
    pub(crate) fn pod(&self, ip: &str) -> Client {
        let ip: IpAddr = ip.parse().unwrap();
        Client::new(self.gateway.address)
            .from_source(ip)
            .deadline(Duration::from_secs(40))
    }

    /// A pod's request.
    pub(crate) async fn ask(&self, ip: &str, path: &str) -> Answer {
        ask(&self.pod(ip), path).await
    }

    /// A pod's request for a token.
    pub(crate) async fn token(&self, ip: &str, query: &str) -> Answer {
        self.ask(ip, &token_path(query)).await
    }

    /// A page of the admin port.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        Client::new(self.gateway.admin)
            .get(path, &[])
            .await
            .unwrap()
    }

    /// Where manifests go.
    pub(crate) fn manifest(&self, file: &str) -> PathBuf {
        self.folder.path().join("pods").join(file)
    }

    /// The folder of the plugins file.
    pub(crate) fn plugins(&self) -> &Path {
        self.folder.path()
    }

    /// Another edition of the plugins file, in one step as kubelet puts it there, and not waited for.
    pub(crate) fn rewrite(&self, text: &str) {
        let staged = self.plugins().join("plugins.new");
        std::fs::write(&staged, text).unwrap();
        std::fs::rename(staged, self.plugins().join("plugins.yaml")).unwrap();
    }

    /// The same, with its result: whether the gateway took it.
    pub(crate) async fn reload(&self, text: &str) -> bool {
        let before = self.results().await;
        self.rewrite(text);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let now = self.results().await;
            if now != before {
                return now.0 > before.0;
            }
            assert!(
                Instant::now() < deadline,
                "it is not reloaded\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Good and bad reloads so far.
    async fn results(&self) -> (u64, u64) {
        let of = |result: &str| format!("podgate_plugins_reload_total{{result=\"{result}\"}}");
        (
            self.metric(&of("ok")).await,
            self.metric(&of("failed")).await,
        )
    }

    /// The value of a series, 0 where there is none.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let metrics = self.admin("/metrics").await.text();
        let value = metrics.lines().find_map(|line| line.strip_prefix(series));
        value.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits for a line of the log.
    pub(crate) async fn logged(&self, words: &str) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "{words:?} is not logged");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A request as curl would make it.
pub(crate) async fn ask(client: &Client, path: &str) -> Answer {
    let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
    client.get(path, &headers).await.unwrap()
}

/// The path and query of a request for a token.
pub(crate) fn token_path(query: &str) -> String {
    format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{query}")
}
