//! What the cases share: the cluster, azure-sim, helm, and the API server.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use podgate_testkit::Cluster;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::azure::{Azure, provider_id};
use crate::bare;
use crate::helm::{Helm, RELEASE, root};
use crate::kube::Kube;
use crate::objects;
use crate::uninstalled::gone;
use crate::{NODES, Options};

/// Until a pod runs, a log has a line, a Job is done: all of it on two busy cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Between looks.
const LOOK: Duration = Duration::from_millis(100);
/// Seconds after which the API server misses a node. Kubernetes waits for 50, which every run would have to.
const MISSED: u32 = 20;

/// Lines beside a failure.
const PODS_SHOWN: usize = 24;
const EVENTS_SHOWN: usize = 12;

/// How podgate is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By nobody's values, on nodes that are no machines of Azure.
    Bare,
    /// Without a controller: the nodes have every identity.
    Managed,
    /// With the controller, on nodes that have no identities but their own and somebody else's.
    Standard,
}

/// The cluster with everything on it. Made on a thread that stays in the hub's network.
pub(crate) struct Scene {
    pub(crate) azure: Azure,
    pub(crate) helm: Helm,
    pub(crate) kube: Kube,
    /// In a case that shows a hole.
    pub(crate) leaks_expected: bool,
    pub(crate) nodes: Vec<String>,
    mode: Mode,
    _runtime: Runtime,
    /// For files: nodes see it as well.
    pub(crate) folder: PathBuf,
    pub(crate) cluster: Cluster,
}

impl Scene {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let images = archives(&options.images)?;
        let cluster = Cluster::start_with_grace(NODES.into(), &images, MISSED)?;
        enter(&namespace(&cluster, "hub")?)?;
        let runtime = Runtime::new()?;
        let azure = Azure::start(&runtime, NODES)?;
        // In the cluster's own, which is taken away whoever is killed.
        let folder = cluster.folder().join("suite");
        std::fs::create_dir(&folder)?;
        let values = folder.join("values.yaml");
        std::fs::write(&values, objects::managed(&azure).to_string())?;
        let kubeconfig = cluster.folder().join("pki/admin.kubeconfig");
        let scene = Self {
            azure,
            kube: Kube::new(
                &std::fs::read_to_string(&kubeconfig)?,
                runtime.handle().clone(),
            )?,
            helm: Helm::new(options, kubeconfig, values),
            leaks_expected: false,
            nodes: (1..=NODES).map(|node| format!("node{node}")).collect(),
            mode: Mode::Bare,
            _runtime: runtime,
            folder,
            cluster,
        };
        scene.apply(&objects::before(&scene.azure))?;
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

    /// What is installed in another mode goes, and what the nodes have changes with it.
    pub(crate) fn turn_to(&mut self, mode: Mode) -> Result<()> {
        if mode == self.mode {
            return Ok(());
        }
        if self.mode == Mode::Bare {
            bare::take_away(self);
            self.name_machines()?;
        }
        if self.helm.is_installed() {
            self.helm.uninstall()?;
        }
        gone(self)?;
        self.mode = mode;
        if mode == Mode::Standard {
            let values = self.folder.join("standard.yaml");
            std::fs::write(&values, objects::standard(&self.azure).to_string())?;
            self.helm.change(values);
            self.azure.bare_nodes();
        }
        Ok(())
    }

    /// `kubectl`, and what it wrote.
    pub(crate) fn kubectl(&self, line: &str) -> Result<String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        self.cluster.kubectl(&words)
    }

    /// A merge patch of an object of the namespace `shop`.
    pub(crate) fn patch(&self, object: &str, patch: &Value) -> Result<()> {
        let patch = patch.to_string();
        ensure!(
            !patch.contains(char::is_whitespace),
            "kubectl's words are separated by blanks: {patch}"
        );
        self.kubectl(&format!(
            "patch {object} --namespace shop --type merge --patch {patch}"
        ))
        .map(drop)
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

    /// The demo's identities, and the kinds of which they are, if nobody has installed those yet.
    pub(crate) fn identities(&self) -> Result<()> {
        if self.kube.objects("azureidentities", "shop", "").is_err() {
            let kinds = root().join("charts/podgate/crds");
            self.kubectl(&format!("apply --filename {}", kinds.display()))?;
            self.kubectl("wait --for=condition=Established crd --all --timeout 60s")?;
        }
        self.apply(&objects::identities())
    }

    /// podgate is installed and ready, whatever the last case did.
    pub(crate) fn installed(&self) -> Result<()> {
        if !self.helm.is_installed() {
            self.identities()?;
            self.helm.install(&[])?;
        }
        self.until("podgate is ready", || {
            self.gateways_are_ready()?;
            Ok(self.mode != Mode::Standard || self.controllers_are_ready()?)
        })
        .map(drop)
    }

    /// By the pods themselves: the DaemonSet's status may not have seen yet that they are other ones.
    fn gateways_are_ready(&self) -> Result<()> {
        let name = format!("{RELEASE}-gateway");
        let set = self.kube.object("daemonsets", RELEASE, &name)?;
        let status = &set["status"];
        let observed = status["observedGeneration"] == set["metadata"]["generation"];
        ensure!(
            observed && status["updatedNumberScheduled"] == self.nodes.len(),
            "the gateways: {status}"
        );
        let labels = "app.kubernetes.io/component=gateway";
        let mut pods = self.kube.objects("pods", RELEASE, labels)?;
        pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        ensure!(
            ready == pods.len() && ready == self.nodes.len(),
            "{ready} of {} gateways are ready",
            pods.len()
        );
        Ok(())
    }

    fn controllers_are_ready(&self) -> Result<bool> {
        let name = format!("{RELEASE}-controller");
        let set = self.kube.object("deployments", RELEASE, &name)?;
        let status = &set["status"];
        let all = |count: &str| status[count] == set["spec"]["replicas"];
        let observed = status["observedGeneration"] == set["metadata"]["generation"];
        ensure!(
            observed && all("updatedReplicas") && all("readyReplicas") && all("replicas"),
            "the controllers: {status}"
        );
        Ok(true)
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
                seen.with_context(|| format!("{what}: not within {limit:?}"))?;
                bail!("{what}: not within {limit:?}");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until a Job has this many pods that succeeded.
    pub(crate) fn succeeded(&self, job: &str, pods: usize, limit: Duration) -> Result<Duration> {
        self.within_time(limit, &format!("the Job {job} is done"), || {
            let job = self.kube.object("jobs", "shop", job)?;
            let succeeded = &job["status"]["succeeded"];
            ensure!(*succeeded == pods, "{succeeded} of {pods} pods are done");
            Ok(true)
        })
    }

    /// Waits until something holds for every node that is there, by its number from 0.
    pub(crate) fn on_all(&self, what: &str, look: impl Fn(usize) -> bool) -> Result<Duration> {
        self.until(what, || Ok((0..self.nodes.len()).all(&look)))
    }

    /// What podgate's pods and nodes say of themselves, for whoever reads of a failure.
    pub(crate) fn troubles(&self) -> String {
        let pods = "get pods --all-namespaces -o wide".to_owned();
        let events =
            "get events --all-namespaces --field-selector type=Warning --sort-by lastTimestamp"
                .to_owned();
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

/// A pod or a node, by its own word.
pub(crate) fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    conditions.into_iter().flatten().any(ready)
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
pub(crate) fn pid(cluster: &Cluster, name: &str) -> Result<u32> {
    let file = cluster.folder().join(format!("{name}.pid"));
    Ok(std::fs::read_to_string(file)?.trim().parse()?)
}

fn namespace(cluster: &Cluster, name: &str) -> Result<File> {
    Ok(File::open(format!("/proc/{}/ns/net", pid(cluster, name)?))?)
}

/// Moves the calling thread, and all that it starts from then on, for good.
pub(crate) fn enter(network: &File) -> Result<()> {
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .context("entering a network namespace")
}
