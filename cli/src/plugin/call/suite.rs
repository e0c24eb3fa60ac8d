//! The file of cases. An unknown key is an error, with its place: a case that is not read proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use podgate_plugin_host::{Grants, Limits, World};
use serde::Deserialize;
use serde_json::Value;

use super::expect::Expect;
use super::network::Exchange;
use super::place::Moment;
use super::question::{Exception, Identity, Pod, Request, Subject, Times};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Suite {
    /// For all cases that have none of their own.
    #[serde(default = "none")]
    pub(super) settings: Value,
    /// As in a plugins file.
    #[serde(default)]
    grants: GrantKeys,
    /// As in a plugins file.
    #[serde(default)]
    limits: LimitKeys,
    pub(super) cases: Vec<Case>,
}

/// One question, or settings that are refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) settings: Option<Value>,
    /// The time of the case. Without it, it is now.
    pub(super) now: Option<Moment>,
    // Of policies.
    pub(super) pod: Option<Pod>,
    pub(super) request: Option<Request>,
    pub(super) exceptions: Option<Vec<Exception>>,
    // Of credential plugins.
    pub(super) identity: Option<Identity>,
    pub(super) resource: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) http: Option<Vec<Exchange>>,
    /// By audience.
    pub(super) service_account_tokens: Option<BTreeMap<String, String>>,
    // Of cache plugins.
    pub(super) subject: Option<Subject>,
    pub(super) times: Option<Times>,
    pub(super) expect: Expect,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GrantKeys {
    #[serde(default)]
    clock: bool,
    #[serde(default)]
    http: Vec<String>,
    #[serde(default)]
    service_account: Vec<String>,
    #[serde(default)]
    bypass: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LimitKeys {
    #[serde(rename = "memoryMiB")]
    memory_mib: Option<usize>,
    /// `250ms`, `2s`
    call: Option<String>,
    cpu: Option<String>,
}

// === impl Suite ===

impl Suite {
    /// Reads a file of cases for a plugin of this world.
    ///
    /// # Errors
    /// The place and what is wrong there.
    pub(super) fn parse(text: &str, world: World) -> anyhow::Result<Self> {
        let suite: Self =
            serde_saphyr::from_str(text).map_err(|error| anyhow::anyhow!("{error}"))?;
        ensure!(!suite.cases.is_empty(), "there is no case in it");
        suite.limits(world)?;
        let mut names = BTreeSet::new();
        for case in &suite.cases {
            ensure!(!case.name.is_empty(), "a case has no name");
            ensure!(
                names.insert(&case.name),
                "two cases are named `{}`",
                case.name
            );
            case.check(world)
                .with_context(|| format!("case `{}`", case.name))?;
        }
        Ok(suite)
    }

    pub(super) fn grants(&self) -> Grants {
        Grants {
            clock: self.grants.clock,
            http_hosts: self.grants.http.clone(),
            service_account: self.grants.service_account.clone(),
            bypass: self.grants.bypass,
        }
    }

    /// Those of the world, with the file's own.
    pub(super) fn limits(&self, world: World) -> anyhow::Result<Limits> {
        let mut limits = match world {
            World::Credential => Limits::credential(),
            World::Policy | World::Cache => Limits::default(),
        };
        if let Some(memory) = self.limits.memory_mib {
            limits.memory = memory.saturating_mul(1024 * 1024);
        }
        if let Some(call) = &self.limits.call {
            limits.call = duration("call", call)?;
        }
        if let Some(cpu) = &self.limits.cpu {
            limits.cpu = duration("cpu", cpu)?;
        }
        Ok(limits)
    }
}

// === impl Case ===

impl Case {
    fn check(&self, world: World) -> anyhow::Result<()> {
        let members = [
            ("pod", World::Policy, self.pod.is_some()),
            ("request", World::Policy, self.request.is_some()),
            ("exceptions", World::Policy, self.exceptions.is_some()),
            ("identity", World::Credential, self.identity.is_some()),
            ("resource", World::Credential, self.resource.is_some()),
            ("requestId", World::Credential, self.request_id.is_some()),
            ("http", World::Credential, self.http.is_some()),
            (
                "serviceAccountTokens",
                World::Credential,
                self.service_account_tokens.is_some(),
            ),
            ("subject", World::Cache, self.subject.is_some()),
            ("times", World::Cache, self.times.is_some()),
        ];
        for (member, of, is_given) in members {
            if is_given && of != world {
                bail!("{member} is for {of} plugins, and the component is a {world} plugin");
            }
        }
        let mut exchanges = self.http.iter().flatten();
        exchanges.try_for_each(Exchange::check)?;
        ensure!(
            !self.expect.has_state() || (self.now.is_some() && self.times.is_some()),
            "expect.state needs `now` and `times`: it is what becomes of the token by then"
        );
        self.expect.check(world)
    }
}

fn none() -> Value {
    Value::Object(serde_json::Map::new())
}

fn duration(key: &str, text: &str) -> anyhow::Result<Duration> {
    let parsed = match text.strip_suffix("ms") {
        Some(number) => number.trim().parse().map(Duration::from_millis),
        None => {
            let number = text.strip_suffix('s').unwrap_or(text);
            number.trim().parse().map(Duration::from_secs)
        }
    };
    parsed.with_context(|| format!("limits.{key}: `{text}` is no time; `250ms` and `2s` are"))
}

#[cfg(test)]
mod tests;
