//! What was pulled, on disk, as an OCI image layout: it is read as any other, each blob verified.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use bytes::Bytes;

use super::super::oci;
use super::Pulled;

/// All blobs together. Four of the largest components, or many of the usual ones: enough to roll back.
const MAX_STORE: u64 = 256 * 1024 * 1024;

/// A folder of blobs.
pub(super) struct Store {
    folder: PathBuf,
}

struct Blob {
    path: PathBuf,
    length: u64,
    written: SystemTime,
}

// === impl Store ===

impl Store {
    /// Makes the folder, for nobody else.
    pub(super) fn open(folder: PathBuf) -> anyhow::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(blobs(&folder))
            .with_context(|| format!("--component-cache {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// None where it is not there as it should be.
    pub(super) async fn get(&self, digest: &str) -> Option<Bytes> {
        oci::component(&self.folder, digest).await.ok()
    }

    /// Writes an artifact, the component first: a manifest that is there means that all is.
    pub(super) async fn keep(&self, digest: &str, pulled: &Pulled) -> anyhow::Result<()> {
        let mut kept = Vec::new();
        for (digest, bytes) in [
            (pulled.layer.as_str(), &pulled.component),
            (digest, &pulled.manifest),
        ] {
            let path = oci::blob(&self.folder, digest).context("it has no digest")?;
            write(&path, bytes)
                .await
                .with_context(|| format!("writing {}", path.display()))?;
            kept.push(path);
        }
        let folder = blobs(&self.folder);
        tokio::task::spawn_blocking(move || make_room(&folder, &kept))
            .await?
            .context("removing what is old")
    }
}

fn blobs(folder: &Path) -> PathBuf {
    folder.join("blobs/sha256")
}

/// Whole or not at all.
async fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("part");
    tokio::fs::write(&part, bytes).await?;
    tokio::fs::rename(&part, path).await
}

/// The oldest go, but for those that were just written.
fn make_room(folder: &Path, kept: &[PathBuf]) -> std::io::Result<()> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        all.push(Blob {
            path: entry.path(),
            length: metadata.len(),
            written: metadata.modified()?,
        });
    }
    all.sort_by_key(|blob| blob.written);
    let mut total: u64 = all.iter().map(|blob| blob.length).sum();
    for blob in all.iter().filter(|blob| !kept.contains(&blob.path)) {
        if total <= MAX_STORE {
            break;
        }
        std::fs::remove_file(&blob.path)?;
        total -= blob.length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_go_where_there_is_no_room_and_what_was_just_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, length: u64, age: u64| {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            file.set_len(length).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .unwrap();
            path
        };
        let kept = put("kept", MAX_STORE / 2, 1000);
        let old = put("old", MAX_STORE / 2, 100);
        let new = put("new", MAX_STORE / 2, 10);
        make_room(folder.path(), std::slice::from_ref(&kept)).unwrap();
        assert!(kept.exists() && new.exists() && !old.exists());
        make_room(folder.path(), &[]).unwrap();
        assert!(kept.exists(), "what fits stays");
    }
}
