//! How long.

use serde::{Deserialize, Deserializer};

/// `times.jitter` is below this.
const MILLION: u64 = 1_000_000;
/// Below a minute nearly every request would be a new token: that is what 0 is for.
const SHORTEST: u64 = 60;

/// The settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    tokens: Vec<Rule>,
}

/// A limit for tokens of one of these resources and one of these identities.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    #[serde(default, deserialize_with = "given")]
    resources: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    client_ids: Option<Vec<String>>,
    /// 0: a new token for each request.
    max_age_seconds: u64,
}

/// Left out means all; a key that somebody has only begun to write means nothing good.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Settings {
    /// Where something is wrong, and what.
    pub fn check(&self) -> Result<(), (String, &'static str)> {
        let wrong = |rule: &Rule| (1..SHORTEST).contains(&rule.max_age_seconds);
        match self.tokens.iter().position(wrong) {
            Some(index) => Err((
                format!("/tokens/{index}/maxAgeSeconds"),
                "60 at least, or 0 for a new token with each request",
            )),
            None => Ok(()),
        }
    }

    /// The shortest life that a rule says, in seconds.
    pub fn limit(&self, client_id: &str, resource: &str) -> Option<u64> {
        let rules = self.tokens.iter();
        rules
            .filter(|rule| rule.is_about(client_id, resource))
            .map(|rule| rule.max_age_seconds)
            .min()
    }
}

impl Rule {
    fn is_about(&self, client_id: &str, resource: &str) -> bool {
        let named = |names: &Option<Vec<String>>, name: &str| {
            let same = |one: &String| canonical(one).eq_ignore_ascii_case(canonical(name));
            names.as_ref().is_none_or(|names| names.iter().any(same))
        };
        named(&self.resources, resource) && named(&self.client_ids, client_id)
    }
}

/// Entra takes a resource with and without a slash at its end.
fn canonical(name: &str) -> &str {
    name.trim_end_matches('/')
}

/// How long a token is served, in seconds.
pub fn life(obtained: u64, expires: u64, limit: Option<u64>) -> u64 {
    let whole = expires.saturating_sub(obtained);
    limit.map_or(whole, |limit| whole.min(limit))
}

/// From 45 % to 55 % of its life, by chance: what was got at one moment is not renewed at one moment.
pub fn refresh_at(obtained: u64, life: u64, jitter: u32) -> u64 {
    let tenth = life / 10;
    let chance = tenth.saturating_mul(u64::from(jitter)) / MILLION;
    after(obtained, (life / 2).saturating_sub(tenth / 2) + chance)
}

/// The end of time is a time.
pub fn after(obtained: u64, seconds: u64) -> u64 {
    obtained.saturating_add(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let json = r#"{"tokens": [
            {"resources": ["https://management.azure.com"], "maxAgeSeconds": 900},
            {"clientIds": ["ABC"], "maxAgeSeconds": 300},
            {"resources": ["api://payments"], "maxAgeSeconds": 0}
        ]}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_shortest_life_of_all_that_are_meant_counts() {
        let limit = |client_id, resource| settings().limit(client_id, resource);
        assert_eq!(limit("x", "https://management.azure.com/"), Some(900));
        assert_eq!(limit("abc", "https://management.azure.com"), Some(300));
        assert_eq!(limit("abc", "api://payments"), Some(0));
        assert_eq!(limit("x", "https://vault.azure.net"), None);
    }

    #[test]
    fn no_life_is_longer_than_the_tokens_own() {
        assert_eq!(life(1_000, 1_060, Some(900)), 60);
        assert_eq!(life(1_000, 87_400, Some(900)), 900);
        assert_eq!(life(1_000, 0, None), 0);
    }

    #[test]
    fn renewals_lie_around_half_of_the_life_whatever_the_numbers() {
        assert_eq!(refresh_at(0, 1000, 0), 450);
        assert_eq!(refresh_at(0, 1000, 999_999), 549);
        assert_eq!(refresh_at(u64::MAX, u64::MAX, u32::MAX), u64::MAX);
        assert_eq!(refresh_at(7, 0, 0), 7);
    }

    #[test]
    fn seconds_that_cannot_be_meant_are_refused() {
        let settings: Settings =
            serde_json::from_str(r#"{"tokens": [{"maxAgeSeconds": 5}]}"#).unwrap();
        assert_eq!(settings.check().unwrap_err().0, "/tokens/0/maxAgeSeconds");
        assert!(self::settings().check().is_ok());
    }
}
