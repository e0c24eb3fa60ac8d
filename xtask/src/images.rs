//! `cargo xtask images`: the container images, without a container engine.
//!
//! ```text
//! cargo build --release ─▶ program ─┐                     (--dev: cargo build, archives alone)
//! readelf ─▶ its libraries ─────────┼─▶ layers ─▶ OCI layout (to push) + archive (`ctr images import`)
//! nft, iptables and theirs ─────────┘             + list of materials (CycloneDX) + provenance (in-toto)
//! ```
//!
//! No shell, no package manager, no file that no program opens. The C library is the build machine's, the one the tests
//! ran with: a static musl would save 3 MiB, and its allocator costs more than that under load. The same sources give the
//! same bytes: names are sorted, times are zero, owners are root.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;

use self::contents::Contents;
use self::materials::Source;
use self::oci::{Image, Layer};
use self::toolchain::Toolchain;
use crate::cli::{self, Arch};
use crate::process::{cargo, output};
use crate::workspace::{self, root, target};

mod contents;
mod elf;
mod library;
mod materials;
mod oci;
mod toolchain;
mod tree;

/// The repository below which the images are named; `podgate/gateway` means this to a container engine.
const REPOSITORY: &str = "docker.io/podgate";
const MIB: usize = 1024 * 1024;

/// One image.
#[derive(Clone, Copy)]
struct Plan {
    name: &'static str,
    about: &'static str,
    package: &'static str,
    binary: &'static str,
    contents: &'static [Contents],
    /// As user and group ids.
    user: &'static str,
    /// Unpacked, in MiB: what a node has to pull and keep.
    bound: usize,
}

/// The program's layer is the same in the first two, so that a node keeps it once. They are two because the firewall's
/// tools are none of the server's business.
const PLANS: [Plan; 4] = [
    Plan {
        name: "gateway",
        about: "Answers pods' requests for tokens on a node",
        package: "podgate-gateway",
        binary: "podgate-gateway",
        contents: &[Contents::Users],
        user: "65532:65532",
        bound: 40,
    },
    Plan {
        name: "intercept",
        about: "Keeps the firewall rules that lead pods' requests to the gateway",
        package: "podgate-gateway",
        binary: "podgate-gateway",
        contents: &[Contents::Users, Contents::FirewallTools],
        user: "0:0",
        bound: 48,
    },
    Plan {
        name: "controller",
        about: "Decides which pod may use which identity, and puts identities on nodes",
        package: "podgate-controller",
        binary: "podgate-controller",
        contents: &[Contents::Users],
        user: "65532:65532",
        bound: 40,
    },
    Plan {
        name: "demo",
        about: "Asks for tokens of its pod's identity, and says what it got",
        package: "podgate-demo-app",
        binary: "podgate-demo-app",
        contents: &[Contents::Users],
        user: "65532:65532",
        bound: 16,
    },
];

/// Builds all of them; those that cannot be built yet, or here, are named with the reason.
pub(crate) fn perform(options: &cli::Images) -> Result<()> {
    if options.dev {
        ensure!(
            options.arch == Arch::host(),
            "--dev makes images for this machine's processor only"
        );
        let folder = options.out.clone().unwrap_or_else(dev_folder);
        return for_tests(&folder).map(drop);
    }
    let toolchain = Toolchain::find(options.arch)?;
    let folder = options
        .out
        .clone()
        .unwrap_or_else(|| target().join("images").join(options.arch.name()));
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let source = Source::read()?;
    for plan in possible(&toolchain, &options.only)? {
        plan.make(&toolchain, &source, &folder)
            .with_context(|| format!("the image {}", plan.name))?;
    }
    Ok(())
}

/// Where images of programs go that are not released.
pub(crate) fn dev_folder() -> PathBuf {
    target().join("images/dev")
}

/// Archives of the programs as `cargo build` has left them, for the nodes of tests: nothing is optimised or bounded, and
/// it takes seconds.
///
/// # Errors
/// A program is not built.
pub(crate) fn for_tests(folder: &Path) -> Result<Vec<PathBuf>> {
    let toolchain = Toolchain::find(Arch::host())?;
    let source = Source::read()?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let archive = |plan: &Plan| -> Result<PathBuf> {
        let program = workspace::program("debug", plan.binary);
        let image = plan.image(&toolchain, &source, &program)?;
        let path = folder.join(plan.name).with_extension("tar");
        image.write_archive(&path, &plan.reference())?;
        println!("{}  {}", plan.reference(), path.display());
        Ok(path)
    };
    possible(&toolchain, &[])?
        .into_iter()
        .map(|plan| archive(plan).with_context(|| format!("the image {}", plan.name)))
        .collect()
}

/// Those that are wanted (all, if none is named) and can be built here; the others are named with the reason.
fn possible(toolchain: &Toolchain, only: &[String]) -> Result<Vec<&'static Plan>> {
    for wanted in only {
        ensure!(
            PLANS.iter().any(|plan| plan.name == wanted),
            "there is no image `{wanted}`; there are {}",
            PLANS.map(|plan| plan.name).join(", ")
        );
    }
    let binaries = binaries()?;
    let is_wanted = |plan: &&Plan| only.is_empty() || only.iter().any(|name| name == plan.name);
    let mut plans = Vec::new();
    for plan in PLANS.iter().filter(is_wanted) {
        match plan.lacks(&binaries, toolchain) {
            Some(why) => println!("{}: skipped: {why}", plan.name),
            None => plans.push(plan),
        }
    }
    Ok(plans)
}

impl Plan {
    /// Why it cannot be built.
    fn lacks(&self, binaries: &[(String, String)], toolchain: &Toolchain) -> Option<String> {
        if !binaries.contains(&(self.package.to_owned(), self.binary.to_owned())) {
            let (package, binary) = (self.package, self.binary);
            return Some(format!("{package} has no program {binary} yet"));
        }
        self.contents
            .iter()
            .find_map(|contents| contents.lacks(toolchain))
    }

    fn reference(&self) -> String {
        format!("{REPOSITORY}/{}:{}", self.name, env!("CARGO_PKG_VERSION"))
    }

    fn make(&self, toolchain: &Toolchain, source: &Source, folder: &Path) -> Result<()> {
        let program = toolchain.build(self.package, self.binary)?;
        let image = self.image(toolchain, source, &program)?;
        let bytes = image.unpacked();
        ensure!(
            bytes <= self.bound * MIB,
            "it has {} MiB unpacked, and may have {}; what grew is in `cargo bloat --release -p {}`, or raise the bound \
             in xtask/src/images.rs with the reason",
            bytes.div_ceil(MIB),
            self.bound,
            self.package
        );
        let reference = self.reference();
        let written = image.write(&folder.join(self.name), &reference)?;
        let beside = |ending: &str| folder.join(format!("{}.{ending}", self.name));
        put(
            &beside("sbom.cdx.json"),
            &materials::list(self.name, self.package, toolchain.triple(), &image)?,
        )?;
        put(
            &beside("provenance.json"),
            &source.provenance(&reference, &written.digest, toolchain),
        )?;
        println!(
            "{reference}  {}  {:.1} MiB unpacked, {:.1} MiB to pull",
            written.digest,
            bytes as f64 / MIB as f64,
            written.packed as f64 / MIB as f64
        );
        Ok(())
    }

    fn image(&self, toolchain: &Toolchain, source: &Source, program: &Path) -> Result<Image> {
        let installed = format!("/usr/bin/{}", self.binary);
        let mut layers = vec![
            Layer::new("C library", library::of(&[program], toolchain)?),
            Layer::new(
                "program",
                contents::program(&installed, &toolchain.stripped(program)?),
            ),
        ];
        for contents in self.contents {
            let tree = contents.tree(toolchain)?;
            let tree = layers
                .iter()
                .fold(tree, |tree, below| tree.without(&below.tree));
            layers.push(Layer::new(contents.about(), tree));
        }
        let mut programs = 0;
        for layer in &layers {
            programs += elf::check(&layer.tree, toolchain.arch())?;
        }
        ensure!(programs > 0, "{} is no program of Linux", program.display());
        Ok(Image {
            arch: toolchain.arch(),
            layers,
            user: self.user,
            entrypoint: installed,
            labels: source.labels(self.name, self.about),
        })
    }
}

/// The programs that the workspace has, as package and name.
fn binaries() -> Result<Vec<(String, String)>> {
    let told =
        output(cargo(root()).args(["metadata", "--format-version=1", "--no-deps", "--locked"]))?;
    let told: Json = serde_json::from_str(&told).context("what `cargo metadata` says")?;
    let mut found = Vec::new();
    for package in told["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let kinds = target["kind"].as_array().into_iter().flatten();
            if kinds.into_iter().any(|kind| kind == "bin") {
                found.push((text(&package["name"])?, text(&target["name"])?));
            }
        }
    }
    Ok(found)
}

fn text(value: &Json) -> Result<String> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("`cargo metadata` says {value} where a text is expected"),
    }
}

fn put(path: &PathBuf, document: &Json) -> Result<()> {
    fs::write(path, format!("{document:#}\n"))
        .with_context(|| format!("writing {}", path.display()))
}

impl Arch {
    /// In OCI's words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_image_is_bound_to_40_mib_and_no_root() {
        let gateway = PLANS.iter().find(|plan| plan.name == "gateway").unwrap();
        assert_eq!((gateway.bound, gateway.user), (40, "65532:65532"));
        assert!(
            !gateway
                .contents
                .iter()
                .any(|contents| matches!(contents, Contents::FirewallTools))
        );
    }

    #[test]
    fn an_image_that_does_not_exist_is_refused_with_the_names_of_those_that_do() {
        let toolchain = Toolchain::find(Arch::host()).unwrap();
        let only = ["mic".to_owned()];
        let told = possible(&toolchain, &only).err().unwrap().to_string();
        assert!(
            told.contains("gateway, intercept, controller, demo"),
            "{told}"
        );
    }

    #[test]
    fn the_workspace_has_the_gateways_program() {
        let program = ("podgate-gateway".to_owned(), "podgate-gateway".to_owned());
        assert!(binaries().unwrap().contains(&program));
    }
}
