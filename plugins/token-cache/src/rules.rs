//! Which rule holds for which resource.

use crate::settings::{Override, Settings};

/// How tokens of one resource are kept: the settings, with what the resource's own entry says in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The part of its life after which a token is renewed, in millionths.
    pub refresh_at: u32,
    /// How long before its end a token is no longer fresh, in seconds.
    pub margin: u32,
    /// The greatest age at which a token is served, in seconds.
    pub max_age: Option<u32>,
    /// Tokens are not kept at all.
    pub skip: bool,
}

impl Rule {
    /// The rule of a resource. An entry with exactly its name comes before any that ends in `*`, and of
    /// those the longest: the order of the entries means nothing.
    #[must_use]
    pub fn of(resource: &str, settings: &Settings) -> Self {
        let entries = settings
            .resources()
            .filter(|entry| covers(&entry.resource, resource));
        Self::from(
            entries.max_by_key(|entry| precedence(&entry.resource)),
            settings,
        )
    }

    fn from(entry: Option<&Override>, settings: &Settings) -> Self {
        let refresh_at = entry
            .and_then(|entry| entry.refresh_at)
            .unwrap_or(settings.refresh_at);
        let max_age = entry
            .and_then(|entry| entry.max_age_seconds)
            .or(settings.max_age_seconds);
        Self {
            refresh_at: refresh_at.millionths(),
            margin: settings.min_refresh_margin_seconds.get(),
            max_age: max_age.map(|age| age.get()),
            skip: entry.is_some_and(|entry| entry.skip),
        }
    }

    /// The guest's part of the cache key, none where tokens are not kept. The host puts the resource in front
    /// of it, so it holds what else a token was kept by: a greatest age that an operator lowers takes
    /// the tokens that were kept for longer out of use at once.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        let key = match self.max_age {
            Some(seconds) => format!("max-age={seconds}"),
            None => "max-age=none".to_owned(),
        };
        (!self.skip).then_some(key)
    }
}

fn covers(pattern: &str, resource: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == resource, |prefix| resource.starts_with(prefix))
}

fn precedence(pattern: &str) -> (bool, usize) {
    (!pattern.ends_with('*'), pattern.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(resource: &str, settings: &str) -> Rule {
        Rule::of(resource, &Settings::read(settings).unwrap())
    }

    const SEVERAL: &str = r#"{"refreshAt": 0.75, "maxAgeSeconds": 7200, "resources": [
        {"resource": "https://vault.azure.net*", "maxAgeSeconds": 1000},
        {"resource": "https://vault.azure.net", "maxAgeSeconds": 2000, "refreshAt": 0.25},
        {"resource": "https://*", "maxAgeSeconds": 3000},
        {"resource": "api://secret", "skip": true}]}"#;

    #[test]
    fn without_settings_half_life_and_five_minutes_hold() {
        let expected = Rule {
            refresh_at: 500_000,
            margin: 300,
            max_age: None,
            skip: false,
        };
        assert_eq!(rule("https://vault.azure.net", "{}"), expected);
    }

    #[test]
    fn the_exact_name_comes_first_and_then_the_longest_prefix() {
        assert_eq!(rule("https://vault.azure.net", SEVERAL).max_age, Some(2000));
        assert_eq!(
            rule("https://vault.azure.net/", SEVERAL).max_age,
            Some(1000)
        );
        assert_eq!(
            rule("https://graph.microsoft.com", SEVERAL).max_age,
            Some(3000)
        );
        assert_eq!(rule("api://other", SEVERAL).max_age, Some(7200));
    }

    #[test]
    fn what_an_entry_leaves_out_is_taken_from_the_settings() {
        assert_eq!(rule("https://vault.azure.net", SEVERAL).refresh_at, 250_000);
        assert_eq!(
            rule("https://vault.azure.net/", SEVERAL).refresh_at,
            750_000
        );
    }

    #[test]
    fn resources_differ_by_case_and_by_a_trailing_slash() {
        let settings = r#"{"resources": [{"resource": "https://a", "skip": true}]}"#;
        assert!(rule("https://a", settings).skip);
        assert!(!rule("https://a/", settings).skip);
        assert!(!rule("https://A", settings).skip);
    }

    #[test]
    fn a_skipped_resource_has_no_key() {
        assert_eq!(rule("api://secret", SEVERAL).key(), None);
        assert_eq!(rule("api://other", SEVERAL).key().unwrap(), "max-age=7200");
        assert_eq!(rule("api://other", "{}").key().unwrap(), "max-age=none");
    }

    proptest! {
        #[test]
        fn the_order_of_the_entries_means_nothing(resource in "[ab]{0,4}", patterns in prop::collection::btree_set("[ab]{1,3}[*]?", 1..6)) {
            let entry = |(age, pattern): (usize, &String)| format!(r#"{{"resource": "{pattern}", "maxAgeSeconds": {}}}"#, 100 + age);
            let mut entries: Vec<String> = patterns.iter().enumerate().map(entry).collect();
            let of = |entries: &[String]| rule(&resource, &format!(r#"{{"resources": [{}]}}"#, entries.join(",")));
            let forwards = of(&entries);
            entries.reverse();
            prop_assert_eq!(forwards, of(&entries));
        }

        #[test]
        fn a_key_is_at_most_256_bytes(max_age in any::<Option<u32>>()) {
            let rule = Rule { refresh_at: 0, margin: 0, max_age, skip: false };
            prop_assert!(rule.key().unwrap().len() <= 256);
        }
    }
}
