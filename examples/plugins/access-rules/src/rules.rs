//! The rules: settings in, an outcome for each request out.

use serde::{Deserialize, Deserializer};

/// The settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Rules {
    rules: Vec<Rule>,
    otherwise: Otherwise,
}

/// What is to be of requests that it is about: those that have one of each list that is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    #[serde(default, deserialize_with = "given")]
    namespaces: Option<Vec<Pattern>>,
    #[serde(default, deserialize_with = "given")]
    service_accounts: Option<Vec<Pattern>>,
    #[serde(default, deserialize_with = "given")]
    resources: Option<Vec<Pattern>>,
    #[serde(rename = "do")]
    action: Action,
    /// With `deny`: what the pod's owner reads.
    #[serde(default, deserialize_with = "given")]
    reason: Option<String>,
    /// With `restrict`.
    #[serde(default, deserialize_with = "given")]
    client_ids: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Allow,
    Deny,
    Restrict,
}

/// For requests that no rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Otherwise {
    #[default]
    Allow,
    Deny,
}

/// A text, or its beginning and a `*`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Pattern(String);

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub namespace: &'a str,
    pub service_account: &'a str,
    pub resource: &'a str,
}

/// What they come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    Allow,
    Deny(&'a str),
    Restrict(&'a [String]),
}

/// Left out means all; a key that somebody has only begun to write means nothing good.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Rules {
    /// The first rule's word.
    pub fn outcome(&self, request: &Request<'_>) -> Outcome<'_> {
        match self.rules.iter().find(|rule| rule.is_about(request)) {
            Some(rule) => rule.outcome(),
            None if self.otherwise == Otherwise::Deny => {
                Outcome::Deny("no rule of access-rules allows this")
            }
            None => Outcome::Allow,
        }
    }

    /// Rules that cannot mean what was meant: their places and what is wrong.
    pub fn check(&self) -> Result<(), Vec<(String, String)>> {
        let problems = self.rules.iter().enumerate().filter_map(|(index, rule)| {
            let (member, message) = rule.problem()?;
            Some((format!("/rules/{index}{member}"), message.to_owned()))
        });
        let problems: Vec<_> = problems.collect();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems),
        }
    }
}

impl Rule {
    fn is_about(&self, request: &Request<'_>) -> bool {
        let has = |patterns: &Option<Vec<Pattern>>, text: &str| {
            let patterns = patterns.as_ref();
            patterns.is_none_or(|patterns| patterns.iter().any(|one| one.fits(text)))
        };
        has(&self.namespaces, request.namespace)
            && has(&self.service_accounts, request.service_account)
            && has(&self.resources, &canonical(request.resource))
    }

    fn outcome(&self) -> Outcome<'_> {
        match self.action {
            Action::Allow => Outcome::Allow,
            Action::Deny => Outcome::Deny(self.reason.as_deref().unwrap_or("a rule denies this")),
            Action::Restrict => Outcome::Restrict(self.client_ids.as_deref().unwrap_or_default()),
        }
    }

    fn problem(&self) -> Option<(&'static str, &'static str)> {
        let lists = [
            ("/namespaces", &self.namespaces),
            ("/serviceAccounts", &self.service_accounts),
            ("/resources", &self.resources),
        ];
        let empty = lists
            .into_iter()
            .find(|(_, list)| list.as_ref().is_some_and(Vec::is_empty));
        match (self.action, &self.client_ids, &self.reason) {
            _ if empty.is_some() => empty.map(|(member, _)| {
                (
                    member,
                    "an empty list is about nothing: leave it out for all",
                )
            }),
            (Action::Restrict, None, _) => Some(("", "`restrict` needs `clientIds`")),
            (Action::Allow | Action::Deny, Some(_), _) => {
                Some(("/clientIds", "only `restrict` has client ids"))
            }
            (Action::Allow | Action::Restrict, _, Some(_)) => {
                Some(("/reason", "only `deny` has a reason"))
            }
            _ => None,
        }
    }
}

impl Pattern {
    fn fits(&self, text: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => text.starts_with(&canonical(beginning)),
            None => text == canonical(&self.0),
        }
    }
}

/// Entra takes a resource with and without a slash at its end, in letters of either case. Names of Kubernetes have only
/// small letters and no slash, so they stay as they are.
fn canonical(text: &str) -> String {
    text.trim_end_matches('/').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Rules {
        serde_json::from_str(json).unwrap()
    }

    fn request<'a>(namespace: &'a str, service_account: &'a str, resource: &'a str) -> Request<'a> {
        Request {
            namespace,
            service_account,
            resource,
        }
    }

    #[test]
    fn the_first_rule_that_is_about_a_request_decides() {
        let rules = rules(
            r#"{"rules": [
                {"namespaces": ["shop"], "serviceAccounts": ["web"], "do": "allow"},
                {"namespaces": ["shop"], "do": "deny", "reason": "not this one"}
            ]}"#,
        );
        assert_eq!(rules.outcome(&request("shop", "web", "r")), Outcome::Allow);
        let denied = Outcome::Deny("not this one");
        assert_eq!(rules.outcome(&request("shop", "job", "r")), denied);
        assert_eq!(rules.outcome(&request("bank", "job", "r")), Outcome::Allow);
    }

    #[test]
    fn a_rule_is_about_what_has_one_of_each_of_its_lists() {
        let rules = rules(
            r#"{"otherwise": "deny", "rules": [
                {"namespaces": ["team-*"], "resources": ["https://vault.azure.net"], "do": "allow"}
            ]}"#,
        );
        let allowed = |namespace, resource| {
            rules.outcome(&request(namespace, "default", resource)) == Outcome::Allow
        };
        assert!(allowed("team-a", "https://vault.azure.net"));
        assert!(!allowed("teams", "https://vault.azure.net"));
        assert!(!allowed("team-a", "https://vault.azure.net.evil.example"));
    }

    #[test]
    fn a_slash_or_a_capital_gets_around_no_rule() {
        let rules =
            rules(r#"{"rules": [{"resources": ["https://vault.azure.net/"], "do": "deny"}]}"#);
        for resource in [
            "https://vault.azure.net",
            "https://vault.azure.net/",
            "https://vault.azure.net//",
            "HTTPS://Vault.Azure.Net",
        ] {
            let outcome = rules.outcome(&request("shop", "web", resource));
            assert!(matches!(outcome, Outcome::Deny(_)), "{resource}");
        }
    }

    #[test]
    fn a_list_that_somebody_forgot_to_write_is_no_list_of_all() {
        let rules = r#"{"rules": [{"namespaces": null, "do": "allow"}]}"#;
        assert!(serde_json::from_str::<Rules>(rules).is_err());
    }

    #[test]
    fn a_rule_that_cannot_be_meant_is_refused_at_its_place() {
        let wrong = [
            (r#"{"do": "restrict"}"#, "/rules/0"),
            (r#"{"do": "deny", "clientIds": []}"#, "/rules/0/clientIds"),
            (r#"{"do": "allow", "reason": "x"}"#, "/rules/0/reason"),
            (r#"{"do": "deny", "namespaces": []}"#, "/rules/0/namespaces"),
        ];
        for (rule, place) in wrong {
            let problems = rules(&format!(r#"{{"rules": [{rule}]}}"#))
                .check()
                .unwrap_err();
            assert_eq!(problems[0].0, place);
        }
    }
}
