//! What the cases share: the cluster, azure-sim, helm, and pods to ask from.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use podgate_e2e::load::Inside;
use podgate_testkit::{Answer, Client, Cluster};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::Options;
use crate::azure::{Azure, HUB, provider_id};
use crate::helm::{Helm, RELEASE};
use crate::objects;

/// Until a pod runs, a log has a line, a Job is done: all of it on two busy cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Between looks.
const LOOK: Duration = Duration::from_millis(100);

/// Lines beside a failure.
const PODS_SHOWN: usize = 16;
const EVENTS_SHOWN: usize = 12;

/// The cluster with everything on it. Made on a thread that stays in the hub's network.
pub(crate) struct Scene {
    pub(crate) azure: Azure,
    pub(crate) helm: Helm,
    /// In the one case that shows the hole.
    pub(crate) leaks_expected: bool,
    pub(crate) nodes: Vec<String>,
    is_standard: bool,
    _runtime: Runtime,
    /// For files: nodes see it as well.
    pub(crate) folder: PathBuf,
    cluster: Cluster,
}

/// A pod that runs, and the network that its kubelet gave it.
pub(crate) struct Pod {
    name: String,
    network: File,
}

impl Scene {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let cluster = Cluster::start(options.nodes.into(), &archives(&options.images)?)?;
        enter(&namespace(&cluster, "hub")?)?;
        let runtime = Runtime::new()?;
        let azure = Azure::start(&runtime, options.nodes)?;
        // In the cluster's own, which is taken away whoever is killed.
        let folder = cluster.folder().join("suite");
        std::fs::create_dir(&folder)?;
        let values = folder.join("values.yaml");
        std::fs::write(&values, objects::values(&azure).to_string())?;
        let kubeconfig = cluster.folder().join("pki/admin.kubeconfig");
        let scene = Self {
            azure,
            helm: Helm::new(&options.helm, kubeconfig, values),
            leaks_expected: false,
            nodes: (1..=options.nodes)
                .map(|node| format!("node{node}"))
                .collect(),
            is_standard: false,
            _runtime: runtime,
            folder,
            cluster,
        };
        scene.apply(&objects::before(&scene.azure))?;
        scene.name_machines()?;
        Ok(scene)
    }

    /// As Azure's own controller does it: which machine each node is.
    fn name_machines(&self) -> Result<()> {
        for (number, node) in self.nodes.iter().enumerate() {
            let id = provider_id(number, self.nodes.len());
            let patch = serde_json::json!({"spec": {"providerID": id}});
            self.kubectl(&format!("patch node {node} --patch {patch}"))?;
        }
        Ok(())
    }

    /// From now on podgate is installed with its controller, and the nodes have no identities but their own.
    pub(crate) fn standard(&mut self) -> Result<()> {
        self.is_standard = true;
        let values = self.folder.join("standard.yaml");
        std::fs::write(&values, objects::standard(&self.azure).to_string())?;
        self.helm.change(values);
        self.azure.take_all();
        Ok(())
    }

    /// `kubectl`, and what it wrote.
    pub(crate) fn kubectl(&self, line: &str) -> Result<String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        self.cluster.kubectl(&words)
    }

    /// `kubectl get … -o json`
    pub(crate) fn get(&self, what: &str) -> Result<Value> {
        Ok(serde_json::from_str(
            &self.kubectl(&format!("get {what} -o json"))?,
        )?)
    }

    /// A command on a node.
    pub(crate) fn on(&self, node: &str, line: &str) -> Result<String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        self.cluster.on(node, &words)
    }

    /// `kubectl apply` of objects.
    pub(crate) fn apply(&self, objects: &[Value]) -> Result<()> {
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let file = tempfile::NamedTempFile::new_in(&self.folder)?;
        std::fs::write(file.path(), list.to_string())?;
        self.kubectl(&format!("apply --filename {}", file.path().display()))
            .map(drop)
    }

    /// podgate is installed and ready, whatever the last case did.
    pub(crate) fn installed(&self) -> Result<()> {
        if !self.helm.is_installed() {
            self.helm.install(&[])?;
        }
        let mut workloads = vec![format!("daemonset/{RELEASE}-gateway")];
        workloads.extend(
            self.is_standard
                .then(|| format!("deployment/{RELEASE}-controller")),
        );
        for workload in workloads {
            let rollout = format!("rollout status {workload} --namespace {RELEASE} --timeout 120s");
            self.kubectl(&rollout)?;
        }
        Ok(())
    }

    /// Waits until something is there, and says how long that took.
    pub(crate) fn until(&self, what: &str, look: impl FnMut() -> Result<bool>) -> Result<Duration> {
        self.within_time(PATIENCE, what, look)
    }

    /// The same for what may take longer.
    pub(crate) fn within_time(
        &self,
        limit: Duration,
        what: &str,
        mut look: impl FnMut() -> Result<bool>,
    ) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let seen = look();
            if let Ok(true) = seen {
                return Ok(start.elapsed());
            }
            if start.elapsed() > limit {
                seen?;
                anyhow::bail!("{what}: not within {limit:?}");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// A pod that sleeps on a node, and is there to be asked from; one that is there already is taken.
    pub(crate) fn pod(
        &self,
        namespace: &str,
        name: &str,
        node: &str,
        labels: &Value,
    ) -> Result<Pod> {
        self.apply(&[objects::sleeper(namespace, name, node, labels)])?;
        self.until(&format!("the pod {name} runs"), || {
            let pod = self.get(&format!("pod {name} --namespace {namespace}"))?;
            Ok(pod["status"]["phase"] == "Running")
        })?;
        let pod = self.get(&format!("pod {name} --namespace {namespace}"))?;
        let ip = pod["status"]["podIP"].as_str().context("podIP")?;
        Ok(Pod {
            name: name.to_owned(),
            network: self.network(node, ip.parse()?)?,
        })
    }

    /// A sleeping pod of the namespace `shop` that asks for the identities of a binding with this selector.
    pub(crate) fn bound(&self, name: &str, node: &str, selector: &str) -> Result<Pod> {
        let labels = serde_json::json!({"aadpodidbinding": selector});
        self.pod("shop", name, node, &labels)
    }

    /// One such pod on each node.
    pub(crate) fn bound_everywhere(&self, name: &str, selector: &str) -> Result<Vec<Pod>> {
        let pod = |node: &String| self.bound(&format!("{name}-{node}"), node, selector);
        self.nodes.iter().map(pod).collect()
    }

    /// Deletes pods, at once.
    pub(crate) fn delete(&self, pods: Vec<Pod>, namespace: &str) -> Result<()> {
        let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
        let names = names.join(" ");
        self.kubectl(&format!("delete pod {names} --namespace {namespace} --now"))
            .map(drop)
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

    /// What podgate's pods and nodes say of themselves, for whoever reads of a failure.
    pub(crate) fn troubles(&self) -> String {
        let pods = "get pods --all-namespaces -o wide".to_owned();
        let events = format!(
            "get events --namespace {RELEASE} --field-selector type=Warning --sort-by lastTimestamp"
        );
        let said = [pods, events].into_iter().map(|line| {
            self.kubectl(&line)
                .unwrap_or_else(|error| format!("{error:#}\n"))
        });
        let said: String = said.collect();
        let lines: Vec<&str> = said.lines().collect();
        // The first ones are the pods, the last ones what happened last.
        let (first, last) = lines.split_at(lines.len().min(PODS_SHOWN));
        let last = &last[last.len().saturating_sub(EVENTS_SHOWN)..];
        [first, last].concat().join("\n")
    }

    /// Until Enter or Ctrl-C.
    pub(crate) fn stay(&self) -> Result<()> {
        self.installed()?;
        let folder = self.cluster.folder().display();
        println!(
            "\nThe cluster stays up: {folder}/kubectl …, {folder}/on node1 COMMAND\nEnter ends it."
        );
        std::io::stdin().read_line(&mut String::new())?;
        Ok(())
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
        let metadata = SocketAddr::from(([169, 254, 169, 254], 80));
        let client = Client::new(metadata).deadline(Duration::from_secs(30));
        let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
        Ok(self.within(async { client.get(path, &headers).await })??)
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

fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!(
            "no images in {}; `cargo xtask images --dev` makes them",
            folder.display()
        )
    })?;
    let mut archives = entries
        // Whole: the nodes are somewhere else.
        .map(|entry| Ok(entry?.path().canonicalize()?))
        .collect::<Result<Vec<_>>>()?;
    archives.retain(|path| path.extension().is_some_and(|ending| ending == "tar"));
    ensure!(!archives.is_empty(), "no images in {}", folder.display());
    Ok(archives)
}

/// Of the first process of a node or of the hub.
fn pid(cluster: &Cluster, name: &str) -> Result<u32> {
    let file = cluster.folder().join(format!("{name}.pid"));
    Ok(std::fs::read_to_string(file)?.trim().parse()?)
}

fn namespace(cluster: &Cluster, name: &str) -> Result<File> {
    Ok(File::open(format!("/proc/{}/ns/net", pid(cluster, name)?))?)
}

/// Moves the calling thread, and all that it starts from then on, for good.
fn enter(network: &File) -> Result<()> {
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .context("entering a network namespace")
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
