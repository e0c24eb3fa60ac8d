//! What an operator may set about keeping tokens.

use std::collections::BTreeSet;
use std::fmt;

use podgate_plugin_settings::{Object, Problem, Seconds, present, read};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use crate::lifetime::MILLION;

/// Entries are read anew for each instance of the plugin, and an operator has a handful of audiences.
const MAX_RESOURCES: usize = 256;

/// `podgate:types/model.token-request.resource` is no longer than this.
const MAX_RESOURCE_BYTES: usize = 1024;

/// A minute at least: a shorter age asks the authority for nearly every request, for which there is `skip`.
/// A year at most: more than any token lives.
pub type Age = Seconds<60, 31_536_000>;

/// A day at most: as long as the longest tokens of Entra ID live.
pub type Margin = Seconds<0, 86_400>;

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The part of its life after which a token is renewed in the background, give or take 10 %.
    pub refresh_at: Fraction,
    /// How long before its end a token is no longer fresh, at most half of its life.
    pub min_refresh_margin_seconds: Margin,
    /// The greatest age at which a token is served; none for until its end.
    #[serde(alias = "maxAge", deserialize_with = "present")]
    pub max_age_seconds: Option<Age>,
    resources: Vec<Object<Override>>,
}

/// What differs for one resource, or for those that begin alike.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// The resource, exactly, or its beginning with a `*` after it.
    pub resource: String,
    /// As in the settings.
    #[serde(default, deserialize_with = "present")]
    pub max_age_seconds: Option<Age>,
    /// Tokens of this resource are not kept.
    #[serde(default)]
    pub skip: bool,
    /// As in the settings.
    #[serde(default, deserialize_with = "present")]
    pub refresh_at: Option<Fraction>,
}

/// A part of a life, from 0.05 to 0.95: below, tokens are renewed all the time; above, none is ahead of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction(u32);

impl Fraction {
    const MIN: f64 = 0.05;
    const MAX: f64 = 0.95;

    /// As millionths.
    #[must_use]
    pub fn millionths(self) -> u32 {
        self.0
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            refresh_at: Fraction(MILLION / 2),
            min_refresh_margin_seconds: const { Margin::new(300) },
            max_age_seconds: None,
            resources: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// Every problem with its place.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let settings: Self = read(text)?;
        if settings.resources.len() > MAX_RESOURCES {
            let message = format!(
                "{} entries, expected at most {MAX_RESOURCES}: join some with `*`",
                settings.resources.len()
            );
            return Err(vec![Problem::new("/resources", message)]);
        }
        let problems = settings.problems();
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(problems)
        }
    }

    /// The entries for single resources.
    pub fn resources(&self) -> impl Iterator<Item = &Override> {
        self.resources.iter().map(|entry| &entry.0)
    }

    fn problems(&self) -> Vec<Problem> {
        let mut seen = BTreeSet::new();
        let problem = |(at, entry): (usize, &Override)| {
            let place = format!("/resources/{at}");
            let again = !seen.insert(entry.resource.clone());
            entry
                .problem(&place)
                .or_else(|| again.then(|| repeated(&place)))
        };
        self.resources().enumerate().filter_map(problem).collect()
    }
}

fn repeated(place: &str) -> Problem {
    Problem::new(
        format!("{place}/resource"),
        "an entry above has the same resource: join the two",
    )
}

impl Override {
    fn problem(&self, place: &str) -> Option<Problem> {
        let resource = malformed(&self.resource)
            .map(|message| Problem::new(format!("{place}/resource"), message));
        resource.or_else(|| self.contradiction(place))
    }

    fn contradiction(&self, place: &str) -> Option<Problem> {
        let kept = self.max_age_seconds.is_some() || self.refresh_at.is_some();
        let message =
            "tokens that are not kept have no age and no renewal: leave out `skip`, or the others";
        (self.skip && kept).then(|| Problem::new(format!("{place}/skip"), message))
    }
}

fn malformed(resource: &str) -> Option<&'static str> {
    let name = resource.strip_suffix('*').unwrap_or(resource);
    if resource.is_empty() {
        Some(
            "empty, expected a resource such as `https://vault.azure.net`, or the beginning of some and `*`",
        )
    } else if resource.len() > MAX_RESOURCE_BYTES {
        Some("longer than 1024 bytes, as no resource is")
    } else if name.contains('*') {
        Some("a `*` stands for any ending and so only at the end")
    } else if name.chars().any(char::is_control) || name.trim() != name {
        Some("no resource has control characters, or space around it")
    } else {
        None
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FractionVisitor)
    }
}

struct FractionVisitor;

impl Visitor<'_> for FractionVisitor {
    type Value = Fraction;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number from {} to {}", Fraction::MIN, Fraction::MAX)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Fraction, E> {
        if (Fraction::MIN..=Fraction::MAX).contains(&number) {
            return Ok(Fraction((number * f64::from(MILLION)).round() as u32));
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Fraction, E> {
        Err(E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

#[cfg(test)]
#[path = "settings/tests.rs"]
mod tests;
