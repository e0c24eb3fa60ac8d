//! The gateway of the first node, whose IMDS has what ARM gave that node: who gets a token in the end.

use std::net::Ipv4Addr;
use std::time::Duration;

use clap::Parser;
use podgate_e2e::stage::{self, VAULT};
use podgate_gateway::app::Gateway;
use podgate_gateway::config::Config;
use podgate_testkit::{Answer, Client};
use serde_json::json;

use crate::scene::{SOON, Scene};

const ACCOUNT: &str = "system:serviceaccount:podgate:podgate-gateway";
/// The address of the one pod that asks.
const POD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

/// A gateway that reads what the controller writes.
pub(crate) struct Tokens {
    gateway: Gateway,
}

impl Tokens {
    pub(crate) async fn of(scene: &Scene) -> Self {
        let kubeconfig = scene.file("gateway.kubeconfig");
        let text = scene
            .plane
            .kubeconfig_for(ACCOUNT, "system:serviceaccounts");
        std::fs::write(&kubeconfig, text.unwrap()).unwrap();
        let mut arguments = stage::arguments(&scene.sim, &kubeconfig, &scene.file("ca.pem"));
        arguments.retain(|argument| !argument.starts_with("--standalone"));
        arguments.extend([
            format!("--node={}", scene.nodes[0].name),
            format!("--kubeconfig={}", kubeconfig.display()),
        ]);
        let flags = [
            "--share-port=false",
            "--nmi-port=0",
            "--http-probe-port=0",
            "--assignment-wait=1s",
        ];
        arguments.extend(flags.map(str::to_owned));
        let config = Config::try_parse_from(arguments).unwrap();
        let gateway = Gateway::start(&config).await.unwrap();
        Self { gateway }
    }

    /// The pod is the one that asks from now on.
    pub(crate) async fn are_for(&self, scene: &Scene, namespace: &str, pod: &str) {
        let ip = POD.to_string();
        let status = json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]});
        scene.status(namespace, pod, status).await;
    }

    /// What the pod is answered that asks so.
    pub(crate) async fn ask(&self, query: &str) -> Answer {
        let path = format!(
            "/metadata/identity/oauth2/token?api-version=2018-02-01&resource={VAULT}{query}"
        );
        let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
        let client = Client::new(self.gateway.address).from_source(POD.into());
        let client = client.deadline(Duration::from_secs(30));
        client.get(&path, &headers).await.unwrap()
    }

    /// Waits until the pod gets a token, and says whose.
    pub(crate) async fn granted(&self, scene: &Scene, query: &str) -> String {
        let mut token = None;
        scene
            .within(SOON, "a token", async || {
                let answer = self.ask(query).await;
                let json = (answer.status == 200).then(|| answer.json());
                token = json.and_then(|json| json["access_token"].as_str().map(str::to_owned));
                token.is_some()
            })
            .await;
        scene.sim.verify(&token.unwrap()).unwrap().appid
    }

    /// Waits until the pod is refused.
    pub(crate) async fn refused(&self, scene: &Scene) {
        scene
            .until("a refusal", async || self.ask("").await.status >= 400)
            .await;
    }
}
