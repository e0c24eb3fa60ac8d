//! The WIT packages as files that registry tools take; `cargo xtask wit` runs it.
//!
//! ```text
//! wit/{types,policy,credential,cache} ─▶ compared with the last of wit/released ─▶ target/wit: a registry of files
//!                                    └─▶ copied into the templates of examples/plugins
//! ```
//! A registry of files is what wasm-pkg-tools calls local: `<root>/<namespace>/<name>/<version>.wasm`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use semver::Version;
use wit_component::{DecodedWasm, OutputToString, WitPrinter};
use wit_parser::{PackageId, Resolve, WorldId};

/// The packages with a world, each of its name.
const WORLDS: [&str; 3] = ["policy", "credential", "cache"];
/// The package that they share.
const TYPES: &str = "types";
/// What every template has besides.
const GUEST: &str = "guest.rs";

/// One package, as it is in wit/ or as it was released.
struct Package {
    name: &'static str,
    version: Version,
    resolve: Resolve,
    id: PackageId,
}

fn main() -> Result<()> {
    let option = std::env::args().nth(1);
    let is_release = option.as_deref() == Some("--release");
    let packages = packages()?;
    for package in &packages {
        compare_with_released(package, is_release)?;
    }
    match option.as_deref() {
        None => write(&packages),
        Some("--check") => copies(prove_copy),
        Some("--release") => release(&packages),
        Some(other) => bail!("there is no option {other}; only --check and --release"),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

// === packages ===

fn packages() -> Result<Vec<Package>> {
    let names = std::iter::once(TYPES).chain(WORLDS);
    names.map(Package::read).collect()
}

impl Package {
    fn read(name: &'static str) -> Result<Self> {
        let mut resolve = Resolve::default();
        let (mut id, _) = resolve.push_dir(root().join("wit").join(TYPES))?;
        if name != TYPES {
            (id, _) = resolve.push_dir(root().join("wit").join(name))?;
        }
        Self::new(name, resolve, id)
    }

    fn released(name: &'static str, version: &Version) -> Result<Self> {
        let file = released(name).join(format!("{version}.wasm"));
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        match wit_component::decode(&bytes)? {
            DecodedWasm::WitPackage(resolve, id) => Self::new(name, resolve, id),
            DecodedWasm::Component(..) => bail!("{} is no WIT package", file.display()),
        }
    }

    fn new(name: &'static str, resolve: Resolve, id: PackageId) -> Result<Self> {
        let said = &resolve.packages[id].name;
        ensure!(
            said.namespace == "podgate" && said.name == name,
            "wit/{name} says that it is {said}"
        );
        let version = said.version.clone();
        let version = version.with_context(|| format!("{said} has no version"))?;
        Ok(Self {
            name,
            version,
            resolve,
            id,
        })
    }

    fn world(&self) -> Result<WorldId> {
        let worlds = &self.resolve.packages[self.id].worlds;
        let world = worlds.get(self.name).copied();
        world.with_context(|| format!("podgate:{0} has no world {0}", self.name))
    }

    /// Without its documentation, of which each release may have a better one.
    fn interface(&self) -> Result<String> {
        let mut printer = WitPrinter::<OutputToString>::default();
        printer.emit_docs(false);
        printer.print(&self.resolve, self.id, &[])?;
        Ok(printer.output.to_string())
    }

    fn encoded(&self) -> Result<Vec<u8>> {
        wit_component::encode(&self.resolve, self.id)
            .with_context(|| format!("writing podgate:{} as WebAssembly", self.name))
    }
}

// === compatibility ===

fn released(name: &str) -> PathBuf {
    root().join("wit/released/podgate").join(name)
}

/// The versions that were released, in order.
fn versions(name: &str) -> Result<Vec<Version>> {
    let folder = released(name);
    let mut versions = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        versions.push(stem.parse().with_context(|| path.display().to_string())?);
    }
    versions.sort();
    Ok(versions)
}

fn compare_with_released(package: &Package, is_release: bool) -> Result<()> {
    let Some(last) = versions(package.name)?.pop() else {
        // There is a first time.
        ensure!(
            is_release,
            "podgate:{} was never released: run `cargo xtask wit --release`",
            package.name
        );
        return Ok(());
    };
    let before = Package::released(package.name, &last)?;
    check_upgrade(&before, package)
}

/// What was built for the released version has to load still, as long as the version says so.
fn check_upgrade(before: &Package, now: &Package) -> Result<()> {
    let (name, old, new) = (now.name, &before.version, &now.version);
    ensure!(
        new >= old,
        "podgate:{name}@{new} is older than what was released, {old}"
    );
    if new == old {
        ensure!(
            before.interface()? == now.interface()?,
            "podgate:{name}@{new} was released and is another interface now: give it a new version"
        );
        return Ok(());
    }
    let is_a_line =
        |a: &Version, b: &Version| a.major == b.major && (a.major > 0 || a.minor == b.minor);
    if name == TYPES || !is_a_line(old, new) {
        return Ok(());
    }
    upgrade(before, now).with_context(|| {
        format!(
            "podgate:{name}@{new} breaks what was built for {old}: add what is new and leave the rest as it is, or \
             begin a new line (0.{}.0)",
            old.minor + 1
        )
    })
}

/// By the worlds, which contain what they use of the shared package.
fn upgrade(before: &Package, now: &Package) -> Result<()> {
    let mut resolve = now.resolve.clone();
    let remap = resolve.merge(before.resolve.clone())?;
    let before = remap.map_world(before.world()?, Default::default())?;
    wit_component::semver_check(resolve, before, now.world()?)
}

// === files ===

fn write(packages: &[Package]) -> Result<()> {
    let registry = root().join("target/wit/registry");
    for package in packages {
        let folder = registry.join("podgate").join(package.name);
        fs::create_dir_all(&folder)?;
        for version in versions(package.name)? {
            let file = format!("{version}.wasm");
            fs::copy(released(package.name).join(&file), folder.join(&file))?;
        }
        // What was released is what everybody has.
        let file = folder.join(format!("{}.wasm", package.version));
        if !released(package.name)
            .join(format!("{}.wasm", package.version))
            .exists()
        {
            fs::write(&file, package.encoded()?)?;
        }
        println!("podgate:{}@{}", package.name, package.version);
    }
    let registry = registry.canonicalize()?;
    let config = root().join("target/wit/config.toml");
    fs::write(&config, configuration(&registry))?;
    println!("a registry of files: {}", registry.display());
    copies(write_copy)
}

/// What CARGO_COMPONENT_CONFIG_FILE and WKG_CONFIG_FILE are to name.
fn configuration(registry: &Path) -> String {
    format!(
        "\
[namespace_registries]
podgate = \"files.podgate.test\"

[registry.\"files.podgate.test\".local]
root = {:?}
",
        registry.display().to_string()
    )
}

/// Never over one that is there: it was released.
fn release(packages: &[Package]) -> Result<()> {
    for package in packages {
        let file = released(package.name).join(format!("{}.wasm", package.version));
        if !file.exists() {
            fs::write(&file, package.encoded()?)?;
            println!("released podgate:{}@{}", package.name, package.version);
        }
    }
    Ok(())
}

/// The files that templates have of others, each with the place it comes from.
fn copies(each: fn(&Path, &Path) -> Result<()>) -> Result<()> {
    let examples = root().join("examples/plugins");
    for world in WORLDS {
        let template = examples.join("templates").join(world);
        each(&examples.join(GUEST), &template.join("src").join(GUEST))?;
        for package in [TYPES, world] {
            let own = template.join("wit").join(package);
            for entry in fs::read_dir(root().join("wit").join(package))? {
                let original = entry?.path();
                each(
                    &original,
                    &own.join(original.file_name().unwrap_or_default()),
                )?;
            }
        }
    }
    Ok(())
}

fn write_copy(original: &Path, copy: &Path) -> Result<()> {
    fs::copy(original, copy).with_context(|| format!("writing {}", copy.display()))?;
    Ok(())
}

fn prove_copy(original: &Path, copy: &Path) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    ensure!(
        read(original)? == read(copy)?,
        "{} differs from {}: run `cargo xtask wit`",
        copy.display(),
        original.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A policy package of this version, with these lines in its interface.
    fn policy(version: &str, lines: &str) -> Package {
        parsed(version, lines, "export decide;")
    }

    fn parsed(version: &str, lines: &str, world: &str) -> Package {
        let text = format!(
            "package podgate:policy@{version};\ninterface decide {{ {lines} }}\n\
             interface more {{ help: func(); }}\nworld policy {{ {world} }}\n"
        );
        let mut resolve = Resolve::default();
        let id = resolve.push_str("policy.wit", &text).unwrap();
        Package::new("policy", resolve, id).unwrap()
    }

    const FIRST: &str = "record pod { name: string } decide: func(pod: pod) -> bool;";

    #[test]
    fn an_interface_that_was_released_stays_as_it_is() {
        let before = policy("0.1.0", FIRST);
        assert!(check_upgrade(&before, &policy("0.1.0", FIRST)).is_ok());
        let documented = format!("/// Better words.\n{FIRST}");
        assert!(check_upgrade(&before, &policy("0.1.0", &documented)).is_ok());
        let changed = FIRST.replace("bool", "string");
        assert!(check_upgrade(&before, &policy("0.1.0", &changed)).is_err());
        assert!(check_upgrade(&policy("0.1.1", FIRST), &before).is_err());
    }

    #[test]
    fn within_a_line_nothing_breaks_and_a_new_line_may() {
        let before = policy("0.1.0", FIRST);
        let fields = FIRST.replace("name: string", "name: string, uid: string");
        let asked_more = format!("{FIRST} explain: func() -> string;");
        for broken in [fields, asked_more] {
            let error = check_upgrade(&before, &policy("0.1.1", &broken)).unwrap_err();
            assert!(
                format!("{error:#}").contains("new line (0.2.0)"),
                "{error:#}"
            );
            assert!(check_upgrade(&before, &policy("0.2.0", &broken)).is_ok());
        }
        let offers_more = parsed("0.1.1", FIRST, "import more; export decide;");
        assert!(check_upgrade(&before, &offers_more).is_ok());
        let offers_less = policy("0.1.2", FIRST);
        assert!(check_upgrade(&offers_more, &offers_less).is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        for package in packages().unwrap() {
            let decoded = wit_component::decode(&package.encoded().unwrap()).unwrap();
            let DecodedWasm::WitPackage(resolve, id) = decoded else {
                panic!("{} is a component", package.name);
            };
            let again = Package::new(package.name, resolve, id).unwrap();
            assert_eq!(again.interface().unwrap(), package.interface().unwrap());
        }
    }
}
