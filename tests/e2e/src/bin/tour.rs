//! The tour of `cargo xtask demo`: a real gateway, azure-sim, and requests that really happen. Every line
//! under a heading is an answer that just came.

use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;

use anyhow::{Context, ensure};
use azure_identity::UserAssignedId;
use clap::Parser;
use podgate_e2e::process::GatewayProcess;
use podgate_e2e::sdk::SdkPod;
use podgate_e2e::{demo, stage};
use podgate_testkit::{Answer, AzureSim, Claims, Client, Fault, FaultKind, Target, free_port};
use tempfile::TempDir;

/// Shows podgate at work on loopback.
#[derive(Parser)]
struct Arguments {
    /// End after the tour instead of staying up.
    #[arg(long)]
    once: bool,
    /// Port of the gateway for pods, where it is free.
    #[arg(long, default_value_t = 2579)]
    port: u16,
}

struct Tour {
    sim: AzureSim,
    gateway: GatewayProcess,
    folder: TempDir,
}

const VAULT: &str = "https://vault.azure.net";
const ARM: &str = "https://management.azure.com/";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let tour = Tour::start(arguments.port).await?;
    tour.identities().await?;
    tour.refusals().await?;
    tour.plugins().await?;
    tour.outage().await?;
    tour.explain().await?;
    if !arguments.once {
        tour.stay().await?;
    }
    let forbidden = tour.sim.forbidden_calls().len();
    ensure!(
        forbidden == 0,
        "{forbidden} requests reached IMDS that must never reach it"
    );
    tour.gateway.stop().await
}

impl Tour {
    async fn start(port: u16) -> anyhow::Result<Self> {
        let sim = AzureSim::start(demo::directory()?).await?;
        let folder = tempfile::Builder::new().prefix("podgate-demo-").tempdir()?;
        let pods = folder.path().join("pods");
        demo::lay_out(&pods)?;
        let ca = folder.path().join("azure-sim-ca.pem");
        std::fs::write(&ca, sim.ca_pem())?;
        let mut flags = stage::arguments(&sim, &pods, &ca);
        flags.push("--operation-mode=managed".to_owned());
        flags.push(format!("--nmi-port={}", free(port).await));
        flags.push("--http-probe-port=0".to_owned());
        let log = std::fs::File::create(folder.path().join("gateway.log"))?;
        let gateway = GatewayProcess::start(&flags, Stdio::from(log)).await?;
        let tour = Self {
            sim,
            gateway,
            folder,
        };
        tour.introduce().await?;
        Ok(tour)
    }

    async fn introduce(&self) -> anyhow::Result<()> {
        heading("The stage");
        println!(
            "azure-sim  IMDS {}  Entra ID {}",
            self.sim.imds_url(),
            self.sim.entra_url()
        );
        println!(
            "gateway    pods {}  admin {}  pid {}",
            self.gateway.address, self.gateway.admin, self.gateway.pid
        );
        let ready = self.admin("/readyz").await?;
        println!("readyz     {} {}", ready.status, ready.text().trim());
        Ok(())
    }

    async fn identities(&self) -> anyhow::Result<()> {
        heading("Real Azure SDK requests (azure_identity for Rust), one per kind of identity");
        let web = "127.0.0.2";
        self.sdk(web, "shop/web", "managed identity", None, demo::WEB)
            .await?;
        let id = UserAssignedId::ClientId(demo::WEB.to_owned());
        self.sdk(web, "shop/web", "  by client id", Some(id), demo::WEB)
            .await?;
        let id = UserAssignedId::ResourceId(demo::resource_id("web"));
        self.sdk(web, "shop/web", "  by resource id", Some(id), demo::WEB)
            .await?;
        let id = UserAssignedId::ObjectId(demo::object_id(demo::WEB));
        self.sdk(web, "shop/web", "  by object id", Some(id), demo::WEB)
            .await?;
        self.sdk(
            "127.0.0.3",
            "shop/worker",
            "client secret",
            None,
            demo::WORKER,
        )
        .await?;
        self.sdk(
            "127.0.0.4",
            "shop/ledger",
            "certificate",
            None,
            demo::LEDGER,
        )
        .await?;
        self.sdk(
            "127.0.0.5",
            "kube-system/addon",
            "exception",
            None,
            demo::NODE,
        )
        .await
    }

    /// One SDK call as a pod; the token is verified with azure-sim's keys.
    async fn sdk(
        &self,
        ip: &str,
        pod: &str,
        what: &str,
        identity: Option<UserAssignedId>,
        expected: &str,
    ) -> anyhow::Result<()> {
        let sdk = SdkPod {
            ip: ip.parse()?,
            gateway: self.gateway.address,
        };
        let token = sdk
            .get_token(identity, &format!("{VAULT}/.default"))
            .await?;
        let claims = self.sim.verify(&token)?;
        ensure!(
            client(&claims) == expected,
            "{pod} got a token of {}",
            client(&claims)
        );
        println!(
            "{ip:<10} {pod:<18} {what:<17} token of {}  aud {}",
            client(&claims),
            claims.aud
        );
        Ok(())
    }

    async fn refusals(&self) -> anyhow::Result<()> {
        heading("Refusals say why");
        let reports = ("127.0.0.7", "shop/reports");
        self.refused(("127.0.0.6", "shop/stranger"), "", 400)
            .await?;
        self.refused(reports, "", 400).await?;
        self.granted(
            reports,
            &format!("&client_id={}", demo::ARCHIVE),
            demo::ARCHIVE,
        )
        .await?;
        self.refused(
            ("127.0.0.2", "shop/web"),
            &format!("&client_id={}", demo::ARCHIVE),
            400,
        )
        .await?;
        self.page(
            "127.0.0.2",
            "/metadata/identity/oauth2/token?resource=x",
            false,
            400,
        )
        .await?;
        self.page(
            "127.0.0.2",
            "/metadata/identity/issuecredential?cred-api-version=2.0",
            true,
            404,
        )
        .await?;
        self.page(
            "127.0.0.2",
            "/metadata/identity\\oauth2\\token?resource=x",
            true,
            400,
        )
        .await
    }

    async fn refused(
        &self,
        (ip, pod): (&str, &str),
        query: &str,
        status: u16,
    ) -> anyhow::Result<()> {
        let answer = self.ask(ip, VAULT, query).await?;
        ensure!(
            answer.status == status,
            "{pod}: {} {}",
            answer.status,
            answer.text()
        );
        println!("{ip:<10} {pod:<18} {status}  {}", description(&answer));
        Ok(())
    }

    async fn granted(
        &self,
        (ip, pod): (&str, &str),
        query: &str,
        expected: &str,
    ) -> anyhow::Result<()> {
        let claims = self.claims(&self.ask(ip, VAULT, query).await?)?;
        ensure!(
            client(&claims) == expected,
            "{pod} got a token of {}",
            client(&claims)
        );
        println!("{ip:<10} {pod:<18} 200  token of {expected}, asked for by client_id");
        Ok(())
    }

    async fn page(&self, ip: &str, path: &str, header: bool, status: u16) -> anyhow::Result<()> {
        let mut request =
            format!("GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n");
        if header {
            request.push_str("Metadata: true\r\n");
        }
        request.push_str("\r\n");
        let answer = self.client(ip)?.send(request.as_bytes()).await?;
        ensure!(
            answer.status == status,
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        let header = if header { "" } else { " (no Metadata header)" };
        println!(
            "{ip:<10} {path}{header}\n{:>15}  {}",
            status,
            description(&answer)
        );
        Ok(())
    }

    async fn plugins(&self) -> anyhow::Result<()> {
        heading("Three WASM components did that");
        let metrics = self.admin("/metrics").await?.text();
        for plugin in ["exception-matcher", "certificate-auth", "token-cache"] {
            let line = metrics
                .lines()
                .find(|line| {
                    line.starts_with("podgate_plugin_calls_total") && line.contains(plugin)
                })
                .with_context(|| format!("no call of {plugin} was counted"))?;
            println!("{line}");
        }
        let assertion = self
            .sim
            .calls_to(Target::Entra)
            .into_iter()
            .find(|call| call.parameter("client_id").as_deref() == Some(demo::LEDGER));
        let call = assertion.context("Entra ID saw no assertion")?;
        println!(
            "Entra ID saw {} {} by certificate-auth: {:?}",
            call.method, call.path, call.status
        );
        Ok(())
    }

    async fn outage(&self) -> anyhow::Result<()> {
        heading("The cache: one call for many pods, and tokens that survive an outage");
        self.sim.clear_calls();
        let mut pods = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let client = self.client("127.0.0.2")?;
            pods.spawn(async move { ask(&client, ARM, "").await });
        }
        let answers = pods.join_all().await;
        let good = answers
            .iter()
            .filter(|answer| matches!(answer, Ok(answer) if answer.status == 200))
            .count();
        let calls = self.sim.calls_to(Target::Imds).len();
        ensure!(good == 100 && calls == 1, "{good} answers, {calls} calls");
        println!("100 requests for {ARM} at once: {good} tokens, {calls} call to IMDS");
        for target in [Target::Imds, Target::Entra] {
            self.sim.fail(Fault::new(target, FaultKind::status(503)));
        }
        println!("… IMDS and Entra ID now answer 503 …");
        for (ip, pod) in [("127.0.0.2", "shop/web"), ("127.0.0.4", "shop/ledger")] {
            let claims = self.claims(&self.ask(ip, VAULT, "").await?)?;
            println!(
                "{ip:<10} {pod:<18} 200  token of {}, from the cache",
                client(&claims)
            );
        }
        let answer = self
            .ask("127.0.0.2", "https://storage.azure.com/", "")
            .await?;
        ensure!(answer.status == 503, "{}", answer.text());
        let wait = answer.header("retry-after").unwrap_or("?").to_owned();
        println!(
            "{:<10} {:<18} 503  Retry-After: {wait}  {}",
            "127.0.0.2",
            "shop/web",
            description(&answer)
        );
        self.sim.recover();
        Ok(())
    }

    async fn explain(&self) -> anyhow::Result<()> {
        heading("Why? GET /explain?pod=shop/stranger");
        let answer = self.admin("/explain?pod=shop/stranger").await?;
        ensure!(answer.status == 200, "{}", answer.text());
        println!("{}", answer.text().trim_end());
        Ok(())
    }

    async fn stay(&self) -> anyhow::Result<()> {
        let address = self.gateway.address;
        heading("Your turn (Ctrl-C ends it)");
        println!(
            "curl --interface 127.0.0.2 -H Metadata:true -H Host:169.254.169.254 \\\n  \
             \"http://{address}/metadata/identity/oauth2/token?resource=https://vault.azure.net\"\n\
             curl \"http://{}/explain?pod=shop/reports\"\n\
             The pods are files in {}: edit them and ask again.\nThe gateway's log: {}",
            self.gateway.admin,
            self.folder.path().join("pods").display(),
            self.folder.path().join("gateway.log").display(),
        );
        tokio::signal::ctrl_c().await?;
        Ok(())
    }

    fn client(&self, ip: &str) -> anyhow::Result<Client> {
        let ip: IpAddr = ip.parse()?;
        Ok(Client::new(self.gateway.address).from_source(ip))
    }

    async fn ask(&self, ip: &str, resource: &str, query: &str) -> anyhow::Result<Answer> {
        ask(&self.client(ip)?, resource, query).await
    }

    async fn admin(&self, path: &str) -> anyhow::Result<Answer> {
        let host = self.gateway.admin.to_string();
        Ok(Client::new(self.gateway.admin)
            .get(path, &[("Host", &host)])
            .await?)
    }

    fn claims(&self, answer: &Answer) -> anyhow::Result<Claims> {
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        let json = answer.json();
        Ok(self
            .sim
            .verify(json["access_token"].as_str().context("no access_token")?)?)
    }
}

async fn ask(client: &Client, resource: &str, query: &str) -> anyhow::Result<Answer> {
    let path = format!(
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}{query}"
    );
    let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
    Ok(client.get(&path, &headers).await?)
}

/// The port that documentation names, where it is free.
async fn free(port: u16) -> u16 {
    let wanted = SocketAddr::from(([127, 0, 0, 1], port));
    match tokio::net::TcpListener::bind(wanted).await {
        Ok(_) => port,
        Err(_) => free_port(),
    }
}

fn client(claims: &Claims) -> &str {
    &claims.appid
}

fn description(answer: &Answer) -> String {
    answer.json()["error_description"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn heading(text: &str) {
    println!("\n── {text}");
}
