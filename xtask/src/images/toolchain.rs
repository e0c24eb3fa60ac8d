//! What builds for a processor, and where that processor's libraries are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::library::read;
use crate::cli::Arch;
use crate::process::{cargo, output, probe, run};
use crate::workspace::{root, target};

/// What makes a program a fifth smaller: the loader's list of addresses packed, and all crates optimised as one.
const SMALL: [&str; 4] = [
    "-C",
    "link-arg=-Wl,-z,pack-relative-relocs",
    "-C",
    "lto=fat",
];

/// Everything that depends on the processor.
pub(crate) struct Toolchain {
    arch: Arch,
    /// With another processor's C compiler, linker and libraries.
    is_cross: bool,
}

impl Toolchain {
    /// # Errors
    /// It is not this machine's processor, and what builds for it is not here.
    pub(crate) fn find(arch: Arch) -> Result<Self> {
        let toolchain = Self {
            arch,
            is_cross: arch != Arch::host(),
        };
        if toolchain.is_cross {
            toolchain.check()?;
        }
        Ok(toolchain)
    }

    fn check(&self) -> Result<()> {
        let compiler = self.tool("gcc");
        if probe(&compiler, &["--version"]).is_none() {
            let package = compiler
                .replacen("gcc", "", 1)
                .trim_end_matches('-')
                .replace('_', "-");
            bail!(
                "images for {} need {compiler} here: install gcc-{package} (Debian) and the Rust target, or run this on \
                 that processor",
                self.arch.name()
            );
        }
        let mut rustc = Command::new("rustc");
        rustc
            .current_dir(root())
            .args(["--print", "target-libdir", "--target", self.triple()]);
        if !Path::new(output(&mut rustc)?.trim()).is_dir() {
            bail!(
                "the Rust toolchain lacks {}: `rustup target add {0}`",
                self.triple()
            );
        }
        Ok(())
    }

    pub(crate) fn arch(&self) -> Arch {
        self.arch
    }

    /// Whether it builds for another processor than this machine's.
    pub(crate) fn is_cross(&self) -> bool {
        self.is_cross
    }

    /// As Rust names it.
    pub(crate) fn triple(&self) -> &'static str {
        match self.arch {
            Arch::Amd64 => "x86_64-unknown-linux-gnu",
            Arch::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// As the C compiler names it.
    fn prefix(&self) -> &'static str {
        match self.arch {
            Arch::Amd64 => "x86_64-linux-gnu",
            Arch::Arm64 => "aarch64-linux-gnu",
        }
    }

    fn tool(&self, name: &str) -> String {
        match self.is_cross {
            true => format!("{}-{name}", self.prefix()),
            false => name.to_owned(),
        }
    }

    /// Builds a program of the workspace; its path comes back.
    pub(crate) fn build(&self, package: &str, binary: &str) -> Result<PathBuf> {
        let mut cargo = cargo(root());
        cargo.args([
            "rustc",
            "--release",
            "--locked",
            "--package",
            package,
            "--bin",
            binary,
        ]);
        let program = match self.is_cross {
            true => target().join(self.triple()).join("release").join(binary),
            false => target().join("release").join(binary),
        };
        if self.is_cross {
            let variable = self.triple().replace('-', "_");
            cargo
                .args(["--target", self.triple()])
                .env(
                    format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()),
                    self.tool("gcc"),
                )
                .env(format!("CC_{variable}"), self.tool("gcc"));
        }
        run(cargo.arg("--").args(SMALL))?;
        self.prove(&program)?;
        Ok(program)
    }

    /// An old C library does not know packed relocations: better found out here than on a node.
    fn prove(&self, program: &Path) -> Result<()> {
        if self.is_cross {
            return Ok(());
        }
        let said = probe(program, &["--version"]);
        said.map(drop)
            .with_context(|| format!("{} was built, and does not start here", program.display()))
    }

    /// The program without its table of symbols, a quarter of its size: what it would add to a backtrace is not worth
    /// that on every node.
    pub(crate) fn stripped(&self, program: &Path) -> Result<Vec<u8>> {
        let stripped = program.with_extension("stripped");
        let mut strip = Command::new(self.tool("strip"));
        strip
            .args(["--strip-all", "-o"])
            .arg(&stripped)
            .arg(program);
        run(&mut strip).context("strip is part of binutils, as the linker is")?;
        let bytes = read(&stripped);
        std::fs::remove_file(&stripped)?;
        bytes
    }

    /// Where the loader is that a program asks for.
    pub(crate) fn loader(&self, path: &str) -> PathBuf {
        match self.is_cross {
            true => Path::new("/usr")
                .join(self.prefix())
                .join(path.trim_start_matches('/')),
            false => PathBuf::from(path),
        }
    }

    /// Where a library is here, and where an image has it: in a folder in which the same C library looks.
    pub(crate) fn library(&self, name: &str) -> Option<(PathBuf, String)> {
        let found = self
            .folders()
            .into_iter()
            .map(|folder| Path::new(&folder).join(name))
            .find(|path| path.exists())?;
        let place = match self.is_cross {
            true => format!("/lib/{name}"),
            false => found.display().to_string(),
        };
        Some((found, place))
    }

    fn folders(&self) -> Vec<String> {
        let prefix = self.prefix();
        match self.is_cross {
            true => vec![format!("/usr/{prefix}/lib")],
            false => vec![
                format!("/lib/{prefix}"),
                format!("/usr/lib/{prefix}"),
                "/lib64".to_owned(),
                "/usr/lib64".to_owned(),
                "/lib".to_owned(),
                "/usr/lib".to_owned(),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_cross_compiler_is_named_with_its_package() {
        let other = match Arch::host() {
            Arch::Amd64 => Arch::Arm64,
            Arch::Arm64 => Arch::Amd64,
        };
        if let Err(error) = Toolchain::find(other) {
            let told = error.to_string();
            assert!(
                told.contains("gcc-") || told.contains("rustup target add"),
                "{told}"
            );
        }
    }

    #[test]
    fn this_machines_c_library_is_found_where_its_loader_looks() {
        let toolchain = Toolchain::find(Arch::host()).unwrap();
        let (found, place) = toolchain.library("libc.so.6").unwrap();
        assert!(found.exists() && place.ends_with("/libc.so.6"), "{place}");
    }
}
