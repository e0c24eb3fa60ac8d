//! Where an image comes from: its labels, its list of materials (CycloneDX 1.5) and its provenance (in-toto, SLSA 1.0).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value as Json, json};

use super::library::read;
use super::oci::{Image, digest};
use super::toolchain::Toolchain;
use crate::process::{cargo, output, probe};
use crate::workspace::{NATIVE, PLUGINS, root};

const HOME: &str = env!("CARGO_PKG_REPOSITORY");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The sources, as git and cargo know them.
pub(crate) struct Source {
    /// With `-dirty` where files differ from it.
    revision: String,
    compiler: String,
    lock: String,
}

impl Source {
    /// # Errors
    /// The lock file cannot be read.
    pub(crate) fn read() -> Result<Self> {
        let unknown = || "unknown".to_owned();
        Ok(Self {
            revision: git(&[
                "describe",
                "--always",
                "--abbrev=40",
                "--dirty",
                "--exclude=*",
            ])
            .unwrap_or_else(unknown),
            compiler: probe("rustc", &["--version"]).unwrap_or_else(unknown),
            lock: digest(&read(&root().join("Cargo.lock"))?),
        })
    }

    /// `org.opencontainers.image.*`
    pub(crate) fn labels(&self, name: &str, about: &str) -> BTreeMap<String, String> {
        let labels = [
            ("title", format!("podgate/{name}")),
            ("description", about.to_owned()),
            ("version", VERSION.to_owned()),
            ("revision", self.revision.clone()),
            ("source", HOME.to_owned()),
            ("url", HOME.to_owned()),
            ("licenses", env!("CARGO_PKG_LICENSE").to_owned()),
            ("vendor", "podgate".to_owned()),
        ];
        let long =
            |(key, value): (&str, String)| (format!("org.opencontainers.image.{key}"), value);
        labels.into_iter().map(long).collect()
    }

    /// A statement to be signed by whoever publishes the image: it is true only as far as this machine is.
    pub(crate) fn provenance(&self, reference: &str, image: &str, toolchain: &Toolchain) -> Json {
        let bare = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": reference, "digest": { "sha256": bare(image) } }],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": format!("{HOME}/xtask/images/v1"),
                    "externalParameters": { "command": "cargo xtask images", "arch": toolchain.arch().name() },
                    "internalParameters": { "compiler": self.compiler, "target": toolchain.triple() },
                    "resolvedDependencies": [
                        { "uri": format!("git+{HOME}"), "digest": { "gitCommit": self.revision } },
                        { "uri": "Cargo.lock", "digest": { "sha256": bare(&self.lock) } },
                    ],
                },
                "runDetails": { "builder": { "id": format!("{HOME}/xtask") } },
            },
        })
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(root())
        .args(arguments)
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}

/// The crates that are compiled into the image's program and into the components inside of it, and the files that were
/// copied from the build machine.
///
/// # Errors
/// Cargo cannot tell.
pub(crate) fn list(name: &str, package: &str, triple: &str, image: &Image) -> Result<Json> {
    let mut components = crates(&metadata(NATIVE, triple)?, &|root| root == package)?;
    if package == "podgate-gateway" {
        components.append(&mut crates(
            &metadata(PLUGINS, "wasm32-unknown-unknown")?,
            &|_| true,
        )?);
    }
    let mut components: Vec<Json> = components.into_values().collect();
    for (path, bytes) in image.layers.iter().flat_map(|layer| layer.tree.files()) {
        let hash = digest(bytes).trim_start_matches("sha256:").to_owned();
        components.push(json!({ "type": "file", "name": path, "hashes": [{ "alg": "SHA-256", "content": hash }] }));
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "container",
            "name": format!("podgate/{name}"),
            "version": VERSION,
            "licenses": [{ "expression": env!("CARGO_PKG_LICENSE") }],
        } },
        "components": components,
    }))
}

fn metadata(workspace: &str, triple: &str) -> Result<Json> {
    let mut cargo = cargo(root().join(workspace));
    cargo.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        triple,
    ]);
    serde_json::from_str(&output(&mut cargo)?).context("what `cargo metadata` says")
}

/// The crates that the workspace's chosen packages reach by normal dependencies, by their purl.
fn crates(metadata: &Json, is_root: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, Json>> {
    let packages: BTreeMap<&str, &Json> = by_id(&metadata["packages"]);
    let nodes: BTreeMap<&str, &Json> = by_id(&metadata["resolve"]["nodes"]);
    let members = metadata["workspace_members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str);
    let mut waiting: Vec<&str> = members
        .filter(|id| {
            packages
                .get(id)
                .and_then(|it| it["name"].as_str())
                .is_some_and(is_root)
        })
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if seen.insert(id) {
            let node = nodes
                .get(id)
                .with_context(|| format!("cargo resolves no {id}"))?;
            waiting.extend(
                node["deps"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|it| is_normal(it))
                    .filter_map(|it| it["pkg"].as_str()),
            );
        }
    }
    Ok(seen
        .into_iter()
        .filter_map(|id| packages.get(id))
        .map(|package| component(package))
        .collect())
}

fn by_id(list: &Json) -> BTreeMap<&str, &Json> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| Some((it["id"].as_str()?, it)))
        .collect()
}

/// Not only for tests or build scripts.
fn is_normal(dependency: &Json) -> bool {
    dependency["dep_kinds"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|kind| kind["kind"].is_null())
}

fn component(package: &Json) -> (String, Json) {
    let (name, version) = (
        package["name"].as_str().unwrap_or_default(),
        package["version"].as_str().unwrap_or_default(),
    );
    let purl = format!("pkg:cargo/{name}@{version}");
    let mut component = json!({ "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl });
    if let Some(licence) = package["license"].as_str() {
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    (purl, component)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_metadata() -> Json {
        let package = |name: &str| json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0" });
        let dependency =
            |name: &str, kind: Json| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        json!({
            "packages": [package("own"), package("linked"), package("only-tests"), package("other")],
            "workspace_members": ["own", "other"],
            "resolve": { "nodes": [
                { "id": "own", "deps": [dependency("linked", Json::Null), dependency("only-tests", json!("dev"))] },
                { "id": "linked", "deps": [] },
                { "id": "only-tests", "deps": [] },
                { "id": "other", "deps": [] },
            ] },
        })
    }

    #[test]
    fn only_what_is_compiled_in_is_listed() {
        let found = crates(&mk_metadata(), &|name| name == "own").unwrap();
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            ["pkg:cargo/linked@1.0.0", "pkg:cargo/own@1.0.0"]
        );
        let licence = &found["pkg:cargo/linked@1.0.0"]["licenses"][0]["expression"];
        assert_eq!(licence, "MIT OR Apache-2.0");
    }

    #[test]
    fn the_gateways_list_has_its_tls_library_and_not_its_tests() {
        let metadata = metadata(NATIVE, "x86_64-unknown-linux-gnu").unwrap();
        let found = crates(&metadata, &|name| name == "podgate-gateway").unwrap();
        let has = |name: &str| {
            found
                .keys()
                .any(|purl| purl.starts_with(&format!("pkg:cargo/{name}@")))
        };
        assert!(has("rustls") && has("wasmtime") && has("kube"));
        assert!(!has("podgate-testkit") && !has("proptest"));
    }

    #[test]
    fn provenance_names_the_image_by_its_digest() {
        let source = Source {
            revision: "abc".into(),
            compiler: "rustc".into(),
            lock: "sha256:1".into(),
        };
        let toolchain = Toolchain::find(crate::cli::Arch::host()).unwrap();
        let statement = source.provenance("docker.io/podgate/gateway:1", "sha256:2", &toolchain);
        assert_eq!(statement["subject"][0]["digest"]["sha256"], "2");
        let sources = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
        assert_eq!(sources[0]["digest"]["gitCommit"], "abc");
    }
}
