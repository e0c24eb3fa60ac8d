//! The components of `tests/guests` as entries of a plugins file.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::misdeed::{Kind, Misdeed};

/// Where they are built for.
const TARGET: &str = "wasm32-unknown-unknown/release";
/// Calls of credential plugins; the default of 15 s is for authorities across the world.
const CALL: &str = "500ms";

/// Built components, and a server that takes connections and says nothing.
pub struct Guests {
    folder: PathBuf,
    digests: [String; 3],
    silent: TcpListener,
}

impl Guests {
    /// Those under the target folder of their workspace.
    pub fn at(folder: &Path) -> Result<Self> {
        let digest = |kind: Kind| sha256(&folder.join(component(kind)));
        Ok(Self {
            folder: folder.to_owned(),
            digests: [
                digest(Kind::Policy(super::misdeed::OnFailure::Deny))?,
                digest(Kind::Credential)?,
                digest(Kind::Cache { keeps: true })?,
            ],
            silent: TcpListener::bind("127.0.0.1:0")?,
        })
    }

    /// A guest under the misdeed's name and on its terms, which does the misdeed or behaves.
    pub fn entry(&self, misdeed: &Misdeed, misbehaves: bool) -> Result<Value> {
        let settings = match misbehaves {
            true => self.settings(misdeed)?,
            false => json!({}),
        };
        let mut entry = self.plain(&misdeed.name(), misdeed.kind, &settings);
        match misdeed.kind {
            Kind::Policy(on_failure) => {
                entry["onFailure"] = json!(on_failure.word());
                entry["grants"] = json!({"clock": true});
                entry["scope"] = json!({"labels": {super::chain::LABEL: misdeed.name()}});
            }
            Kind::Credential => {
                let silent = self.silent.local_addr()?.to_string();
                entry["grants"] = json!({"clock": true, "http": [silent]});
                entry["limits"] = json!({"call": CALL});
            }
            Kind::Cache { .. } => {}
        }
        Ok(entry)
    }

    /// A policy that passes everything, and is asked each time since it may look at the clock.
    pub fn healthy(&self, name: &str) -> Value {
        let kind = Kind::Policy(super::misdeed::OnFailure::Deny);
        let mut entry = self.plain(name, kind, &json!({}));
        entry["grants"] = json!({"clock": true});
        entry
    }

    fn settings(&self, misdeed: &Misdeed) -> Result<Value> {
        let mode = misdeed.mode;
        Ok(match mode {
            "hang-in-http" => {
                json!({"mode": mode, "url": format!("https://{}/", self.silent.local_addr()?)})
            }
            "flood" => json!({"mode": mode, "lines": 500}),
            _ => json!({"mode": mode}),
        })
    }

    fn plain(&self, name: &str, kind: Kind, settings: &Value) -> Value {
        let [policy, credential, cache] = &self.digests;
        let sha256 = match kind {
            Kind::Policy(_) => policy,
            Kind::Credential => credential,
            Kind::Cache { .. } => cache,
        };
        let file = self.folder.join(component(kind));
        json!({"name": name, "component": {"file": file, "sha256": sha256}, "settings": settings})
    }
}

fn component(kind: Kind) -> String {
    let name = match kind {
        Kind::Policy(_) => "policy",
        Kind::Credential => "credential",
        Kind::Cache { .. } => "cache",
    };
    format!("{TARGET}/misbehaving_{name}.wasm")
}

/// By the command that the documentation names.
fn sha256(file: &Path) -> Result<String> {
    let output = Command::new("sha256sum").arg(file).output()?;
    ensure!(
        output.status.success(),
        "{} is not there; build it with `cargo xtask plugins`",
        file.display()
    );
    let text = String::from_utf8(output.stdout)?;
    let digest = text.split_whitespace().next();
    Ok(digest.context("sha256sum said nothing")?.to_owned())
}
