//! What is said of a component, for people and programs alike.

use std::time::Duration;

use podgate_plugin_host::{Limits, PluginError, Problem, World};
use serde::Serialize;

use crate::plugin::anatomy::{Anatomy, Provided, provided};
use crate::plugin::file::ComponentFile;

/// The whole of it. Members keep their names and meanings from release to release; new ones may come.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) file: String,
    /// Bytes.
    pub(super) size: usize,
    pub(super) sha256: String,
    /// What a plugins file would call it.
    pub(super) name: String,
    /// `policy`, `credential` or `cache`.
    pub(super) world: Option<&'static str>,
    /// The version of the world's package that it was built for.
    pub(super) version: Option<String>,
    pub(super) imports: Vec<Import>,
    /// Policies only: nothing but the log goes in, so that verdicts are remembered.
    pub(super) pure: Option<bool>,
    /// Bytes of linear memory that each call begins with.
    pub(super) memory: u64,
    /// Bytes of linear memory that a call may have by default.
    pub(super) memory_limit: usize,
    /// `limits.memoryMiB` that it was tried with, where it begins with more than half of the default.
    #[serde(rename = "memoryMiB")]
    pub(super) memory_mib: Option<usize>,
    pub(super) cost: Option<Cost>,
    pub(super) settings: Settings,
    /// Why the gateway does not take it.
    pub(super) refused: Option<Refused>,
}

/// One import.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Import {
    pub(super) name: String,
    /// `always`, `grant`, `question`, `hosts`, `empty` or `never`.
    pub(super) provided: &'static str,
    /// The key of the plugins file that provides it.
    pub(super) grant: Option<&'static str>,
}

/// What loading it costs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cost {
    /// Milliseconds of compiling: once per gateway and version of the component.
    pub(super) compile_ms: u64,
    /// Milliseconds of loading compiled code.
    pub(super) load_ms: u64,
    /// Bytes of compiled code.
    pub(super) code: u64,
}

/// What it says to its settings.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub(super) enum Settings {
    /// It does without.
    NotNeeded,
    /// It takes those that were given.
    Accepted,
    /// It does not do without, and says what it needs.
    Needed { problems: Vec<String> },
    /// It did not come to that, or it refused those that were given.
    NotTried,
}

/// The host's word, with the cure in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refused {
    /// A word of a closed set: docs/refusals.md explains them.
    pub(super) category: &'static str,
    pub(super) message: String,
}

// === impl Report ===

impl Report {
    pub(super) fn new(
        file: &ComponentFile,
        expected: World,
        anatomy: &Anatomy,
        cost: Option<Cost>,
        settings: Settings,
        refused: Option<PluginError>,
    ) -> Self {
        let said = anatomy.world();
        let world = said.map_or(expected, |(world, _)| world);
        Self {
            file: file.path.display().to_string(),
            size: file.bytes.len(),
            sha256: file.sha256(),
            name: file.plugin_name(),
            world: said.map(|(world, _)| world.as_str()),
            version: said.map(|(_, version)| version.to_owned()),
            imports: imports(anatomy, world),
            pure: (world == World::Policy && said.is_some()).then(|| is_pure(anatomy, world)),
            memory: anatomy.memory,
            memory_limit: Limits::default().memory,
            memory_mib: anatomy.memory_mib(),
            cost,
            settings,
            refused: refused.as_ref().map(Refused::from),
        }
    }
}

fn imports(anatomy: &Anatomy, world: World) -> Vec<Import> {
    let import = |name: &String| {
        let (provided, grant) = words(provided(name, world));
        let name = name.clone();
        Import {
            name,
            provided,
            grant,
        }
    };
    let mut imports: Vec<Import> = anatomy.imports.iter().map(import).collect();
    imports.sort_by(|a, b| a.name.cmp(&b.name));
    imports
}

fn words(provided: Provided) -> (&'static str, Option<&'static str>) {
    match provided {
        Provided::Always => ("always", None),
        Provided::Granted(grant) => ("grant", Some(grant)),
        Provided::WithQuestion => ("question", None),
        Provided::Hosts => ("hosts", Some("http")),
        Provided::Empty => ("empty", None),
        Provided::Never => ("never", None),
    }
}

fn is_pure(anatomy: &Anatomy, world: World) -> bool {
    let mut imports = anatomy.imports.iter();
    imports.all(|name| provided(name, world) == Provided::Always)
}

// === impl Cost ===

impl Cost {
    pub(super) fn new(cold: Duration, warm: Duration, code: u64) -> Self {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            compile_ms: milliseconds(cold.saturating_sub(warm)),
            load_ms: milliseconds(warm),
            code,
        }
    }
}

// === impl Settings ===

impl Settings {
    pub(super) fn needed(problems: &[Problem]) -> Self {
        let words = |problem: &Problem| match problem.setting.as_str() {
            "" => problem.message.clone(),
            setting => format!("{setting}: {}", problem.message),
        };
        Self::Needed {
            problems: problems.iter().map(words).collect(),
        }
    }
}

// === impl Refused ===

impl From<&PluginError> for Refused {
    fn from(error: &PluginError) -> Self {
        Self {
            category: error.category(),
            message: error.to_string(),
        }
    }
}
