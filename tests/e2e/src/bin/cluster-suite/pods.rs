//! Pods to ask from.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use podgate_e2e::load::Inside;
use podgate_e2e::node::Outcome;
use podgate_testkit::{Answer, Client};
use serde_json::{Value, json};

use crate::azure::HUB;
use crate::objects;
use crate::scene::{Scene, enter, pid};

/// What the cases ask for.
pub(crate) const RESOURCE: &str = "resource=https://vault.azure.net";

/// A pod that is to be there.
pub(crate) struct Wanted {
    pub(crate) namespace: &'static str,
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) labels: Value,
}

/// A pod that runs, and the network that its kubelet gave it.
pub(crate) struct Pod {
    pub(crate) name: String,
    namespace: &'static str,
    network: File,
}

impl Wanted {
    /// A pod of the namespace `shop` that asks for the identities of a binding with this selector.
    pub(crate) fn bound(name: &str, node: &str, selector: &str) -> Self {
        Self {
            namespace: "shop",
            name: name.to_owned(),
            node: node.to_owned(),
            labels: json!({"aadpodidbinding": selector}),
        }
    }
}

impl Scene {
    /// Pods that sleep, made at once; those that are there already are taken.
    pub(crate) fn pods(&self, wanted: &[Wanted]) -> Result<Vec<Pod>> {
        let sleeper =
            |pod: &Wanted| objects::sleeper(pod.namespace, &pod.name, &pod.node, &pod.labels);
        self.apply(&wanted.iter().map(sleeper).collect::<Vec<_>>())?;
        wanted.iter().map(|pod| self.running(pod)).collect()
    }

    fn running(&self, wanted: &Wanted) -> Result<Pod> {
        let look = || self.kube.object("pods", wanted.namespace, &wanted.name);
        self.until(&format!("the pod {} runs", wanted.name), || {
            Ok(look()?["status"]["phase"] == "Running")
        })?;
        let pod = look()?;
        let ip = pod["status"]["podIP"].as_str().context("podIP")?;
        Ok(Pod {
            name: wanted.name.clone(),
            namespace: wanted.namespace,
            network: self.network(&wanted.node, ip.parse()?)?,
        })
    }

    /// One pod that sleeps on a node.
    pub(crate) fn pod(
        &self,
        namespace: &'static str,
        name: &str,
        node: &str,
        labels: &Value,
    ) -> Result<Pod> {
        let wanted = Wanted {
            namespace,
            labels: labels.clone(),
            ..Wanted::bound(name, node, "")
        };
        self.pods(&[wanted])?.pop().context("one pod")
    }

    /// One of the namespace `shop` that asks for the identities of a binding with this selector.
    pub(crate) fn bound(&self, name: &str, node: &str, selector: &str) -> Result<Pod> {
        let wanted = Wanted::bound(name, node, selector);
        self.pods(&[wanted])?.pop().context("one pod")
    }

    /// One such pod on each node.
    pub(crate) fn bound_everywhere(&self, name: &str, selector: &str) -> Result<Vec<Pod>> {
        let wanted = |node: &String| Wanted::bound(&format!("{name}-{node}"), node, selector);
        self.pods(&self.nodes.iter().map(wanted).collect::<Vec<_>>())
    }

    /// Deletes pods, at once, and does not wait for their end.
    pub(crate) fn delete(&self, pods: impl IntoIterator<Item = Pod>) -> Result<()> {
        for pod in pods {
            self.kubectl(&format!(
                "delete pod {} --namespace {} --now --wait=false --ignore-not-found",
                pod.name, pod.namespace
            ))?;
        }
        Ok(())
    }

    /// Waits until a pod's request, with this at its end, gets a token of this identity.
    pub(crate) fn gets(&self, pod: &Pod, query: &str, client_id: &str) -> Result<Duration> {
        let what = format!("{} gets a token of {client_id} by '{query}'", pod.name);
        self.until(&what, || {
            let answer = pod.token(&format!("{RESOURCE}{query}"))?;
            let got = self.azure.client_id(&answer)?;
            ensure!(got == client_id, "it is one of {got}");
            Ok(true)
        })
    }

    /// Waits until it gets none, and is told that there is none to come.
    pub(crate) fn is_refused(&self, pod: &Pod, query: &str) -> Result<Duration> {
        let what = format!("{} gets no token by '{query}'", pod.name);
        self.until(&what, || {
            let answer = pod.token(&format!("{RESOURCE}{query}"))?;
            ensure!(
                matches!(answer.status, 400 | 403),
                "{}: {}",
                answer.status,
                answer.text()
            );
            Ok(true)
        })
    }

    /// The network namespace on a node that has this address.
    fn network(&self, node: &str, ip: Ipv4Addr) -> Result<File> {
        let root = format!("/proc/{}/root/run/netns", pid(&self.cluster, node)?);
        for entry in std::fs::read_dir(&root).with_context(|| root.clone())? {
            // One may be on its way out.
            let Ok(file) = File::open(entry?.path()) else {
                continue;
            };
            if in_network(&file, own_address).is_ok_and(|own| own.ok() == Some(ip.into())) {
                return Ok(file);
            }
        }
        anyhow::bail!("no network on {node} has the address {ip}")
    }
}

impl Pod {
    /// A request for a token, as curl would make it.
    pub(crate) fn token(&self, query: &str) -> Result<Answer> {
        self.ask(&format!(
            "/metadata/identity/oauth2/token?api-version=2018-02-01&{query}"
        ))
    }

    /// Any request to the metadata address, on a connection of its own.
    pub(crate) fn ask(&self, path: &str) -> Result<Answer> {
        self.send(path, &[("Metadata", "true"), ("Host", "169.254.169.254")])
    }

    /// The same with these headers only.
    pub(crate) fn send(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let metadata = SocketAddr::from(([169, 254, 169, 254], 80));
        let client = Client::new(metadata).deadline(Duration::from_secs(30));
        Ok(self.within(async { client.get(path, headers).await })??)
    }
}

impl Inside for Pod {
    fn within<T: Send>(&self, work: impl Future<Output = T> + Send) -> Result<T> {
        in_network(&self.network, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            anyhow::Ok(runtime.block_on(work))
        })?
    }
}

/// On a thread of its own, which ends with the work.
fn in_network<T: Send>(network: &File, work: impl FnOnce() -> T + Send) -> Result<T> {
    let inside = || enter(network).map(|()| work());
    std::thread::scope(|scope| match scope.spawn(inside).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// From which requests to the hub would come. Nothing is sent.
fn own_address() -> Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((HUB, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// A time, as reports have it.
pub(crate) fn figure(name: &'static str, time: Duration) -> Outcome {
    [(name, time.as_secs_f64() * 1e3)].into()
}
