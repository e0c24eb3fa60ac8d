//! Which hosts may be sent a credential.

use std::collections::BTreeSet;

use super::Authority;

/// Microsoft's login hosts: those of MSAL's KnownMetadataProvider, of the sovereign clouds, and the closed
/// German one, which Microsoft still holds.
const KNOWN: [&str; 11] = [
    "login.microsoftonline.com",
    "login.windows.net",
    "login.microsoft.com",
    "sts.windows.net",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
    "login.microsoftonline.de",
    "login.sovcloud-identity.fr",
    "login.sovcloud-identity.de",
    "login.sovcloud-identity.sg",
];

/// Regional endpoints are `REGION.login.microsoft.com`.
const REGIONAL: &str = ".login.microsoft.com";

/// The hosts that may be sent a credential: Microsoft's own at the port of https, and what the operator adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorityHosts {
    extra: BTreeSet<String>,
}

impl AuthorityHosts {
    /// Microsoft's hosts and these. `host` admits every port of it, `host:port` that one only; the URL of a host,
    /// as operators tend to write it, means the same.
    pub fn with(extra: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let hosts = extra.into_iter().map(|host| bare(host.as_ref()));
        Self {
            extra: hosts.filter(|host| !host.is_empty()).collect(),
        }
    }

    /// Whether a credential may be sent to this authority.
    pub fn permits(&self, authority: &Authority) -> bool {
        let (host, port) = (authority.host(), authority.port());
        (port == 443 && is_known(host))
            || self.extra.contains(host)
            || self.extra.contains(&format!("{host}:{port}"))
    }
}

fn bare(host: &str) -> String {
    let host = host.trim().to_ascii_lowercase();
    let host = host.strip_prefix("https://").unwrap_or(&host);
    host.trim_end_matches('/').to_owned()
}

fn is_known(host: &str) -> bool {
    let regional = host.strip_suffix(REGIONAL).is_some_and(|region| {
        !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    regional || KNOWN.contains(&host)
}
