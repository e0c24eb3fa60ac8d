//! What a component's binary says of itself, before anything of it runs.

use anyhow::Context;
use podgate_plugin_host::{Limits, MAX_MEMORY, World};
use wasmparser::{Parser, Payload};

/// WebAssembly's page.
const PAGE: u64 = 64 * 1024;

/// Names and sizes of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Anatomy {
    /// The interfaces it wants, as they are written: `podgate:types/log@0.1.0`.
    pub(super) imports: Vec<String>,
    /// The interfaces it has.
    pub(super) exports: Vec<String>,
    /// The linear memory that an instance begins with, in bytes.
    pub(super) memory: u64,
    /// Core modules within it, the linker's own included.
    pub(super) modules: usize,
}

/// Who provides an import, and at whose word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provided {
    /// Each plugin has it.
    Always,
    /// With a grant of this name.
    Granted(&'static str),
    /// With the question: the identity's key.
    WithQuestion,
    /// An authority's host, and those of `grants.http`.
    Hosts,
    /// An empty WASI.
    Empty,
    /// Nobody.
    Never,
}

// === impl Anatomy ===

impl Anatomy {
    /// Reads a component's sections.
    ///
    /// # Errors
    /// It is no WebAssembly, or damaged.
    pub(super) fn of(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut anatomy = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.context("reading its sections")?;
            match &payload {
                Payload::ModuleSection { .. } => {
                    anatomy.modules += 1;
                    depth += 1;
                }
                Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ => anatomy.note(payload, depth)?,
            }
        }
        Ok(anatomy)
    }

    fn note(&mut self, payload: Payload<'_>, depth: usize) -> anyhow::Result<()> {
        match payload {
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    self.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let bytes = memory?.initial.saturating_mul(PAGE);
                    self.memory = self.memory.saturating_add(bytes);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The world that its exports make it a plugin of, and the version it names.
    pub(super) fn world(&self) -> Option<(World, &str)> {
        self.exports.iter().find_map(|export| {
            let (interface, version) = export.split_once('@').unwrap_or((export, "none"));
            Some((world(interface)?, version))
        })
    }

    /// `limits.memoryMiB` that it needs, with as much again to work with, where the default is less.
    pub(super) fn memory_mib(&self) -> Option<usize> {
        let needed = usize::try_from(self.memory.saturating_mul(2)).unwrap_or(usize::MAX);
        let is_more = needed > Limits::default().memory;
        is_more.then(|| needed.min(MAX_MEMORY).div_ceil(1024 * 1024))
    }

    /// Whether it wants this interface, in whatever version.
    pub(super) fn wants(&self, interface: &str) -> bool {
        self.imports
            .iter()
            .any(|import| import.split('@').next() == Some(interface))
    }
}

/// Who provides an import.
pub(super) fn provided(import: &str, world: World) -> Provided {
    let credential = world == World::Credential;
    match import.split('@').next().unwrap_or_default() {
        "podgate:types/model" | "podgate:types/log" => Provided::Always,
        "podgate:types/clock" if world != World::Cache => Provided::Granted("clock"),
        "podgate:types/keys" if credential => Provided::WithQuestion,
        "podgate:types/http" if credential => Provided::Hosts,
        "podgate:types/service-account" if credential => Provided::Granted("serviceAccount"),
        wasi if wasi.starts_with("wasi:") => Provided::Empty,
        _ => Provided::Never,
    }
}

fn world(interface: &str) -> Option<World> {
    match interface {
        "podgate:policy/decide" => Some(World::Policy),
        "podgate:credential/acquire" => Some(World::Credential),
        "podgate:cache/lifetime" => Some(World::Cache),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with an import, a module of two pages, and in a component of its own another of one page.
    const SAMPLE: &str = r#"(component
        (import "podgate:types/clock@0.1.0" (instance))
        (core module (memory 2))
        (component (import "inner" (instance)) (core module (memory 1)))
        (instance $decide)
        (export "podgate:policy/decide@0.1.0" (instance $decide)))"#;

    #[test]
    fn names_are_those_of_the_outermost_component_and_memories_add_up() {
        let anatomy = Anatomy::of(&wat::parse_str(SAMPLE).unwrap()).unwrap();
        assert_eq!(anatomy.imports, ["podgate:types/clock@0.1.0"]);
        assert_eq!(anatomy.world(), Some((World::Policy, "0.1.0")));
        assert_eq!((anatomy.memory, anatomy.modules), (3 * PAGE, 2));
        assert!(anatomy.wants("podgate:types/clock") && !anatomy.wants("podgate:types/http"));
    }

    #[test]
    fn twice_what_it_begins_with_is_a_limit_of_its_own_beyond_the_default() {
        const MIB: u64 = 1024 * 1024;
        let default = Limits::default().memory as u64;
        let needed = |memory| {
            let anatomy = Anatomy {
                memory,
                ..Anatomy::default()
            };
            anatomy.memory_mib()
        };
        assert_eq!(needed(default / 2), None);
        assert_eq!(needed(default / 2 + PAGE), Some(9));
        assert_eq!(needed(13 * MIB), Some(26));
        assert_eq!(needed(u64::MAX), Some(MAX_MEMORY >> 20));
    }

    #[test]
    fn what_is_no_component_has_no_world() {
        let empty = Anatomy::of(&wat::parse_str("(module)").unwrap()).unwrap();
        assert_eq!(empty.world(), None);
        assert!(Anatomy::of(b"not WebAssembly").is_err());
        assert!(Anatomy::of(b"\0asm\x0d\0\x01\0\xff\xff\xff").is_err());
    }

    #[test]
    fn each_import_has_one_who_provides_it_or_nobody() {
        let clock = "podgate:types/clock@0.1.0";
        assert_eq!(provided(clock, World::Policy), Provided::Granted("clock"));
        assert_eq!(provided(clock, World::Cache), Provided::Never);
        let http = "podgate:types/http@0.1.0";
        assert_eq!(provided(http, World::Credential), Provided::Hosts);
        assert_eq!(provided(http, World::Policy), Provided::Never);
        assert_eq!(
            provided("wasi:io/poll@0.2.6", World::Cache),
            Provided::Empty
        );
        assert_eq!(provided("other:thing/x", World::Policy), Provided::Never);
    }
}
