//! The formats: an OCI image layout (image-spec 1.1), which registries' tools push, and the archive that `docker load` and
//! `ctr images import` read. Both have the same configuration, so both are the same image.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::tree::Tree;
use crate::cli::Arch;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The time of everything: an image says by its label `revision` how old it is.
const EPOCH: &str = "1970-01-01T00:00:00Z";
const PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// Files that are added together.
pub(crate) struct Layer {
    pub(crate) about: &'static str,
    pub(crate) tree: Tree,
}

/// An image that is not written yet.
pub(crate) struct Image {
    pub(crate) arch: Arch,
    pub(crate) layers: Vec<Layer>,
    pub(crate) user: &'static str,
    pub(crate) entrypoint: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// What was written.
#[derive(Debug, PartialEq)]
pub(crate) struct Written {
    /// Of the manifest, as registries know the image.
    pub(crate) digest: String,
    /// Of all layers together, packed.
    pub(crate) packed: usize,
}

/// `sha256:…`
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Layer {
    pub(crate) fn new(about: &'static str, tree: Tree) -> Self {
        Self { about, tree }
    }
}

impl Image {
    /// The sum of its files.
    pub(crate) fn unpacked(&self) -> usize {
        self.layers
            .iter()
            .flat_map(|layer| layer.tree.files())
            .map(|(_, bytes)| bytes.len())
            .sum()
    }

    /// Writes the layout into `folder` and the archive beside it, and takes what was there before away.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn write(&self, folder: &Path, reference: &str) -> Result<Written> {
        let archives = self
            .layers
            .iter()
            .map(|layer| layer.tree.archive())
            .collect::<Result<Vec<_>>>()?;
        let config = self.config(&archives).to_string().into_bytes();
        let packed = archives
            .iter()
            .map(|archive| pack(archive))
            .collect::<Result<Vec<_>>>()?;
        let manifest = manifest(&config, &packed).to_string().into_bytes();
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("removing the old {}", folder.display()))?;
        }
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).with_context(|| format!("making {}", blobs.display()))?;
        for blob in packed.iter().chain([&config, &manifest]) {
            put(
                &blobs.join(digest(blob).trim_start_matches("sha256:")),
                blob,
            )?;
        }
        put(
            &folder.join("oci-layout"),
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        put(
            &folder.join("index.json"),
            self.index(&manifest, reference).to_string().as_bytes(),
        )?;
        put(
            &folder.with_extension("tar"),
            &archive(&config, &archives, reference)?,
        )?;
        let packed = packed.iter().map(Vec::len).sum();
        Ok(Written {
            digest: digest(&manifest),
            packed,
        })
    }

    /// Writes the archive alone: whoever imports it needs no packed layers.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write_archive(&self, path: &Path, reference: &str) -> Result<()> {
        let archives = self
            .layers
            .iter()
            .map(|layer| layer.tree.archive())
            .collect::<Result<Vec<_>>>()?;
        let config = self.config(&archives).to_string().into_bytes();
        put(path, &archive(&config, &archives, reference)?)
    }

    fn config(&self, archives: &[Vec<u8>]) -> Json {
        let history: Vec<Json> = self
            .layers
            .iter()
            .map(|layer| json!({ "created": EPOCH, "created_by": format!("cargo xtask images: {}", layer.about) }))
            .collect();
        json!({
            "architecture": self.arch.name(),
            "os": "linux",
            "created": EPOCH,
            "config": {
                "User": self.user,
                "Env": [PATH],
                "Entrypoint": [self.entrypoint],
                "WorkingDir": "/",
                "Labels": self.labels,
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": archives.iter().map(|archive| digest(archive)).collect::<Vec<_>>(),
            },
            "history": history,
        })
    }

    fn index(&self, manifest: &[u8], reference: &str) -> Json {
        let mut entry = descriptor(MANIFEST, manifest);
        entry["platform"] = json!({ "architecture": self.arch.name(), "os": "linux" });
        let tag = reference.rsplit(':').next().unwrap_or_default();
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag, "io.containerd.image.name": reference });
        json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] })
    }
}

fn manifest(config: &[u8], layers: &[Vec<u8>]) -> Json {
    let layers: Vec<Json> = layers
        .iter()
        .map(|layer| descriptor(LAYER, layer))
        .collect();
    json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, config), "layers": layers })
}

fn descriptor(kind: &str, bytes: &[u8]) -> Json {
    json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() })
}

/// Without a name or a time in its header.
fn pack(archive: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    gzip.write_all(archive)?;
    Ok(gzip.finish()?)
}

/// The archive's layers are not packed: whoever reads it has it on a disk.
fn archive(config: &[u8], layers: &[Vec<u8>], reference: &str) -> Result<Vec<u8>> {
    let bare = |bytes: &[u8]| digest(bytes).trim_start_matches("sha256:").to_owned();
    let mut tree = Tree::default();
    let config_name = format!("{}.json", bare(config));
    tree.file(&format!("/{config_name}"), config.to_vec(), 0o644);
    let mut names = Vec::new();
    for layer in layers {
        let name = format!("{}/layer.tar", bare(layer));
        tree.file(&format!("/{name}"), layer.clone(), 0o644);
        names.push(name);
    }
    let manifest = json!([{ "Config": config_name, "RepoTags": [reference], "Layers": names }]);
    tree.file("/manifest.json", manifest.to_string().into_bytes(), 0o644);
    tree.archive()
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests;
