//! What can go wrong with a plugin, each with the plugin's name, the cause, and the cure.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// The kinds of plugins, each with its WIT world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum World {
    /// `podgate:policy/policy`
    Policy,
    /// `podgate:credential/credential`
    Credential,
    /// `podgate:cache/cache`
    Cache,
}

/// One thing that is wrong with a plugin's settings, in the plugin's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a JSON pointer (RFC 6901) into the settings, empty for the settings as a whole.
    pub setting: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// The host cannot be built: it is the operator's configuration or the machine, never a plugin.
#[derive(Debug, Error)]
pub enum HostError {
    /// The WebAssembly engine refuses this machine.
    #[error(
        "starting the WebAssembly engine: {cause}; it needs a 64-bit Linux with room to reserve address space (ulimit -v)"
    )]
    Engine {
        /// The engine's words.
        cause: String,
    },
    /// The ticker's thread cannot be started: without it no guest's loop would end.
    #[error("starting the thread that ends runaway plugins: {0}")]
    Ticker(std::io::Error),
    /// The folder for compiled code cannot be trusted or used.
    #[error("code cache {}: {cause}; name a folder that does not exist yet, or one of this user with mode 0700", path.display())]
    CodeCache {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
}

/// A plugin cannot be loaded, or failed in a call. Never an answer: the caller decides what it means.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PluginError {
    /// Not a WebAssembly component.
    #[error(
        "plugin {plugin}: {cause}; give the output of `cargo component build --release`, or of a cargo build for wasm32-wasip2"
    )]
    NotComponent {
        /// The plugin's name.
        plugin: String,
        /// What it is instead.
        cause: String,
    },
    /// The binary is larger than any sensible component.
    #[error(
        "plugin {plugin}: the component has {size} bytes, at most {limit} are compiled; build it with --release and strip it"
    )]
    ComponentTooLarge {
        /// The plugin's name.
        plugin: String,
        /// Its size in bytes.
        size: usize,
        /// The most that is compiled.
        limit: usize,
    },
    /// A component of another kind.
    #[error("plugin {plugin}: {}", wrong_world(*.expected, *.found))]
    WrongWorld {
        /// The plugin's name.
        plugin: String,
        /// The kind it was configured as.
        expected: World,
        /// The kind it is, where it is one at all.
        found: Option<World>,
    },
    /// Built against a newer interface than this gateway has.
    #[error(
        "plugin {plugin}: it was built for {interface}@{found}, which is newer than this gateway's {supported}; upgrade podgate, or build the plugin against {supported}"
    )]
    TooNew {
        /// The plugin's name.
        plugin: String,
        /// The interface: `podgate:policy/decide`.
        interface: String,
        /// The version the plugin names.
        found: String,
        /// The version this gateway has.
        supported: String,
    },
    /// Built against an interface that this gateway no longer has.
    #[error(
        "plugin {plugin}: it was built for {interface}@{found}, which this gateway no longer has; build it again against {supported}"
    )]
    TooOld {
        /// The plugin's name.
        plugin: String,
        /// The interface: `podgate:policy/decide`.
        interface: String,
        /// The version the plugin names, empty where it names none.
        found: String,
        /// The version this gateway has.
        supported: String,
    },
    /// It imports something that no operator can grant it.
    #[error(
        "plugin {plugin}: it imports {import}, which a {world} plugin can never have; build it against podgate:{world} and WASI 0.2 alone"
    )]
    UnknownImport {
        /// The plugin's name.
        plugin: String,
        /// The import's name.
        import: String,
        /// The kind it was loaded as.
        world: World,
    },
    /// It imports something that its operator did not grant.
    #[error(
        "plugin {plugin}: it imports {import}, which needs the grant `{grant}`; add it to the plugin's grants if it may have it"
    )]
    NotGranted {
        /// The plugin's name.
        plugin: String,
        /// The import's name.
        import: String,
        /// The grant's key in the plugins file.
        grant: &'static str,
    },
    /// Its interfaces have the right names and other contents.
    #[error(
        "plugin {plugin}: it does not fit the interface: {cause}; build it against the published WIT of podgate:{world}"
    )]
    Mismatch {
        /// The plugin's name.
        plugin: String,
        /// The kind it was loaded as.
        world: World,
        /// The first difference.
        cause: String,
    },
    /// Its operator's grants or limits make no sense.
    #[error("plugin {plugin}: {key}: {cause}")]
    Configuration {
        /// The plugin's name.
        plugin: String,
        /// The key in the plugins file.
        key: &'static str,
        /// What is wrong and what would be right.
        cause: String,
    },
    /// It refuses its settings.
    #[error("plugin {plugin}: it refuses its settings: {}", Problems(.problems))]
    Settings {
        /// The plugin's name.
        plugin: String,
        /// Every problem it named.
        problems: Vec<Problem>,
    },
    /// It trapped: a panic, a stack overflow, a division by zero, a broken answer of its allocator.
    #[error("plugin {plugin}: it crashed: {cause}{}; this is a fault in the plugin: report it to its author with this line", Backtrace(.backtrace))]
    Trap {
        /// The plugin's name.
        plugin: String,
        /// What kind of trap.
        cause: String,
        /// Functions on its stack, innermost first, where the component names them.
        backtrace: Vec<String>,
    },
    /// It did not answer in time.
    #[error(
        "plugin {plugin}: it did not answer within {limit:?} and was stopped; raise limits.call if what it waits for is that slow"
    )]
    Timeout {
        /// The plugin's name.
        plugin: String,
        /// The limit of a call.
        limit: Duration,
    },
    /// It computed for too long.
    #[error(
        "plugin {plugin}: it computed for more than {limit:?} and was stopped; raise limits.cpu if it is not stuck in a loop"
    )]
    Cpu {
        /// The plugin's name.
        plugin: String,
        /// The limit of a call.
        limit: Duration,
    },
    /// It wanted more memory than it may have.
    #[error(
        "plugin {plugin}: it needs more than its {limit} bytes of memory; raise limits.memoryMiB if that is no leak"
    )]
    Memory {
        /// The plugin's name.
        plugin: String,
        /// The limit of an instance in bytes.
        limit: usize,
    },
    /// It wanted a larger table than it may have.
    #[error(
        "plugin {plugin}: it needs a table of more than {limit} elements; no sensible component does: report it to its author"
    )]
    Table {
        /// The plugin's name.
        plugin: String,
        /// The limit in elements.
        limit: usize,
    },
    /// What it gave the host, as an answer or in a host call, is too long.
    #[error(
        "plugin {plugin}: its {what} is longer than {limit} bytes and was thrown away; this is a fault in the plugin: report it to its author"
    )]
    Oversized {
        /// The plugin's name.
        plugin: String,
        /// What was too long.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// What it gave the host, as an answer or in a host call, breaks the interface's rules.
    #[error(
        "plugin {plugin}: what it gave the host is unusable: {cause}; this is a fault in the plugin: report it to its author"
    )]
    InvalidAnswer {
        /// The plugin's name.
        plugin: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It answered `bypass` and may not.
    #[error(
        "plugin {plugin}: it answered `bypass` without the grant for it; set grants.bypass if it may give pods the node's own identities"
    )]
    BypassNotGranted {
        /// The plugin's name.
        plugin: String,
    },
    /// Its calls use up every place and all memory that one plugin may have.
    #[error(
        "plugin {plugin}: too many of its calls are under way ({cause}); this one was not started"
    )]
    Overloaded {
        /// The plugin's name.
        plugin: String,
        /// Of what there is no more.
        cause: &'static str,
    },
    /// It failed again and again and is not asked for a while.
    #[error(
        "plugin {plugin}: it failed again and again and is not asked for a while; earlier lines of this log say how it failed"
    )]
    Suspended {
        /// The plugin's name.
        plugin: String,
    },
}

struct Problems<'a>(&'a [Problem]);

struct Backtrace<'a>(&'a [String]);

// === impl World ===

impl World {
    /// `policy`, `credential`, `cache`: the name of the world and the last part of its package's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Credential => "credential",
            Self::Cache => "cache",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl PluginError ===

impl PluginError {
    /// A plugin that is not asked for a while.
    pub fn suspended(plugin: impl Into<String>) -> Self {
        Self::Suspended {
            plugin: plugin.into(),
        }
    }

    /// A word of a closed set, for metric labels.
    pub fn category(&self) -> &'static str {
        match self {
            Self::NotComponent { .. } => "not_component",
            Self::ComponentTooLarge { .. } => "component_too_large",
            Self::WrongWorld { .. } => "wrong_world",
            Self::TooNew { .. } => "too_new",
            Self::TooOld { .. } => "too_old",
            Self::UnknownImport { .. } => "unknown_import",
            Self::NotGranted { .. } => "not_granted",
            Self::Mismatch { .. } => "mismatch",
            Self::Configuration { .. } => "configuration",
            Self::Settings { .. } => "settings",
            Self::Trap { .. } => "trap",
            Self::Timeout { .. } => "timeout",
            Self::Cpu { .. } => "cpu",
            Self::Memory { .. } => "memory",
            Self::Table { .. } => "table",
            Self::Oversized { .. } => "oversized",
            Self::InvalidAnswer { .. } => "invalid_answer",
            Self::BypassNotGranted { .. } => "bypass_not_granted",
            Self::Overloaded { .. } => "overloaded",
            Self::Suspended { .. } => "suspended",
        }
    }
}

fn wrong_world(expected: World, found: Option<World>) -> String {
    match found {
        Some(found) => format!(
            "it is a {found} plugin and is configured as a {expected} plugin; list it under `{found}`"
        ),
        None => format!(
            "it exports nothing of podgate's, so it is no {expected} plugin; build it against podgate:{expected}"
        ),
    }
}

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("it does not say why");
        }
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let place = match problem.setting.as_str() {
                "" => "the settings",
                setting => setting,
            };
            write!(f, "{separator}{place}: {}", problem.message)?;
        }
        Ok(())
    }
}

impl fmt::Display for Backtrace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            functions => write!(f, " (in {})", functions.join(" < ")),
        }
    }
}

#[cfg(test)]
mod tests;
