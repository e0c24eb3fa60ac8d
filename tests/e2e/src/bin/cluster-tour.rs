//! The tour of `cargo xtask demo --cluster`: a real kube-apiserver, a controller that assigns through azure-sim's ARM, and a
//! gateway that waits for it. Every line under a heading just happened.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, DeleteParams, ListParams};
use podgate_api::AzureAssignedIdentity;
use podgate_e2e::node::{NODE_NAME, PodObject, apply};
use podgate_e2e::process::{ControllerProcess, GatewayProcess};
use podgate_e2e::{demo, stage};
use podgate_testkit::{AzureSim, Client, Compute, ControlPlane};
use serde_json::json;
use tempfile::TempDir;

/// Shows controller and gateway at work around a real API server.
#[derive(Parser)]
struct Arguments {
    /// End after the tour instead of staying up.
    #[arg(long)]
    once: bool,
}

struct Tour {
    plane: ControlPlane,
    kube: kube::Client,
    sim: AzureSim,
    folder: TempDir,
    controller: ControllerProcess,
    gateway: GatewayProcess,
}

const SCALE_SET: &str = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/nodes/providers/\
                         Microsoft.Compute/virtualMachineScaleSets/pool";
/// How long ARM takes for a change here; Azure takes 10 to 60 s.
const CHANGE_MS: u64 = 2_000;
const LINGER: &str = "3s";
const POD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let tour = Tour::start().await?;
    tour.assignment().await?;
    tour.second_pod().await?;
    tour.release().await?;
    if !arguments.once {
        tour.stay().await?;
    }
    tour.gateway.stop().await?;
    tour.controller.stop().await
}

impl Tour {
    async fn start() -> anyhow::Result<Self> {
        heading("The stage");
        let sim = azure().await?;
        let plane = ControlPlane::start().await?;
        plane.apply_crds().await?;
        let kube = plane.client().await?;
        let folder = tempfile::Builder::new().prefix("podgate-demo-").tempdir()?;
        let ca = folder.path().join("azure-sim-ca.pem");
        std::fs::write(&ca, sim.ca_pem())?;
        lay_out(&kube).await?;
        let kubeconfig = plane.kubeconfig();
        let log = |name: &str| std::fs::File::create(folder.path().join(name)).map(Stdio::from);
        let mut flags = stage::arguments(&sim, &kubeconfig, &ca);
        flags.retain(|flag| !flag.starts_with("--standalone"));
        flags.extend([
            format!("--node={NODE_NAME}"),
            format!("--kubeconfig={}", kubeconfig.display()),
            "--nmi-port=0".to_owned(),
            "--http-probe-port=0".to_owned(),
            "--assignment-wait=30s".to_owned(),
        ]);
        let gateway = GatewayProcess::start(&flags, log("gateway.log")?).await?;
        let flags = controller_flags(&sim, &plane, &folder, &ca)?;
        let controller = ControllerProcess::start(&flags, log("controller.log")?).await?;
        let tour = Self {
            plane,
            kube,
            sim,
            folder,
            controller,
            gateway,
        };
        tour.introduce().await?;
        Ok(tour)
    }

    async fn introduce(&self) -> anyhow::Result<()> {
        println!("kube-apiserver  {}", self.plane.kubeconfig().display());
        println!(
            "azure-sim       ARM {}  a change takes {CHANGE_MS} ms",
            self.sim.arm_url()
        );
        println!(
            "gateway         pods {}  admin {}",
            self.gateway.address, self.gateway.admin
        );
        println!(
            "controller      probes {}  metrics {}",
            self.controller.probes, self.controller.metrics
        );
        let elected = until("the controller leads", || async {
            let host = self.controller.probes.to_string();
            let answer = Client::new(self.controller.probes)
                .get("/healthz", &[("Host", &host)])
                .await
                .ok()?;
            (answer.text() == "Active").then_some(())
        });
        println!(
            "elected         after {:.1} s",
            elected.await?.1.as_secs_f64()
        );
        Ok(())
    }

    async fn assignment(&self) -> anyhow::Result<()> {
        heading("A pod is created, and asks at once");
        let begun = Instant::now();
        PodObject::bound("web", "web", POD)
            .create(&self.kube)
            .await?;
        let asked = tokio::spawn(ask(
            Client::new(self.gateway.address).from_source(IpAddr::from(POD))
        ));
        for state in ["Created", "Assigned"] {
            let (record, _) = until(state, || self.record("web-shop-web", state)).await?;
            println!(
                "{:>6.2} s  AzureAssignedIdentity {record}: {state}",
                begun.elapsed().as_secs_f64()
            );
        }
        let answer = asked.await??;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        let json = answer.json();
        let claims = self
            .sim
            .verify(json["access_token"].as_str().context("no access_token")?)?;
        ensure!(claims.appid == demo::WEB, "a token of {}", claims.appid);
        println!(
            "{:>6.2} s  the pod's request, which waited for that: 200, token of {}",
            begun.elapsed().as_secs_f64(),
            claims.appid
        );
        self.on_scale_set()?;
        self.events().await
    }

    async fn second_pod(&self) -> anyhow::Result<()> {
        heading("A second pod of the same identity costs no call to ARM");
        self.sim.clear_calls();
        let begun = Instant::now();
        PodObject::bound("web-2", "web", Ipv4Addr::new(127, 0, 0, 3))
            .create(&self.kube)
            .await?;
        until("Assigned", || self.record("web-2-shop-web", "Assigned")).await?;
        let changes = self.sim.arm_calls().patches;
        ensure!(changes == 0, "{changes} changes");
        println!(
            "Assigned after {} ms; PATCHes: {changes}",
            begun.elapsed().as_millis()
        );
        Ok(())
    }

    async fn release(&self) -> anyhow::Result<()> {
        heading("Both pods are deleted");
        let pods: Api<Pod> = Api::namespaced(self.kube.clone(), "shop");
        let begun = Instant::now();
        for name in ["web", "web-2"] {
            pods.delete(name, &DeleteParams::default().grace_period(0))
                .await?;
        }
        until("the records go", || async {
            let records: Api<AzureAssignedIdentity> = Api::all(self.kube.clone());
            let left = records.list(&ListParams::default()).await.ok()?.items.len();
            (left == 0).then_some(())
        })
        .await?;
        println!(
            "{:>6.2} s  the identity lingered for {LINGER}, then the scale set let it go, and the records went",
            begun.elapsed().as_secs_f64()
        );
        self.on_scale_set()
    }

    fn on_scale_set(&self) -> anyhow::Result<()> {
        let compute = self.sim.compute(SCALE_SET).context("the scale set")?;
        let names: Vec<&str> = compute
            .identities
            .iter()
            .filter_map(|id| id.rsplit('/').next())
            .collect();
        println!("          scale set `pool` by azure-sim's word: {names:?}");
        Ok(())
    }

    async fn events(&self) -> anyhow::Result<()> {
        let events: Api<Event> = Api::namespaced(self.kube.clone(), "shop");
        let (told, _) = until("an Event", || async {
            let events = events.list(&ListParams::default()).await.ok()?.items;
            (!events.is_empty()).then_some(events)
        })
        .await?;
        for event in told {
            let object = event.involved_object;
            println!(
                "          Event on {} {}: {}: {}",
                object.kind.unwrap_or_default(),
                object.name.unwrap_or_default(),
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default()
            );
        }
        Ok(())
    }

    /// A record in this state.
    async fn record(&self, name: &str, state: &str) -> Option<String> {
        let records: Api<AzureAssignedIdentity> = Api::all(self.kube.clone());
        let all = records.list(&ListParams::default()).await.ok()?;
        let record = all
            .items
            .into_iter()
            .find(|record| record.metadata.name.as_deref() == Some(name))?;
        (record.state().as_str() == state)
            .then(|| podgate_api::ObjectRef::of(&record.metadata).to_string())
    }

    async fn stay(&self) -> anyhow::Result<()> {
        heading("Your turn (Ctrl-C ends it)");
        println!(
            "kubectl --kubeconfig {} get azureassignedidentities,events -A\ncurl http://{}/metrics\nThe logs are in {}",
            self.plane.kubeconfig().display(),
            self.controller.metrics,
            self.folder.path().display()
        );
        tokio::signal::ctrl_c().await?;
        Ok(())
    }
}

async fn azure() -> anyhow::Result<AzureSim> {
    let mut config = demo::directory()?;
    config.arm.operation_ms = CHANGE_MS;
    config.arm.retry_after_seconds = Some(1);
    config.arm.identities = vec![config.managed_identities[0].clone()];
    config.arm.computes = vec![Compute {
        id: SCALE_SET.to_owned(),
        location: "westeurope".to_owned(),
        state: "Succeeded".to_owned(),
        ..Compute::default()
    }];
    Ok(AzureSim::start(config).await?)
}

async fn lay_out(kube: &kube::Client) -> anyhow::Result<()> {
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME},
         "spec": {"providerID": format!("azure://{SCALE_SET}/virtualMachines/0")}},
    ]});
    for object in objects["items"].as_array().context("items")? {
        apply(kube, &object.to_string()).await?;
    }
    apply(
        kube,
        &std::fs::read_to_string(demo::manifests().join("identities.yaml"))?,
    )
    .await
}

fn controller_flags(
    sim: &AzureSim,
    plane: &ControlPlane,
    folder: &TempDir,
    ca: &std::path::Path,
) -> anyhow::Result<Vec<String>> {
    let cloud = folder.path().join("azure.json");
    let own = json!({"cloud": "AzurePublicCloud", "useManagedIdentityExtension": true, "userAssignedIdentityID": demo::NODE});
    std::fs::write(&cloud, own.to_string())?;
    let imds: std::net::SocketAddr = sim
        .imds_url()
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()?;
    Ok(vec![
        format!("--kubeconfig={}", plane.kubeconfig().display()),
        format!("--cloudconfig={}", cloud.display()),
        format!("--arm-url={}", sim.arm_url()),
        format!("--authority={}", sim.entra_url()),
        format!("--metadata-ip={}", imds.ip()),
        format!("--metadata-port={}", imds.port()),
        format!("--ca-file={}", ca.display()),
        format!("--removal-linger={LINGER}"),
        "--leader-election-duration=2s".to_owned(),
        "--admin-address=127.0.0.1".to_owned(),
        "--http-probe-port=0".to_owned(),
        "--prometheus-port=0".to_owned(),
    ])
}

async fn ask(client: Client) -> anyhow::Result<podgate_testkit::Answer> {
    let path = format!(
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource={}",
        stage::VAULT
    );
    let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
    Ok(client.get(&path, &headers).await?)
}

/// Waits until there is something, and says how long that took.
async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    look: impl Fn() -> F,
) -> anyhow::Result<(T, Duration)> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok((found, begun.elapsed()));
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn heading(text: &str) {
    println!("\n── {text}");
}
