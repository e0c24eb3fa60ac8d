//! Every case, each in a plugin loaded for it.

use std::sync::Arc;

use podgate_plugin_host::{Outbound, World};
use serde_json::{Value, json};
use tracing::instrument::WithSubscriber;

use super::ask::ask;
use super::compare::differences;
use super::found;
use super::key::CaseKey;
use super::log::Lines;
use super::network::{Exchange, Script};
use super::place::Place;
use super::report::{CaseReport, Report};
use super::suite::{Case, Suite};
use crate::plugin::file::ComponentFile;
use crate::plugin::load::{Bench, plugin};

/// What all cases share.
struct Stage<'a> {
    file: &'a ComponentFile,
    world: World,
    suite: &'a Suite,
    bench: Bench,
    script: Arc<Script>,
    place: Arc<Place>,
    key: Option<Arc<CaseKey>>,
}

/// Runs them in order.
///
/// # Errors
/// The machine does not let them run.
pub(super) async fn run(
    file: &ComponentFile,
    world: World,
    suite: &Suite,
) -> anyhow::Result<Report> {
    let script = Arc::new(Script::default());
    let http: Arc<dyn Outbound> = Arc::clone(&script) as _;
    let place = Arc::new(Place::default());
    let key = match world {
        World::Credential => Some(Arc::new(CaseKey::new()?)),
        World::Policy | World::Cache => None,
    };
    let stage = Stage {
        file,
        world,
        suite,
        bench: Bench::within(place.surroundings(), http)?,
        script,
        place,
        key,
    };
    let mut cases = Vec::new();
    for case in &suite.cases {
        cases.push(stage.run(case).await?);
    }
    Ok(Report::new(file, world, cases))
}

// === impl Stage ===

impl Stage<'_> {
    async fn run(&self, case: &Case) -> anyhow::Result<CaseReport> {
        let exchanges = case.http.as_deref().unwrap_or_default();
        let lines = Lines::default();
        self.script.begin(exchanges);
        self.place.begin(case);
        let answer = self.answer(case).with_subscriber(lines.listener()).await?;
        let mut found = answer;
        found["http"] = self.script.end().into();
        found["signatures"] = self.key.as_ref().map(|key| key.take()).into();
        found["log"] = lines.take().into();
        let expected = expected(case, exchanges)?;
        Ok(CaseReport {
            name: case.name.clone(),
            differences: differences(&expected, &found),
            found,
        })
    }

    async fn answer(&self, case: &Case) -> anyhow::Result<Value> {
        let settings = case.settings.as_ref().unwrap_or(&self.suite.settings);
        let grants = self.suite.grants();
        let mut plugin = plugin(self.file, self.world, settings.to_string(), grants);
        plugin.limits = self.suite.limits(self.world)?;
        let (loaded, _) = self.bench.load(self.world, plugin).await;
        match loaded {
            Ok(loaded) => ask(&loaded, case, self.key.as_ref(), &self.place).await,
            Err(error) => Ok(found::error(&error)),
        }
    }
}

/// What the case names; of a failure that it does not name, none, and of the requests exactly those of the script.
fn expected(case: &Case, exchanges: &[Exchange]) -> serde_json::Result<Value> {
    let mut expected = case.expect.named()?;
    for unless_named in ["failure", "problems"] {
        if expected.get(unless_named).is_none() {
            expected[unless_named] = Value::Null;
        }
    }
    let requests = exchanges.iter().map(Exchange::expected);
    expected["http"] = json!(requests.collect::<Result<Vec<_>, _>>()?);
    Ok(expected)
}
