//! Where ARM is, and which URLs may be sent its token.

use std::fmt;
use std::str::FromStr;

use podgate_api::{InvalidId, Resource};
use thiserror::Error;
use url::{Host, Url};

use super::id::ComputeId;

/// The version of `Microsoft.Compute` that is asked for: it has etags, and every cloud but Azure Stack Hub has it.
const API_VERSION: &str = "2024-07-01";

/// Longest poll URL that is taken, in bytes. Real ones carry certificates in their query and have some 2 KiB.
const MAX_URL: usize = 8 * 1024;

/// The URL of an Azure Resource Manager, what its tokens are for, and the version of its API.
#[derive(Clone, PartialEq, Eq)]
pub struct ArmEndpoint {
    url: Url,
    audience: Resource,
    api_version: String,
}

/// Why a text is no URL of an Azure Resource Manager.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidEndpoint {
    /// Not `https://HOST/` and nothing more.
    #[error(
        "{excerpt:?} is no URL of Azure Resource Manager; write https, a host, and perhaps a port"
    )]
    Url {
        /// The text, or its beginning.
        excerpt: String,
    },
    /// Not of the form `2024-07-01`.
    #[error("{excerpt:?} is no API version of ARM; they look like 2024-07-01")]
    ApiVersion {
        /// The text, or its beginning.
        excerpt: String,
    },
    /// The audience is no resource.
    #[error("the audience of ARM's tokens: {0}")]
    Audience(#[from] InvalidId),
}

/// A poll URL that leads elsewhere. The text repeats nothing of its query.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("ARM named {named} to follow an operation, which is not below {trusted}subscriptions/")]
pub struct UntrustedUrl {
    named: String,
    trusted: String,
}

// === impl ArmEndpoint ===

impl FromStr for ArmEndpoint {
    type Err = InvalidEndpoint;

    /// The URL itself is the audience, with its trailing slash, as aad-pod-identity asks for it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let excerpt = || text.chars().take(96).collect();
        let url = origin(text.trim()).ok_or_else(|| InvalidEndpoint::Url { excerpt: excerpt() })?;
        Ok(Self {
            audience: url.as_str().parse()?,
            url,
            api_version: API_VERSION.to_owned(),
        })
    }
}

impl ArmEndpoint {
    /// The same, for tokens of another audience: custom clouds have one.
    #[must_use]
    pub fn with_audience(self, audience: Resource) -> Self {
        Self { audience, ..self }
    }

    /// The same with another version of `Microsoft.Compute`: Azure Stack Hub has older ones only. Versions
    /// before 2023-09-01 know no etags, so the last identity is taken without their protection.
    ///
    /// # Errors
    /// The text is no version.
    pub fn with_api_version(self, version: &str) -> Result<Self, InvalidEndpoint> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let date = version.get(..10).unwrap_or_default();
        let parts: Vec<&str> = date.split('-').collect();
        let rest = version.get(10..).unwrap_or_default();
        let shaped = parts.iter().map(|part| part.len()).eq([4, 2, 2])
            && parts.iter().all(|part| digits(part))
            && matches!(rest, "" | "-preview");
        match shaped {
            true => Ok(Self {
                api_version: version.to_owned(),
                ..self
            }),
            false => Err(InvalidEndpoint::ApiVersion {
                excerpt: version.chars().take(32).collect(),
            }),
        }
    }

    /// What its tokens are for.
    pub fn audience(&self) -> &Resource {
        &self.audience
    }

    /// The URL, with a trailing slash.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The URL of a virtual machine or scale set.
    pub(super) fn resource(&self, id: &ComputeId) -> Url {
        let mut url = self.url.clone();
        url.set_path(id.as_str());
        url.query_pairs_mut()
            .clear()
            .append_pair("api-version", &self.api_version);
        url
    }

    /// A URL out of an answer, where the token may go: the same scheme, host and port, below `/subscriptions/`.
    ///
    /// # Errors
    /// It leads elsewhere. Whoever controls it would be given the token.
    pub(super) fn trust(&self, text: &str) -> Result<Url, UntrustedUrl> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_URL);
        let ours = |url: &Url| {
            url.origin() == self.url.origin()
                && url.username().is_empty()
                && url.password().is_none()
                && !text.contains(['@', '\\', '#'])
                && url
                    .path()
                    .to_ascii_lowercase()
                    .starts_with("/subscriptions/")
        };
        match url {
            Some(url) if ours(&url) => Ok(url),
            other => Err(UntrustedUrl {
                named: other.map_or_else(|| "what is no URL".to_owned(), |url| shown(&url)),
                trusted: self.url.to_string(),
            }),
        }
    }
}

/// Without user and query.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or("no host");
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let path: String = url.path().chars().take(96).collect();
    format!("{}://{host}{port}{path}", url.scheme())
}

fn origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= 512)?;
    let host = matches!(url.host()?, Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_));
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let plain = !text.contains(['@', '\\', '%']) && !text.contains(char::is_whitespace);
    (host && bare && plain && url.scheme() == "https").then_some(url)
}

impl fmt::Display for ArmEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ArmEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ArmEndpoint({:?}, for {:?})",
            self.as_str(),
            self.audience.as_str()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> ArmEndpoint {
        "https://management.azure.com".parse().unwrap()
    }

    #[test]
    fn the_audience_is_the_url_with_its_slash_unless_told_otherwise() {
        assert_eq!(
            public().audience().as_str(),
            "https://management.azure.com/"
        );
        let other: Resource = "https://management.contoso.onmicrosoft.com/guid"
            .parse()
            .unwrap();
        assert_eq!(public().with_audience(other.clone()).audience(), &other);
    }

    #[test]
    fn only_https_and_a_host_make_an_endpoint() {
        for text in [
            "",
            "management.azure.com",
            "http://management.azure.com/",
            "https://management.azure.com/x",
            "https://management.azure.com/?a",
            "https://management.azure.com/#a",
            "https://user@management.azure.com/",
            "https:\\\\management.azure.com",
            "https://manage ment.azure.com",
        ] {
            assert!(text.parse::<ArmEndpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_api_version_is_a_date_and_perhaps_a_preview() {
        for right in ["2019-12-01", "2026-04-01", "2020-06-01-preview"] {
            assert!(public().with_api_version(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "2019",
            "2019-12-1",
            "2019-12-01&x=1",
            "2019-12-01-beta",
            "x019-12-01",
        ] {
            assert!(public().with_api_version(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_poll_url_of_the_same_origin_below_subscriptions_is_trusted() {
        for text in [
            "https://management.azure.com/subscriptions/s/providers/Microsoft.Compute/locations/l/operations/o?x=%20y",
            "https://MANAGEMENT.azure.com:443/Subscriptions/s/operationresults/o",
        ] {
            assert!(public().trust(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_poll_url_that_leads_elsewhere_is_refused_and_its_query_is_not_repeated() {
        for text in [
            "",
            "/subscriptions/s/x",
            "https://management.azure.com.evil.example/subscriptions/s?secret",
            "http://management.azure.com/subscriptions/s?secret",
            "https://management.azure.com:444/subscriptions/s?secret",
            "https://management.azure.com@evil.example/subscriptions/s?secret",
            "https://a:b@management.azure.com/subscriptions/s?secret",
            "https://management.azure.com\\@evil.example/subscriptions/s?secret",
            "https://management.azure.com/tenants?secret",
            "https://management.azure.com/subscriptions/../tenants?secret",
            &format!(
                "https://management.azure.com/subscriptions/s?secret{}",
                "x".repeat(9000)
            ),
        ] {
            let why = public().trust(text).unwrap_err().to_string();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
