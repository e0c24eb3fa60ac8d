//! Where service principals log in: the clouds, and which login hosts are trusted with a credential.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::arm::ArmEndpoint;

mod authority;
mod hosts;

pub use authority::{Authority, InvalidAuthority};
pub use hosts::AuthorityHosts;

/// One of Azure's clouds, under the names of go-autorest, which azure.json and the old gateway use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// `AzurePublicCloud` or `AzureCloud`
    #[default]
    Public,
    /// `AzureUSGovernmentCloud` or `AzureUSGovernment`
    UsGovernment,
    /// `AzureChinaCloud`, run by 21Vianet
    China,
    /// `AzureGermanCloud`, closed in 2021; old manifests still name it
    German,
}

/// A cloud's name that is not known.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "no cloud is called {name:?}; use AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud or \
     AzureGermanCloud, and give the login URL itself for any other"
)]
pub struct UnknownCloud {
    name: String,
}

/// All names, the first of each cloud being the one it is shown under.
const NAMES: [(&str, Cloud); 6] = [
    ("AzurePublicCloud", Cloud::Public),
    ("AzureCloud", Cloud::Public),
    ("AzureUSGovernmentCloud", Cloud::UsGovernment),
    ("AzureUSGovernment", Cloud::UsGovernment),
    ("AzureChinaCloud", Cloud::China),
    ("AzureGermanCloud", Cloud::German),
];

impl Cloud {
    /// The cloud's login URL.
    pub fn authority(self) -> Authority {
        let url = match self {
            Self::Public => "https://login.microsoftonline.com/",
            Self::UsGovernment => "https://login.microsoftonline.us/",
            Self::China => "https://login.chinacloudapi.cn/",
            Self::German => "https://login.microsoftonline.de/",
        };
        url.parse()
            .expect("each of the four URLs above is an https URL, which a test parses")
    }

    /// The cloud's Azure Resource Manager.
    pub fn arm(self) -> ArmEndpoint {
        let url = match self {
            Self::Public => "https://management.azure.com/",
            Self::UsGovernment => "https://management.usgovcloudapi.net/",
            Self::China => "https://management.chinacloudapi.cn/",
            Self::German => "https://management.microsoftazure.de/",
        };
        url.parse()
            .expect("each of the four URLs above is an https URL, which a test parses")
    }
}

impl FromStr for Cloud {
    type Err = UnknownCloud;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
        named.map(|(_, cloud)| *cloud).ok_or_else(|| UnknownCloud {
            name: text.chars().take(64).collect(),
        })
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES.iter().find(|(_, cloud)| cloud == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests;
