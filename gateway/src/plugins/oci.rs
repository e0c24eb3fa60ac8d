//! Components in an OCI image layout on disk, as `oras copy --to-oci-layout` writes it.
//!
//! ```text
//! digest ─▶ blobs/sha256/… manifest ─▶ its one WebAssembly layer ─▶ blobs/sha256/… component
//!               └ SHA-256 is checked          └ size and SHA-256 are checked
//! ```
//! Nothing else of the layout is looked at: `index.json` maps tags, and a tag is whatever somebody moved it to.
//! (OCI image-spec 1.1: image-layout.md, manifest.md, descriptor.md.)

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use serde::Deserialize;

use super::component::MAX_COMPONENT;
use super::digest::Digest;
use super::read;

/// Longest manifest that is read: what the distribution specification asks registries to take.
pub(super) const MAX_MANIFEST: u64 = 4 * 1024 * 1024;
/// Layers that are components: what `wkg oci push` writes, and what `wasm-to-oci` and older tools wrote.
const LAYERS: [&str; 2] = [
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
];
/// What the list of a manifest's layers is cut to in an error.
const SHOWN: usize = 200;

/// What is read of a manifest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    layers: Vec<Descriptor>,
    /// Of an index, which is no manifest.
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
}

/// The component of the artifact whose manifest has this digest.
///
/// # Errors
/// A blob is missing, too long, or not the one that its digest names; the artifact is no component's.
pub(super) async fn component(layout: &Path, digest: &str) -> anyhow::Result<Bytes> {
    let bytes = verified(layout, digest, MAX_MANIFEST)
        .await
        .context("the artifact's manifest")?;
    let layer = layer_of(&bytes, digest)?;
    let bytes = verified(layout, &layer.digest, layer.size)
        .await
        .context("the artifact's component")?;
    Ok(bytes.into())
}

/// The component that a manifest names, for those who bring blobs from elsewhere.
///
/// # Errors
/// It is no manifest, or none of one component that is short enough to be read.
pub(super) fn layer_of(manifest: &[u8], digest: &str) -> anyhow::Result<Descriptor> {
    let manifest: Manifest = serde_json::from_slice(manifest)
        .with_context(|| format!("the artifact {digest} is no OCI image manifest"))?;
    ensure!(
        manifest.manifests.is_none(),
        "{digest} is an index of several artifacts; name the digest of one manifest in it"
    );
    let layer = layer(manifest.layers)?;
    ensure!(
        layer.size <= MAX_COMPONENT,
        "the component has {} bytes by its manifest, at most {MAX_COMPONENT} are read",
        layer.size
    );
    let is_named = blob(Path::new(""), &layer.digest).is_some();
    ensure!(
        is_named,
        "{:?} is no SHA-256 digest, and no other is taken",
        cut(&layer.digest)
    );
    Ok(layer)
}

/// Where a blob is, if its digest is one.
pub(super) fn blob(layout: &Path, digest: &str) -> Option<PathBuf> {
    let hex = digest.strip_prefix("sha256:")?;
    let is_hex = hex.len() == 64
        && hex
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then(|| layout.join("blobs/sha256").join(hex))
}

fn layer(layers: Vec<Descriptor>) -> anyhow::Result<Descriptor> {
    let types: Vec<&str> = layers
        .iter()
        .map(|layer| layer.media_type.as_str())
        .collect();
    let types = cut(&types.join(", "));
    let mut components = layers
        .into_iter()
        .filter(|layer| LAYERS.contains(&layer.media_type.as_str()));
    match (components.next(), components.next()) {
        (Some(layer), None) => Ok(layer),
        (Some(_), Some(_)) => {
            bail!("the artifact has several components; push each as one of its own")
        }
        (None, _) => bail!(
            "the artifact has no layer of type {}, but {types:?}; push it with `wkg oci push`",
            LAYERS[0]
        ),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

async fn verified(layout: &Path, digest: &str, limit: u64) -> anyhow::Result<Vec<u8>> {
    let path = blob(layout, digest).with_context(|| {
        format!(
            "{:?} is no SHA-256 digest, and no other is taken",
            cut(digest)
        )
    })?;
    let bytes = read::bounded(&path, limit)
        .await
        .with_context(|| format!("reading the blob {}", path.display()))?;
    let found = Digest::of(&bytes);
    ensure!(
        path.ends_with(found.to_string()),
        "the blob {} has the SHA-256 {found}: it is damaged or was replaced; copy the artifact anew",
        path.display()
    );
    Ok(bytes)
}

#[cfg(test)]
mod tests;
