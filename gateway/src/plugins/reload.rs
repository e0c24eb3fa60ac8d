//! Live reload: another edition of the plugins file takes effect without a restart.
//!
//! ```text
//! change ▸ quiet ▸ read, verify, compile, configure ─┬─ good ▸ swap ▸ what was remembered of the old set is void
//!   (notify, a look every 10 s)                      └─ bad ▸ the last good set stays ▸ told, and tried again later
//!                                                             (log, metric, Event, /readyz)
//! ```
//! Nothing of it is on a request's path. Calls that are under way end in the plugin that they began in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use notify::{RecursiveMode, Watcher};
use podgate_plugin_host::Host;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::events::Events;
use super::registry::Registries;
use super::seen::Seen;
use super::{First, Loaded, attempt, folder};
use crate::credential::Certificates;
use crate::flow::Flow;
use crate::readiness::Readiness;
use crate::world::{ObjectKey, ObjectRef};

/// So much quiet means that whoever writes the file has done so.
const SETTLE: Duration = Duration::from_millis(50);
/// Looks for quiet; a file that is written for longer is read as it is, and again at the next change.
const MAX_LOOKS: usize = 40;
/// A look even without an event: some file systems send none, and a component may lie in another folder.
const LOOK: Duration = Duration::from_secs(10);
/// A file that cannot be used is tried again although nothing changed, since a plugin's `configure` may have run out
/// of time on a busy node. Doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// The longest such wait.
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// What is told on `/readyz` of an error, in characters. The log has all of it.
const SHOWN: usize = 1000;
/// What the problem is about, on `/readyz`.
const TOPIC: &str = "plugins file";

/// What runs plugins.
pub struct Live {
    /// Asks the policies, and the cache plugin through its tokens.
    pub flow: Arc<Flow>,
    /// Asks the credential plugin.
    pub certificates: Arc<ArcSwap<Certificates>>,
    /// Where a bad file is told to whoever asks the node.
    pub readiness: Readiness,
    /// Where it is told to whoever asks the API server, if there is one.
    pub events: Option<Events>,
}

/// Follows a plugins file.
pub struct Reload {
    host: Host,
    registries: Registries,
    path: PathBuf,
    live: Live,
    running: Loaded,
    /// Of the last attempt, good or bad.
    seen: Seen,
    retry: Option<Retry>,
}

/// When a bad file is tried again.
struct Retry {
    at: Instant,
    wait: Duration,
}

impl Reload {
    /// For a gateway that runs what was loaded first.
    pub fn new(
        host: Host,
        registries: Registries,
        path: PathBuf,
        first: First,
        live: Live,
    ) -> Self {
        let First { loaded, seen } = first;
        Self {
            host,
            registries,
            path,
            live,
            running: loaded,
            seen,
            retry: None,
        }
    }

    /// Never ends.
    pub async fn run(mut self) {
        let changed = Arc::new(Notify::new());
        // Watched first, looked at second: then no change falls in between.
        let _watcher = watch(folder(&self.path), Arc::clone(&changed)).inspect_err(|error| {
            let error = format!("{error:#}");
            tracing::warn!(
                error,
                "the plugins file is looked at every 10 s instead of being watched"
            );
        });
        loop {
            while self.is_due() {
                self.settle().await;
                self.reload().await;
            }
            let _ = timeout(self.pause(), changed.notified()).await;
        }
    }

    fn is_due(&self) -> bool {
        let again = |retry: &Retry| Instant::now() >= retry.at;
        !self.seen.is_current() || self.retry.as_ref().is_some_and(again)
    }

    fn pause(&self) -> Duration {
        let left = |retry: &Retry| retry.at.saturating_duration_since(Instant::now());
        self.retry.as_ref().map_or(LOOK, left).min(LOOK)
    }

    /// Waits until the files stand still.
    async fn settle(&self) {
        let mut last = self.seen.again();
        for _ in 0..MAX_LOOKS {
            sleep(SETTLE).await;
            let now = self.seen.again();
            if now == last {
                return;
            }
            last = now;
        }
    }

    async fn reload(&mut self) {
        let (host, registries) = (self.host.clone(), self.registries.clone());
        let (path, running) = (self.path.clone(), self.running.clone());
        let before = self.seen.again();
        if before != self.seen {
            // Another edition has its own fault, if any.
            self.retry = None;
        }
        // A task of its own: whatever a file makes it do, even a panic, is that file's failure.
        let attempt =
            tokio::spawn(async move { attempt(&host, &registries, &path, &running).await });
        let (seen, loaded) = match attempt.await {
            Ok((seen, loaded)) => (seen, loaded),
            Err(error) => (before, Err(error.into())),
        };
        let moved = !seen.is_current();
        self.seen = seen;
        match loaded {
            Ok(loaded) => self.good(loaded),
            // Half of the old and half of the new was read: the next round reads all of the new.
            Err(_) if moved => {}
            Err(error) => self.bad(&error),
        }
    }

    fn good(&mut self, loaded: Loaded) {
        let is_new = !loaded.is_same(&self.running);
        if is_new {
            self.live.swap(&self.running, &loaded);
            self.running = loaded;
        }
        self.retry = None;
        self.live.told(None);
        let flow = &self.live.flow;
        flow.metrics.plugins().reloaded(is_new, flow.clock.now());
        match is_new {
            true => {
                tracing::info!(file = %self.path.display(), policies = self.running.policies.len(), "plugins reloaded")
            }
            false => {
                tracing::info!(file = %self.path.display(), "the plugins file says what runs already")
            }
        }
    }

    fn bad(&mut self, error: &anyhow::Error) {
        let error = format!("{error:#}");
        let wait = self
            .retry
            .as_ref()
            .map_or(FIRST_RETRY, |retry| (retry.wait * 2).min(LONGEST_RETRY));
        self.retry = Some(Retry {
            at: Instant::now() + wait,
            wait,
        });
        self.live.flow.metrics.plugins().failed();
        let shown = one_line(&error);
        let told = format!("{shown}; what was loaded before stays in force");
        self.live.told(Some(told));
        tracing::error!(
            file = %self.path.display(),
            error,
            "the plugins cannot be reloaded; those that were loaded before stay in force"
        );
    }
}

// === impl Live ===

impl Live {
    /// What is wrong with the file, or that nothing is.
    fn told(&self, problem: Option<String>) {
        if let Some(events) = &self.events {
            match &problem {
                Some(problem) => events.bad(problem),
                None => events.good(),
            }
        }
        self.readiness.tell(TOPIC, problem);
    }

    /// All at once, without a wait in between. The policies come last: a request that is judged by the new ones finds
    /// the rest in place.
    fn swap(&self, old: &Loaded, new: &Loaded) {
        let (flow, metrics) = (&self.flow, &self.flow.metrics);
        // Certificates that were read stay read, unless there is another plugin for them: that takes a core a second.
        if old.keys.credential != new.keys.credential {
            let certificates = Certificates::new(new.credential.clone(), Arc::clone(metrics));
            self.certificates.store(Arc::new(certificates));
        }
        flow.tokens.replace_policy(new.cache.clone());
        flow.policies.replace(new.policies.iter().cloned());
        // Decisions are remembered by the world's stamp, and requests under way are judged again where it moved. To
        // remove what is not there moves it and changes nothing.
        let nothing = ObjectKey::Assigned(ObjectRef::new("", ""));
        flow.world.remove(&nothing);
    }
}

/// In a cluster, kubelet swaps a link in this folder for another.
fn watch(folder: &Path, changed: Arc<Notify>) -> anyhow::Result<impl Watcher + use<>> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let reading = event.is_ok_and(|event| event.kind.is_access());
        if !reading {
            changed.notify_one();
        }
    })
    .context("watching the plugins file's folder")?;
    watcher
        .watch(folder, RecursiveMode::NonRecursive)
        .with_context(|| format!("watching {}", folder.display()))?;
    Ok(watcher)
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests;
