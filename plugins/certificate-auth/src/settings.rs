//! What an operator may set about the way to a token.

use podgate_plugin_settings::{Problem, Seconds, present, read};
use serde::Deserialize;

/// An assertion must outlive the clock difference it allows for by this much to reach the authority alive.
const LEAST_LIFE_S: u32 = 30;

/// Microsoft's guidance is that an assertion lives for 5 to 10 minutes: what it is worth to a thief.
type Lifetime = Seconds<60, 3600>;
/// Entra ID itself forgives 5 minutes.
type Skew = Seconds<0, 300>;

/// The settings. The defaults are Microsoft's current guidance (entra-docs, certificate-credentials).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Which of Entra ID's token endpoints is asked. AD FS has one of its own, whatever this says.
    pub endpoint: EndpointVersion,
    /// How assertions are signed; by default what the endpoint understands best.
    #[serde(deserialize_with = "present")]
    pub algorithm: Option<Algorithm>,
    /// Whether the certificate goes along, which authentication by subject name and issuer needs.
    #[serde(rename = "sendX5c")]
    pub send_x5c: bool,
    /// From an assertion's beginning to its end.
    pub assertion_lifetime_seconds: Lifetime,
    /// How far back an assertion's beginning is put, for an authority whose clock is behind the node's.
    pub clock_skew_seconds: Skew,
}

/// The versions of Entra ID's token endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointVersion {
    /// `oauth2/token?api-version=1.0` with a `resource`, as aad-pod-identity asked.
    V1,
    /// `oauth2/v2.0/token` with a `scope`.
    #[default]
    V2,
}

/// The signature algorithms: `podgate:types/keys.algorithm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// The name in RFC 7518.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: EndpointVersion::default(),
            algorithm: None,
            send_x5c: true,
            assertion_lifetime_seconds: const { Lifetime::new(600) },
            clock_skew_seconds: const { Skew::new(60) },
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
        match settings.too_short() {
            None => Ok(settings),
            Some(problem) => Err(vec![problem]),
        }
    }

    fn too_short(&self) -> Option<Problem> {
        let least = self.clock_skew_seconds.get() + LEAST_LIFE_S;
        let message = || {
            format!(
                "an assertion would have ended on arrival: expected at least {least}, which is clockSkewSeconds and {LEAST_LIFE_S} more"
            )
        };
        (self.assertion_lifetime_seconds.get() < least)
            .then(|| Problem::new("/assertionLifetimeSeconds", message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> (String, String) {
        let mut problems = Settings::read(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = problems.remove(0);
        (problem.setting, problem.message)
    }

    #[test]
    fn without_settings_the_guidance_of_microsoft_holds() {
        let settings = Settings::read("{}").unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.endpoint, EndpointVersion::V2);
        assert_eq!(settings.algorithm, None);
        assert!(settings.send_x5c);
        assert_eq!(settings.assertion_lifetime_seconds.get(), 600);
        assert_eq!(settings.clock_skew_seconds.get(), 60);
    }

    #[test]
    fn every_setting_can_be_set() {
        let text = r#"{"endpoint": "v1", "algorithm": "RS256", "sendX5c": false,
            "assertionLifetimeSeconds": 300, "clockSkewSeconds": 0}"#;
        let settings = Settings::read(text).unwrap();
        assert_eq!(settings.endpoint, EndpointVersion::V1);
        assert_eq!(settings.algorithm, Some(Algorithm::Rs256));
        assert!(!settings.send_x5c);
        assert_eq!(settings.assertion_lifetime_seconds.get(), 300);
        assert_eq!(settings.clock_skew_seconds.get(), 0);
    }

    #[test]
    fn a_wrong_value_is_answered_with_the_right_ones() {
        let (setting, message) = problem(r#"{"endpoint": "v3"}"#);
        assert_eq!(
            (setting.as_str(), message.contains("known are `v1`, `v2`")),
            ("/endpoint", true),
            "{message}"
        );
        let (setting, message) = problem(r#"{"algorithm": "rs256"}"#);
        assert_eq!(setting, "/algorithm");
        assert!(message.contains("the nearest is `RS256`"), "{message}");
        let (setting, message) = problem(r#"{"assertionLifetimeSeconds": 86400}"#);
        assert_eq!(setting, "/assertionLifetimeSeconds");
        assert!(
            message.ends_with("expected a whole number of seconds from 60 to 3600"),
            "{message}"
        );
    }

    #[test]
    fn a_mistyped_key_is_answered_with_the_right_one() {
        let (setting, message) = problem(r#"{"sendX5C": true}"#);
        assert_eq!(setting, "/sendX5C");
        assert!(message.contains("the nearest is `sendX5c`"), "{message}");
    }

    #[test]
    fn an_assertion_that_ends_before_it_arrives_is_refused() {
        let (setting, message) =
            problem(r#"{"assertionLifetimeSeconds": 120, "clockSkewSeconds": 120}"#);
        assert_eq!(setting, "/assertionLifetimeSeconds");
        assert!(message.contains("at least 150"), "{message}");
    }
}
