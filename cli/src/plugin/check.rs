//! `podgate plugin check FILE`: what a component is, what it wants, what it costs, and whether the gateway takes it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use podgate_plugin_host::{
    Grants, Outbound, OutboundError, OutboundRequest, OutboundResponse, Plugin, PluginError, World,
};

use super::anatomy::Anatomy;
use super::file::{self, ComponentFile};
use super::load::{Bench, plugin};
use super::{Form, Kind, print};
use report::{Cost, Report, Settings};

mod report;
mod text;

/// A plugins file holds no more.
const MAX_SETTINGS: u64 = 1024 * 1024;

/// Says what a component is, what it wants and costs, and whether this version's gateway takes it.
///
/// Exits with 0 if it does, 1 if not, with the reason and the cure, 2 if FILE cannot be read.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The component: what cargo built
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Its settings, as YAML or JSON; without, it is tried with none
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// The kind it is meant to be, instead of the one it says it is
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

/// A plugin that is configured asks nobody.
struct NoNetwork;

#[async_trait]
impl Outbound for NoNetwork {
    async fn send(
        &self,
        _: OutboundRequest,
        _: Duration,
        _: usize,
    ) -> Result<OutboundResponse, OutboundError> {
        Err(OutboundError::Unreachable("nothing is sent here".into()))
    }
}

// === impl Check ===

impl Check {
    /// Inspects, loads and prints; whether it is good.
    pub(super) async fn run(self) -> anyhow::Result<bool> {
        let file = ComponentFile::read(&self.file)?;
        let settings = self.settings()?;
        let report = examine(&file, self.kind.map(World::from), settings).await?;
        print(&match self.output {
            Form::Text => text::text(&report),
            Form::Json => serde_json::to_string_pretty(&report)? + "\n",
        })?;
        Ok(report.refused.is_none())
    }

    fn settings(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.settings else {
            return Ok(None);
        };
        let text = file::text(path, MAX_SETTINGS)?;
        let value: serde_json::Value = serde_saphyr::from_str(&text)
            .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        Ok(Some(value.to_string()))
    }
}

/// Everything that can be said of a component.
async fn examine(
    file: &ComponentFile,
    expected: Option<World>,
    settings: Option<String>,
) -> anyhow::Result<Report> {
    // What is no component has no anatomy, and the host says why.
    let anatomy = Anatomy::of(&file.bytes).unwrap_or_default();
    let said = anatomy.world().map(|(world, _)| world);
    let world = expected.or(said).unwrap_or(World::Policy);
    let grants = grants(&anatomy);
    let is_given = settings.is_some();
    let settings = settings.unwrap_or_else(|| "{}".to_owned());
    let bench = Bench::new(Arc::new(NoNetwork))?;
    let described = granted(plugin(file, world, settings, grants), &anatomy);
    let (first, cold) = bench.load(world, described.clone()).await;
    let (settings, refused) = outcome(first.err(), is_given);
    let cost = match refused {
        Some(_) => None,
        None => {
            let (_, warm) = bench.load(world, described).await;
            Some(Cost::new(cold, warm, bench.code_size()))
        }
    };
    Ok(Report::new(file, world, &anatomy, cost, settings, refused))
}

/// With the memory that its operator will have to let it have.
fn granted(mut plugin: Plugin, anatomy: &Anatomy) -> Plugin {
    if let Some(mib) = anatomy.memory_mib() {
        plugin.limits.memory = mib << 20;
    }
    plugin
}

/// What its operator will have to grant: the check is whether it is taken then.
fn grants(anatomy: &Anatomy) -> Grants {
    Grants {
        clock: anatomy.wants("podgate:types/clock"),
        service_account: anatomy
            .wants("podgate:types/service-account")
            .then(|| text::AUDIENCE.to_owned())
            .into_iter()
            .collect(),
        ..Grants::default()
    }
}

/// A plugin that cannot do without settings is a good one.
fn outcome(error: Option<PluginError>, is_given: bool) -> (Settings, Option<PluginError>) {
    match error {
        None if is_given => (Settings::Accepted, None),
        None => (Settings::NotNeeded, None),
        Some(PluginError::Settings { problems, .. }) if !is_given => {
            (Settings::needed(&problems), None)
        }
        Some(error) => (Settings::NotTried, Some(error)),
    }
}
