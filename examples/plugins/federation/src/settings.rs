//! What an operator says of the issuer.

use serde::Deserialize;

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// `iss`: the federated credential's issuer, exactly; Entra reads its keys below `.well-known/openid-configuration`.
    pub issuer: String,
    /// `sub`: the federated credential's subject, exactly; `{clientId}` stands for the identity's.
    #[serde(default = "subject")]
    subject: String,
    /// `aud`: the federated credential's audience.
    #[serde(default = "audience")]
    pub audience: String,
}

fn subject() -> String {
    "{clientId}".to_owned()
}

fn audience() -> String {
    "api://AzureADTokenExchange".to_owned()
}

impl Settings {
    /// What cannot work.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match () {
            () if !self.issuer.starts_with("https://") => Err((
                "/issuer",
                "an https URL, as the federated credential has it",
            )),
            () if self.subject.is_empty() => {
                Err(("/subject", "empty; leave it out for the client id"))
            }
            () => Ok(()),
        }
    }

    /// The subject of an identity.
    pub fn subject(&self, client_id: &str) -> String {
        self.subject.replace("{clientId}", client_id)
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
        let settings = read(r#"{"issuer": "https://i.example", "subject": "podgate/{clientId}"}"#);
        assert_eq!(settings.subject("abc"), "podgate/abc");
        assert_eq!(
            read(r#"{"issuer": "https://i.example"}"#).subject("abc"),
            "abc"
        );
    }

    #[test]
    fn an_issuer_without_tls_is_refused() {
        let problem = read(r#"{"issuer": "http://i.example"}"#)
            .check()
            .unwrap_err();
        assert_eq!(problem.0, "/issuer");
    }
}
