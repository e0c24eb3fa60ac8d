//! Standalone mode: a folder of ordinary Kubernetes YAML, watched.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use notify::{RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::{Source, manifest};
use crate::metrics::Metrics;
use crate::readiness::Pending;
use crate::world::{ObjectKey, World};

/// Editors write a file in several steps; this much quiet means that it is whole.
const SETTLE: Duration = Duration::from_millis(20);
/// A look even without an event: some file systems send none.
const RELIST: Duration = Duration::from_secs(10);

/// The folder.
pub struct Folder {
    path: PathBuf,
    metrics: Arc<Metrics>,
    /// The gateway is not ready before the first complete state.
    first: Option<Pending>,
    /// What each file gave at its last good reading.
    files: BTreeMap<PathBuf, File>,
}

#[derive(Default)]
struct File {
    text: String,
    keys: BTreeSet<ObjectKey>,
}

impl Folder {
    /// A folder that exists. `first` is the start-up task of its first complete state.
    ///
    /// # Errors
    /// It does not.
    pub fn new(path: PathBuf, metrics: Arc<Metrics>, first: Pending) -> anyhow::Result<Self> {
        let found = std::fs::metadata(&path)
            .with_context(|| format!("standalone folder {}", path.display()))?;
        anyhow::ensure!(
            found.is_dir(),
            "standalone folder {}: it is not a folder; name the folder that holds the YAML files",
            path.display()
        );
        Ok(Self {
            path,
            metrics,
            first: Some(first),
            files: BTreeMap::new(),
        })
    }

    /// Brings the world in line with the folder.
    fn sync(&mut self, world: &World) -> anyhow::Result<()> {
        let found = list(&self.path)?;
        let gone: Vec<PathBuf> = self
            .files
            .keys()
            .filter(|path| !found.contains(*path))
            .cloned()
            .collect();
        for path in &found {
            self.sync_file(path, world);
        }
        for path in gone {
            let file = self.files.remove(&path).unwrap_or_default();
            self.remove(file.keys, world);
        }
        Ok(())
    }

    fn sync_file(&mut self, path: &Path, world: &World) {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) => return self.report(path, &error.to_string()),
        };
        if self.files.get(path).is_some_and(|file| file.text == text) {
            return;
        }
        let (objects, problems) = manifest::read(&text);
        for problem in &problems {
            self.report(path, problem);
        }
        let keys: BTreeSet<ObjectKey> = objects.iter().map(|object| object.key()).collect();
        for object in objects {
            world.apply(object);
        }
        let file = self.files.entry(path.to_owned()).or_default();
        file.text = text;
        let old = std::mem::replace(&mut file.keys, keys);
        // With a document that cannot be read, nobody knows what is meant to be gone: the last good objects stay.
        if problems.is_empty() {
            let gone = old.difference(&file.keys).cloned().collect();
            self.remove(gone, world);
        } else {
            file.keys.extend(old);
        }
    }

    /// Removes what no other file holds; what another one holds is in force from there again.
    fn remove(&mut self, keys: BTreeSet<ObjectKey>, world: &World) {
        let mut again = BTreeSet::new();
        for key in keys {
            let other = self.files.iter().find(|(_, file)| file.keys.contains(&key));
            match other {
                None => world.remove(&key),
                Some((path, _)) => {
                    again.insert(path.clone());
                }
            }
        }
        for path in again {
            if let Some(file) = self.files.get_mut(&path) {
                file.text.clear();
            }
            self.sync_file(&path, world);
        }
    }

    fn report(&self, path: &Path, problem: &str) {
        self.metrics.source_error();
        tracing::error!(
            file = %path.display(),
            problem,
            "this cannot be used; what the file last held stays in force"
        );
    }
}

#[async_trait]
impl Source for Folder {
    async fn run(mut self: Box<Self>, world: World) -> anyhow::Result<()> {
        let changed = Arc::new(Notify::new());
        // Watch first, read second: then no change falls in between.
        let _watcher = watch(&self.path, Arc::clone(&changed))?;
        self.sync(&world)?;
        world.complete();
        self.first = None;
        loop {
            let _ = tokio::time::timeout(RELIST, changed.notified()).await;
            tokio::time::sleep(SETTLE).await;
            if let Err(error) = self.sync(&world) {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the standalone folder cannot be read; its last state stays in force"
                );
            }
        }
    }
}

fn watch(path: &Path, changed: Arc<Notify>) -> anyhow::Result<impl Watcher + use<>> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let reading = event.is_ok_and(|event| event.kind.is_access());
        if !reading {
            changed.notify_one();
        }
    })
    .context("watching the standalone folder")?;
    watcher
        .watch(path, RecursiveMode::NonRecursive)
        .with_context(|| format!("watching {}", path.display()))?;
    Ok(watcher)
}

/// Bounded before it is read: the folder may hold anything.
fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(manifest::MAX_FILE + 1)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn list(folder: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("reading the folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let yaml = path.extension().is_some_and(|extension| {
            extension == "yaml" || extension == "yml" || extension == "json"
        });
        if yaml && !hidden && path.is_file() {
            found.insert(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
