//! Which processor a program or a library is for, as its own first bytes say.

use anyhow::{Result, ensure};

use super::tree::Tree;
use crate::cli::Arch;

const MAGIC: &[u8] = b"\x7fELF";
/// `e_machine`, where both byte orders and both word sizes have it (elf(5)).
const MACHINE: std::ops::Range<usize> = 18..20;

impl Arch {
    /// `EM_X86_64`, `EM_AARCH64`
    fn machine(self) -> u16 {
        match self {
            Self::Amd64 => 62,
            Self::Arm64 => 183,
        }
    }
}

/// The machine type of a file, where it is a program or a library. Of the processors here all have the low byte first.
fn machine(bytes: &[u8]) -> Option<u16> {
    let field = bytes.strip_prefix(MAGIC).and(bytes.get(MACHINE))?;
    Some(u16::from_le_bytes(field.try_into().ok()?))
}

/// Every program and library among these files is for this processor; how many there are comes back. What a wrong linker or
/// a library of the wrong folder does would be found out on a node otherwise.
///
/// # Errors
/// One is for another processor.
pub(crate) fn check(tree: &Tree, arch: Arch) -> Result<usize> {
    let mut checked = 0;
    for (path, bytes) in tree.files() {
        let Some(found) = machine(bytes) else {
            continue;
        };
        ensure!(
            found == arch.machine(),
            "{path} is for the ELF machine type {found}, and {} is {}: was it built by another processor's linker, or \
             taken from its folder?",
            arch.name(),
            arch.machine()
        );
        checked += 1;
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(machine: u16) -> Tree {
        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0".to_vec();
        bytes.extend(machine.to_le_bytes());
        let mut tree = Tree::default();
        tree.file("/usr/bin/program", bytes, 0o755);
        tree.file("/etc/passwd", b"root".to_vec(), 0o644);
        tree
    }

    #[test]
    fn a_program_of_another_processor_is_refused_by_name() {
        assert_eq!(check(&program(183), Arch::Arm64).unwrap(), 1);
        assert_eq!(check(&program(62), Arch::Amd64).unwrap(), 1);
        let told = check(&program(62), Arch::Arm64).unwrap_err().to_string();
        assert!(
            told.contains("/usr/bin/program") && told.contains("arm64"),
            "{told}"
        );
    }

    #[test]
    fn this_program_is_one_of_this_machine() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(machine(&this), Some(Arch::host().machine()));
        assert_eq!(machine(b"\x7fELF"), None);
    }
}
