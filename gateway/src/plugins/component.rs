//! A component's bytes, from wherever its operator says, and never others than those that were meant.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use podgate_plugin_host as host;

use super::digest::Digest;
use super::{Sources, builtin, oci, read};
use crate::config::plugins::{Artifact, Component, Oci};

/// What is read at most: the host compiles no longer one.
pub(super) const MAX_COMPONENT: u64 = host::MAX_COMPONENT as u64;

/// The component and its digest.
///
/// # Errors
/// It cannot be read, or it is another one than the operator named.
pub(super) async fn read(
    component: &Component,
    sources: &Sources<'_>,
) -> anyhow::Result<(Digest, Bytes)> {
    let bytes = if let Some(name) = &component.builtin {
        built_in(name)?
    } else if let Some(oci) = &component.oci {
        artifact(oci, sources).await?
    } else if let (Some(file), Some(expected)) = (&component.file, &component.sha256) {
        return from_file(&sources.folder.join(file), expected).await;
    } else {
        bail!("component names neither a built-in nor a file nor an artifact");
    };
    Ok((Digest::of(&bytes), bytes))
}

/// What the component depends on, besides the plugins file.
pub(super) fn files(component: &Component, folder: &Path) -> impl Iterator<Item = PathBuf> {
    let file = component.file.as_ref().map(|file| folder.join(file));
    let manifest = match component.oci.as_ref().and_then(Oci::artifact) {
        Some(Artifact::Layout(layout, digest)) => oci::blob(&folder.join(layout), digest),
        Some(Artifact::Registry(_)) | None => None,
    };
    file.into_iter().chain(manifest)
}

async fn artifact(oci: &Oci, sources: &Sources<'_>) -> anyhow::Result<Bytes> {
    match oci.artifact().context("component.oci names no artifact")? {
        Artifact::Layout(layout, digest) => {
            oci::component(&sources.folder.join(layout), digest).await
        }
        Artifact::Registry(image) => {
            let registries = sources.registries.context("no registry is asked here")?;
            registries.component(image).await
        }
    }
}

fn built_in(name: &str) -> anyhow::Result<Bytes> {
    builtin::component(name).with_context(|| {
        let names = builtin::NAMES.join(", ");
        format!("there is no built-in component {name}; there are {names}")
    })
}

async fn from_file(path: &Path, expected: &str) -> anyhow::Result<(Digest, Bytes)> {
    let bytes = read::bounded(path, MAX_COMPONENT)
        .await
        .with_context(|| format!("reading component {}", path.display()))?;
    let found = Digest::of(&bytes);
    ensure!(
        found.is(expected),
        "component {} has the SHA-256 {found}, but sha256 says {expected}; if the new file is meant, put its \
         digest into the plugins file",
        path.display()
    );
    Ok((found, bytes.into()))
}
