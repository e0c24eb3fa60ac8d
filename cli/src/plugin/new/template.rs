//! The templates, which `cargo generate` takes as well: `examples/plugins/templates`.

use crate::plugin::Kind;

/// A path in the project, and what it is filled with.
type File = (&'static str, &'static str);

/// Files of one template, by their paths in it.
macro_rules! files {
    ($kind:literal: $($path:literal),* $(,)?) => {
        &[$((
            $path,
            include_str!(concat!("../../../../examples/plugins/templates/", $kind, "/", $path)),
        )),*]
    };
}

/// Those that all have.
macro_rules! template {
    ($kind:literal) => {
        files!($kind:
            "Cargo.toml",
            "Cargo.lock",
            "README.md",
            "cases.yaml",
            "build.rs",
            ".gitignore",
            ".cargo/config.toml",
            "src/lib.rs",
            "src/guest.rs",
            "wit/types/clock.wit",
            "wit/types/http.wit",
            "wit/types/keys.wit",
            "wit/types/log.wit",
            "wit/types/model.wit",
            "wit/types/service-account.wit",
        )
    };
}

const POLICY: &[File] = template!("policy");
const POLICY_WIT: &[File] = files!("policy": "wit/policy/policy.wit");
const CREDENTIAL: &[File] = template!("credential");
const CREDENTIAL_WIT: &[File] = files!("credential": "wit/credential/credential.wit");
const CACHE: &[File] = template!("cache");
const CACHE_WIT: &[File] = files!("cache": "wit/cache/cache.wit");

/// Every file of a project of this kind.
pub(super) fn files(kind: Kind) -> impl Iterator<Item = File> {
    let (files, wit) = match kind {
        Kind::Policy => (POLICY, POLICY_WIT),
        Kind::Credential => (CREDENTIAL, CREDENTIAL_WIT),
        Kind::Cache => (CACHE, CACHE_WIT),
    };
    files.iter().chain(wit).copied()
}

/// `cargo generate`'s placeholders, of which two are used.
pub(super) fn filled_in(text: &str, name: &str) -> String {
    text.replace("{{project-name}}", name)
        .replace("{{crate_name}}", &crate_name(name))
}

/// What cargo calls the library.
pub(super) fn crate_name(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    const KINDS: [(Kind, &str); 3] = [
        (Kind::Policy, "policy"),
        (Kind::Credential, "credential"),
        (Kind::Cache, "cache"),
    ];

    fn folder(kind: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../examples/plugins/templates")
            .join(kind)
    }

    fn listed(root: &Path, folder: &Path, into: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => listed(root, &path, into),
                false => {
                    let path = path.strip_prefix(root).unwrap();
                    into.insert(path.to_str().unwrap().to_owned());
                }
            }
        }
    }

    #[test]
    fn a_project_has_every_file_of_its_template() {
        for (kind, name) in KINDS {
            let mut there = BTreeSet::new();
            listed(&folder(name), &folder(name), &mut there);
            there.remove("cargo-generate.toml");
            let written: BTreeSet<_> = files(kind).map(|(path, _)| path.to_owned()).collect();
            assert_eq!(written, there, "{name}");
        }
    }

    #[test]
    fn only_files_that_cargo_generate_fills_in_have_placeholders() {
        for (kind, name) in KINDS {
            for (path, text) in files(kind) {
                let is_filled = ["Cargo.toml", "Cargo.lock", "README.md"].contains(&path);
                assert_eq!(text.contains("{{"), is_filled, "{name}/{path}");
                assert!(!filled_in(text, "a-b").contains("{{"), "{name}/{path}");
            }
        }
    }

    #[test]
    fn the_interfaces_of_a_project_are_those_of_this_version() {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        for (kind, name) in KINDS {
            for (path, text) in files(kind) {
                if let Some(path) = path.strip_prefix("wit/") {
                    let published = std::fs::read_to_string(wit.join(path)).unwrap();
                    assert_eq!(text, published, "{name}: run `cargo xtask wit`");
                }
            }
            let guest = folder(name).join("../../guest.rs");
            let guest = std::fs::read_to_string(guest).unwrap();
            let own = files(kind)
                .find(|(path, _)| *path == "src/guest.rs")
                .unwrap();
            assert_eq!(own.1, guest, "{name}: run `cargo xtask wit`");
        }
    }
}
