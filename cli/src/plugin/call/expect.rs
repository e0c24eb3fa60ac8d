//! What a case expects. Only what it names is compared, so each type can be written as the JSON that it names.

use anyhow::{bail, ensure};
use podgate_plugin_host::World;
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Everything that a case may name: one kind of answer, and the host calls on the way to it.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Expect {
    /// Of policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    /// Of credential plugins, as the next two.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unavailable: Option<Unavailable>,
    /// Of cache plugins, as the next one. `null` is an answer: the token is not kept.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    key: Option<Option<Text>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    /// What becomes of the token by the case's `now`, by that plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<TokenState>,
    /// `configure` refuses the settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<Problem>>,
    /// The plugin fails: a word of docs/refusals.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// Of credential plugins: what the key signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: Option<Vec<Signature>>,
    /// All lines, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Vec<Line>>,
}

/// A policy's answer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    Pass,
    Bypass,
    Deny(Text),
    Restrict(Vec<Text>),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Token {
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_on: Option<u64>,
    /// Seconds after the moment of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Refused {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_credential: Option<bool>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Unavailable {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Text>,
    /// `null` is an answer.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    retry_after: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttled: Option<bool>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Plan {
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fresh_until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_until: Option<u64>,
}

/// What the gateway does with a token that it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TokenState {
    /// Serves it.
    Fresh,
    /// Serves it and renews it in the background.
    Renewing,
    /// Asks for another one first, and serves it where there is none.
    Stale,
    /// Has it no more.
    Gone,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Problem {
    setting: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Signature {
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<Algorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text>,
    /// Where the message is one to be signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<Jwt>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Algorithm {
    Ps256,
    Rs256,
}

/// Members are the token's own.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Jwt {
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<Value>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<Level>,
    message: Text,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// A text as it is, or a part of it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Text {
    Exactly(String),
    Containing(Containing),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Containing {
    contains: String,
}

// === impl Expect ===

impl Expect {
    /// What is named, in the shape of what is found.
    pub(super) fn named(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }

    /// The seconds that the token is to live.
    pub(super) fn expires_in(&self) -> Option<u64> {
        self.token.as_ref()?.expires_in
    }

    pub(super) fn has_state(&self) -> bool {
        self.state.is_some()
    }

    pub(super) fn check(&self, world: World) -> anyhow::Result<()> {
        let cache = self.key.is_some() || self.plan.is_some() || self.state.is_some();
        let answers = [
            ("verdict", Some(World::Policy), self.verdict.is_some()),
            ("token", Some(World::Credential), self.token.is_some()),
            ("refused", Some(World::Credential), self.refused.is_some()),
            (
                "unavailable",
                Some(World::Credential),
                self.unavailable.is_some(),
            ),
            ("key, plan and state", Some(World::Cache), cache),
            ("problems", None, self.problems.is_some()),
            ("failure", None, self.failure.is_some()),
        ];
        let given = answers.into_iter().filter(|(_, _, is_given)| *is_given);
        let given: Vec<_> = given.collect();
        let [(name, of, _)] = given.as_slice() else {
            let names = answers.map(|(name, _, _)| name).join(", ");
            bail!("expect: name one answer of {names}");
        };
        if let Some(of) = of {
            ensure!(
                *of == world,
                "expect.{name} is for {of} plugins, and the component is a {world} plugin"
            );
        }
        ensure!(
            self.signatures.is_none() || world == World::Credential,
            "expect.signatures is for credential plugins, and the component is a {world} plugin"
        );
        Ok(())
    }
}

/// Tells a member that is `null` from one that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

// === impl Text ===

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text, in quotes where it looks like a number, or { contains: TEXT }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Exactly(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
        Containing::deserialize(MapAccessDeserializer::new(map)).map(Text::Containing)
    }
}
