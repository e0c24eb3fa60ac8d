//! Issuers of tokens that applications trust by federation, and where their keys are.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use rustls_pki_types::ServerName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::lookup_host;
use url::{Host, Position, Url};

use super::certificate::Certificate;
use crate::{Answer, Client};

/// What Entra recommends, and the workload identity webhook asks the kubelet for.
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// One document. An issuer is on loopback.
const DEADLINE: Duration = Duration::from_secs(5);

/// A federated identity credential: who bears a token of this issuer, with this subject and for this audience, is the
/// application. All three are compared letter by letter.
///
/// Source: Entra docs, "Workload identity federation", "Important considerations and restrictions".
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct FederatedCredential {
    /// `iss`: an https URL, the cluster's OIDC issuer.
    pub issuer: String,
    /// `sub`: `system:serviceaccount:NAMESPACE:NAME` of a service account.
    pub subject: String,
    /// `aud`: `api://AzureADTokenExchange` where it is not said.
    #[serde(default = "exchange")]
    pub audience: String,
    /// Where the issuer's keys are.
    #[serde(default)]
    pub keys: IssuerKeys,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum IssuerKeys {
    /// Served by the issuer, and read anew for each token: OpenID discovery, then the key set.
    Served(ServedKeys),
    /// These, a JSON Web Key Set.
    Given(JwkSet),
}

/// How an issuer is reached.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct ServedKeys {
    /// The URL to which `/.well-known/openid-configuration` is appended, where that is not the issuer's own: tests
    /// have no public names. Only such a URL may be `http`.
    pub at: Option<String>,
    /// The certificate authority that `https` must be from; needed for `https`.
    pub ca: Option<Certificate>,
}

/// OpenID discovery, as far as it is read.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

fn exchange() -> String {
    EXCHANGE.to_owned()
}

impl FederatedCredential {
    /// A credential for the audience `api://AzureADTokenExchange`.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>, keys: IssuerKeys) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
            audience: exchange(),
            keys,
        }
    }
}

impl Default for IssuerKeys {
    fn default() -> Self {
        Self::Served(ServedKeys::default())
    }
}

impl IssuerKeys {
    /// The keys of `issuer` as they are now, or why they cannot be had.
    pub(crate) async fn of(&self, issuer: &str) -> Result<JwkSet, String> {
        match self {
            Self::Given(keys) => Ok(keys.clone()),
            Self::Served(served) => served.keys(issuer).await,
        }
    }
}

impl ServedKeys {
    async fn keys(&self, issuer: &str) -> Result<JwkSet, String> {
        let base = self.at.as_deref().unwrap_or(issuer).trim_end_matches('/');
        let discovery: Discovery = self
            .read(&format!("{base}/.well-known/openid-configuration"))
            .await?;
        match discovery.issuer == issuer {
            true => self.read(&discovery.jwks_uri).await,
            false => Err(format!(
                "the issuer at {base} calls itself '{}'",
                discovery.issuer
            )),
        }
    }

    async fn read<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let answer = self
            .get(url)
            .await
            .map_err(|why| format!("{url} cannot be read: {why}"))?;
        match answer.status {
            200 => serde_json::from_slice(&answer.body)
                .map_err(|why| format!("{url} is not as expected: {why}")),
            status => Err(format!("{url} answered {status}")),
        }
    }

    async fn get(&self, url: &str) -> Result<Answer, String> {
        let url = Url::parse(url).map_err(|why| why.to_string())?;
        let host = match url.host().ok_or("it names no host")? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let authority = self.authority(&url, &host)?;
        let port = url.port_or_known_default().ok_or("it names no port")?;
        let addresses = lookup_host((host.as_str(), port))
            .await
            .map_err(|why| why.to_string())?;
        let named = &url[Position::BeforeHost..Position::AfterPort];
        let mut last = "the host has no address".to_owned();
        for address in addresses {
            let client = Client::new(address).deadline(DEADLINE);
            let client = match authority {
                Some(ca) => client.https(&ca.pem(), &host),
                None => client,
            };
            let path = &url[Position::BeforePath..];
            match client.get(path, &[("Host", named)]).await {
                Ok(answer) => return Ok(answer),
                Err(why) => last = why.to_string(),
            }
        }
        Err(last)
    }

    /// Whom to trust, `None` for a URL without TLS. Before the name is looked up: tests ask no name server.
    fn authority(&self, url: &Url, host: &str) -> Result<Option<&Certificate>, String> {
        match (url.scheme(), &self.ca, &self.at) {
            ("https", Some(ca), _) if ServerName::try_from(host).is_ok() => Ok(Some(ca)),
            ("https", Some(_), _) => Err(format!("'{host}' is no name of a server")),
            ("https", None, _) => Err("https needs the `ca` to trust".to_owned()),
            ("http", _, Some(_)) => Ok(None),
            (scheme, ..) => Err(format!("an issuer is https, not {scheme}")),
        }
    }
}
