//! Reads from a component's import and export names what it is and what it wants, before anything is linked:
//! wasmtime's own words for a missing import name neither the cause nor the cure.

use semver::Version;

use crate::{Grants, PluginError, World};

/// The version of every podgate interface that this host has. A test holds it to the WIT files.
pub(crate) const SUPPORTED: Version = Version::new(0, 1, 1);
/// The WASI that is linked, deny-all.
const WASI: Version = Version::new(0, 2, 0);
/// The packages of WASI 0.2 itself; others (http, keyvalue, …) are worlds of their own.
const WASI_PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// What a component may import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Import {
    Model,
    Log,
    Clock,
    Keys,
    Http,
    ServiceAccount,
    Wasi,
}

/// What a component of the right world imports, all of it granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inspected {
    imports: Vec<Import>,
    newer: Option<Newer>,
}

/// An interface in a later version of the same compatible line: it links as long as the plugin uses nothing
/// of what came after this host's.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Newer {
    interface: String,
    version: Version,
}

/// A component's side of a name, `podgate:types/log@0.1.0`.
struct Name<'a> {
    interface: &'a str,
    version: Option<Version>,
}

/// Who inspects: for the errors.
struct Inspector<'a> {
    plugin: &'a str,
    world: World,
    grants: &'a Grants,
    seen: Inspected,
}

/// Checks a component's names against the world it was configured for and the grants it has.
pub(crate) fn inspect<'n>(
    plugin: &str,
    world: World,
    grants: &Grants,
    imports: impl Iterator<Item = &'n str>,
    exports: impl Iterator<Item = &'n str>,
) -> Result<Inspected, PluginError> {
    let mut inspector = Inspector {
        plugin,
        world,
        grants,
        seen: Inspected::default(),
    };
    inspector.exports(exports)?;
    for import in imports {
        inspector.import(import)?;
    }
    Ok(inspector.seen)
}

// === impl Inspected ===

impl Inspected {
    /// Whether equal questions must have equal answers: there is nothing else it could depend on.
    pub(crate) fn is_pure(&self) -> bool {
        self.imports
            .iter()
            .all(|import| matches!(import, Import::Model | Import::Log))
    }

    pub(crate) fn has(&self, import: Import) -> bool {
        self.imports.contains(&import)
    }

    /// Why its interfaces do not fit although their names do.
    pub(crate) fn mismatch(&self, plugin: &str, world: World, cause: String) -> PluginError {
        let plugin = plugin.to_owned();
        match &self.newer {
            Some(newer) => PluginError::TooNew {
                plugin,
                interface: newer.interface.clone(),
                found: newer.version.to_string(),
                supported: SUPPORTED.to_string(),
            },
            None => PluginError::Mismatch {
                plugin,
                world,
                cause,
            },
        }
    }
}

// === impl Inspector ===

impl Inspector<'_> {
    fn exports<'n>(&mut self, exports: impl Iterator<Item = &'n str>) -> Result<(), PluginError> {
        let mut found = None;
        for name in exports.filter_map(Name::parse) {
            match world_of(name.interface) {
                Some(world) if world == self.world => return self.version(&name, &SUPPORTED),
                Some(world) => found = Some(world),
                None => {}
            }
        }
        Err(PluginError::WrongWorld {
            plugin: self.plugin.to_owned(),
            expected: self.world,
            found,
        })
    }

    fn import(&mut self, raw: &str) -> Result<(), PluginError> {
        let unknown = || PluginError::UnknownImport {
            plugin: self.plugin.to_owned(),
            import: crate::text::clean(raw, 200),
            world: self.world,
        };
        let name = Name::parse(raw).ok_or_else(unknown)?;
        let import = Import::named(name.interface)
            .filter(|import| import.is_part_of(self.world))
            .ok_or_else(unknown)?;
        let supported = match import {
            Import::Wasi => WASI,
            _ => SUPPORTED,
        };
        self.version(&name, &supported)?;
        self.granted(import, raw)?;
        self.seen.imports.push(import);
        Ok(())
    }

    fn granted(&self, import: Import, raw: &str) -> Result<(), PluginError> {
        match import {
            Import::Clock if !self.grants.clock => Err(self.not_granted(raw, "clock")),
            Import::ServiceAccount if self.grants.service_account.is_empty() => {
                Err(self.not_granted(raw, "serviceAccount"))
            }
            _ => Ok(()),
        }
    }

    fn version(&mut self, name: &Name<'_>, supported: &Version) -> Result<(), PluginError> {
        let found = name.version.as_ref();
        let plugin = self.plugin.to_owned();
        let interface = name.interface.to_owned();
        match found {
            Some(version) if is_compatible(version, supported) => {
                self.note(name.interface, version, supported);
                Ok(())
            }
            Some(version) if version > supported => Err(PluginError::TooNew {
                plugin,
                interface,
                found: version.to_string(),
                supported: supported.to_string(),
            }),
            _ => Err(PluginError::TooOld {
                plugin,
                interface,
                found: found.map_or("(none)".to_owned(), Version::to_string),
                supported: supported.to_string(),
            }),
        }
    }

    fn note(&mut self, interface: &str, version: &Version, supported: &Version) {
        // WASI's patch versions run far ahead of 0.2.0, and wasmtime has followed them.
        if version > supported && supported != &WASI {
            self.seen.newer = Some(Newer {
                interface: interface.to_owned(),
                version: version.clone(),
            });
        }
    }

    fn not_granted(&self, import: &str, grant: &'static str) -> PluginError {
        PluginError::NotGranted {
            plugin: self.plugin.to_owned(),
            import: import.to_owned(),
            grant,
        }
    }
}

// === impl Import ===

impl Import {
    fn named(interface: &str) -> Option<Self> {
        match interface {
            "podgate:types/model" => Some(Self::Model),
            "podgate:types/log" => Some(Self::Log),
            "podgate:types/clock" => Some(Self::Clock),
            "podgate:types/keys" => Some(Self::Keys),
            "podgate:types/http" => Some(Self::Http),
            "podgate:types/service-account" => Some(Self::ServiceAccount),
            _ => is_wasi(interface).then_some(Self::Wasi),
        }
    }

    fn is_part_of(self, world: World) -> bool {
        match self {
            Self::Model | Self::Log | Self::Wasi => true,
            Self::Clock => matches!(world, World::Policy | World::Credential),
            Self::Keys | Self::Http | Self::ServiceAccount => world == World::Credential,
        }
    }
}

// === impl Name ===

impl<'a> Name<'a> {
    /// None where a version is there and is none.
    fn parse(raw: &'a str) -> Option<Self> {
        let (interface, version) = match raw.split_once('@') {
            None => (raw, None),
            Some((interface, version)) => (interface, Some(version.parse().ok()?)),
        };
        Some(Self { interface, version })
    }
}

fn world_of(interface: &str) -> Option<World> {
    match interface {
        "podgate:policy/decide" => Some(World::Policy),
        "podgate:credential/acquire" => Some(World::Credential),
        "podgate:cache/lifetime" => Some(World::Cache),
        _ => None,
    }
}

fn is_wasi(interface: &str) -> bool {
    interface
        .strip_prefix("wasi:")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(package, _)| WASI_PACKAGES.contains(&package))
}

/// The component model's rule: the first part that is not zero must be equal; 0.0.x and pre-releases are
/// compatible with nothing.
fn is_compatible(found: &Version, supported: &Version) -> bool {
    let line = |version: &Version| {
        (
            version.major,
            if version.major == 0 { version.minor } else { 0 },
        )
    };
    let is_stable = found.pre.is_empty() && line(found) != (0, 0);
    is_stable && line(found) == line(supported)
}

#[cfg(test)]
mod tests;
