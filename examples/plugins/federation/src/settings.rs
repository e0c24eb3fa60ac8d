//! What an operator says of the proof that is shown to Entra.

use serde::Deserialize;

/// In a subject, the identity's client id.
const CLIENT_ID: &str = "{clientId}";

/// How Entra is shown who asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Proof<'a> {
    /// By a token that the cluster's own issuer made for the gateway's service account.
    ServiceAccount,
    /// By an assertion of another issuer, whose key is the identity's.
    Signed {
        /// `iss`
        issuer: &'a str,
        /// `sub`
        subject: String,
    },
}

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// `iss`: the federated credential's issuer, exactly; Entra reads its keys below `.well-known/openid-configuration`.
    /// Without one, the proof is a token of the gateway's service account.
    issuer: Option<String>,
    /// `sub`: the federated credential's subject, exactly; `{clientId}` stands for the identity's.
    subject: Option<String>,
    /// `aud`: the federated credential's audience.
    #[serde(default = "audience")]
    pub audience: String,
}

fn audience() -> String {
    "api://AzureADTokenExchange".to_owned()
}

impl Settings {
    /// What cannot work.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match (&self.issuer, &self.subject) {
            (Some(issuer), _) if !issuer.starts_with("https://") => Err((
                "/issuer",
                "an https URL, as the federated credential has it",
            )),
            (Some(_), Some(subject)) if subject.is_empty() => {
                Err(("/subject", "empty; leave it out for the client id"))
            }
            (None, Some(_)) => Err((
                "/subject",
                "only with `issuer`: without one the subject is the gateway's service account",
            )),
            _ => Ok(()),
        }
    }

    /// How Entra is shown who asks.
    pub fn proof(&self, client_id: &str) -> Proof<'_> {
        match &self.issuer {
            None => Proof::ServiceAccount,
            Some(issuer) => Proof::Signed {
                issuer,
                subject: self
                    .subject
                    .as_deref()
                    .unwrap_or(CLIENT_ID)
                    .replace(CLIENT_ID, client_id),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Settings {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_subject_names_the_identity() {
        let subject = |json: &str| match read(json).proof("abc") {
            Proof::Signed { subject, .. } => subject,
            Proof::ServiceAccount => panic!("{json} has an issuer"),
        };
        let named = r#"{"issuer": "https://i.example", "subject": "podgate/{clientId}"}"#;
        assert_eq!(subject(named), "podgate/abc");
        assert_eq!(subject(r#"{"issuer": "https://i.example"}"#), "abc");
    }

    #[test]
    fn without_an_issuer_the_clusters_own_is_the_one() {
        let settings = read("{}");
        assert!(settings.check().is_ok());
        assert_eq!(settings.proof("abc"), Proof::ServiceAccount);
        assert_eq!(settings.audience, "api://AzureADTokenExchange");
    }

    #[test]
    fn what_entra_would_not_take_is_refused() {
        for (json, setting) in [
            (r#"{"issuer": "http://i.example"}"#, "/issuer"),
            (
                r#"{"issuer": "https://i.example", "subject": ""}"#,
                "/subject",
            ),
            (r#"{"subject": "a"}"#, "/subject"),
        ] {
            assert_eq!(read(json).check().unwrap_err().0, setting, "{json}");
        }
    }
}
