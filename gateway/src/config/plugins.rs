//! The plugins file: which components run, in which order, with which settings and grants.
//!
//! It is the value of `plugins.yaml` in the gateway's ConfigMap; components that are not built in stand
//! beside it, in `binaryData`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use thiserror::Error;

use crate::policy::{Mode, OnFailure, Scope};

mod image;
mod nearest;

pub use image::{Image, InvalidImage};

/// The built-in plugins, configured as they are without a file.
pub const DEFAULT: &str = include_str!("plugins/default.yaml");
/// A ConfigMap holds 1 MiB in all.
pub(crate) const MAX_FILE: usize = 1024 * 1024;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plugins {
    /// The policy chain, in order.
    #[serde(default)]
    pub policy: Vec<Plugin>,
    /// The way to tokens for identities of type 2; at most one.
    #[serde(default)]
    pub credential: Vec<Plugin>,
    /// How long tokens are kept; at most one.
    #[serde(default)]
    pub cache: Vec<Plugin>,
}

/// One plugin.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plugin {
    /// Its name in logs and metrics.
    pub name: String,
    /// Where its component comes from.
    pub component: Component,
    /// Its own settings, handed to it as JSON.
    #[serde(default = "empty")]
    pub settings: Value,
    /// What it may do besides deciding.
    #[serde(default)]
    pub grants: Grants,
    /// Bounds, where the defaults do not fit.
    #[serde(default)]
    pub limits: Limits,
    /// How long its instances live; of policies and cache plugins only.
    #[serde(default)]
    pub instances: Instances,
    /// What its failure means; of policies only.
    #[serde(default)]
    pub on_failure: Option<OnFailure>,
    /// Whether its verdicts count; of policies only.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// The pods that it is asked about; of policies only.
    #[serde(default)]
    pub scope: Option<Scope>,
}

/// Where a component comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Component {
    /// One that is part of the gateway.
    #[serde(default)]
    pub builtin: Option<String>,
    /// A file, relative to the plugins file's folder.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The SHA-256 of the file, in hexadecimal. Mandatory: whoever can swap the file must not decide.
    #[serde(default)]
    pub sha256: Option<String>,
    /// An OCI artifact.
    #[serde(default)]
    pub oci: Option<Oci>,
}

/// An OCI artifact: in an image layout on disk (a folder with `blobs/sha256/…`), or in a registry.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Oci {
    /// The layout's folder, relative to the plugins file's.
    #[serde(default)]
    pub layout: Option<PathBuf>,
    /// Of the artifact's manifest in the layout, as `sha256:…`: it names everything else by digest.
    #[serde(default)]
    pub digest: Option<String>,
    /// The artifact in a registry.
    #[serde(default)]
    pub image: Option<Image>,
}

/// Where an OCI artifact is.
#[derive(Clone, Copy, Debug)]
pub enum Artifact<'a> {
    /// In an image layout: its folder and the manifest's digest.
    Layout(&'a Path, &'a str),
    /// In a registry.
    Registry(&'a Image),
}

impl Oci {
    /// The one place that it names; none where [`Plugins::parse`] would have refused it.
    pub fn artifact(&self) -> Option<Artifact<'_>> {
        match (&self.layout, &self.digest, &self.image) {
            (Some(layout), Some(digest), None) => Some(Artifact::Layout(layout, digest)),
            (None, None, Some(image)) => Some(Artifact::Registry(image)),
            _ => None,
        }
    }
}

/// What a plugin may do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grants {
    /// Read the clock.
    #[serde(default)]
    pub clock: bool,
    /// Hosts it may call, as `host` or `host:port`.
    #[serde(default)]
    pub http: Vec<String>,
    /// Audiences of tokens of the gateway's own service account; of credential plugins only.
    #[serde(default)]
    pub service_account: Vec<String>,
    /// Let requests through to the node's own identities.
    #[serde(default)]
    pub bypass: bool,
}

/// How long instances live.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Instances {
    /// For one call.
    #[default]
    Fresh,
    /// For many.
    Kept,
}

/// Bounds of a plugin.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Memory, in MiB.
    #[serde(default, rename = "memoryMiB")]
    pub memory_mib: Option<usize>,
    /// One call with its waits, as in `2s`.
    #[serde(default, deserialize_with = "duration")]
    pub call: Option<Duration>,
    /// What one call may have of a processor, as in `100ms`.
    #[serde(default, deserialize_with = "duration")]
    pub cpu: Option<Duration>,
}

/// Why a plugins file cannot be used.
#[derive(Debug, Error)]
#[error("plugins file: {0}")]
pub struct InvalidPlugins(String);

impl Plugins {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The place, what is wrong and, for a key that is unknown, the nearest one that is right.
    pub fn parse(text: &str) -> Result<Self, InvalidPlugins> {
        if text.len() > MAX_FILE {
            return Err(InvalidPlugins(format!("longer than {MAX_FILE} bytes")));
        }
        let plugins: Option<Self> = serde_saphyr::from_str(text)
            .map_err(|error| InvalidPlugins(nearest::explain(&error.to_string())))?;
        // Whoever is just writing the file, or has commented all of it out, did not mean to take every policy away.
        let plugins = plugins.ok_or_else(|| {
            InvalidPlugins("it is empty; write `{}` where no plugin is to run".to_owned())
        })?;
        plugins.check().map_err(InvalidPlugins)?;
        Ok(plugins)
    }

    fn check(&self) -> Result<(), String> {
        for (kind, plugins) in [("credential", &self.credential), ("cache", &self.cache)] {
            if plugins.len() > 1 {
                return Err(format!(
                    "{kind}: {} plugins, at most one can answer",
                    plugins.len()
                ));
            }
            for plugin in plugins {
                plugin.check_is_no_policy(kind)?;
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for plugin in self.all() {
            plugin.check()?;
            if !names.insert(&plugin.name) {
                return Err(format!("the name {} is there twice", plugin.name));
            }
        }
        Ok(())
    }

    /// All of them: policies in order, then the others.
    pub fn all(&self) -> impl Iterator<Item = &Plugin> {
        self.policy
            .iter()
            .chain(&self.credential)
            .chain(&self.cache)
    }
}

impl Plugin {
    fn check(&self) -> Result<(), String> {
        let named = !self.name.is_empty()
            && self.name.len() <= 63
            && self
                .name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !named {
            return Err(format!(
                "name {:?}: 1 to 63 letters, digits, '-', '.' and '_'",
                self.name
            ));
        }
        let source = &self.component;
        match (&source.builtin, &source.file, &source.sha256, &source.oci) {
            (Some(_), None, None, None) | (None, Some(_), Some(_), None) => {}
            (None, None, None, Some(oci)) => self.check_oci(oci)?,
            (None, Some(_), None, None) => {
                return Err(format!(
                    "{}: component.sha256 is missing; take it from `sha256sum FILE`",
                    self.name
                ));
            }
            _ => {
                return Err(format!(
                    "{}: component is either `builtin: NAME`, or `file: PATH` with `sha256: DIGEST`, or \
                     `oci` with `layout` and `digest`, or with `image`",
                    self.name
                ));
            }
        }
        let scope = self.scope.as_ref();
        scope.map_or(Ok(()), |scope| {
            scope.check().map_err(|cause| self.wrong("scope", &cause))
        })
    }

    fn check_oci(&self, oci: &Oci) -> Result<(), String> {
        match oci.artifact() {
            Some(Artifact::Registry(_)) => Ok(()),
            Some(Artifact::Layout(_, digest)) if image::is_digest(digest) => Ok(()),
            Some(Artifact::Layout(..)) => Err(self.wrong(
                "component.oci.digest",
                "write the manifest's, as `sha256:` and 64 digits in lower case; a tag is not enough",
            )),
            None => Err(self.wrong(
                "component.oci",
                "write `layout: FOLDER` with `digest: DIGEST`, or `image: REGISTRY/NAME@sha256:DIGEST`",
            )),
        }
    }

    fn check_is_no_policy(&self, kind: &str) -> Result<(), String> {
        let keys = [
            ("onFailure", self.on_failure.is_some()),
            ("mode", self.mode.is_some()),
            ("scope", self.scope.is_some()),
        ];
        match keys.iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((key, _)) => Err(format!("{kind}/{}: {key} is for policies only", self.name)),
        }
    }

    fn wrong(&self, key: &str, cause: &str) -> String {
        format!("{}: {key}: {cause}", self.name)
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    super::seconds_or_unit(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

#[cfg(test)]
mod tests;
