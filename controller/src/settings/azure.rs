//! Where Azure is, and who the controller is there.

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use podgate_api::ClientId;
use podgate_azure::credential::{CloudEndpoints, CloudSettings, CredentialKind, SettingsError};
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use super::Settings;

/// Bytes of a file that are read. The reader of the content has a lower bound, and tells the length.
const MAX_FILE: u64 = 1024 * 1024;

/// The variable that names the description of a custom cloud; go-autorest's.
const ENVIRONMENT: &str = "AZURE_ENVIRONMENT_FILEPATH";

/// Where Azure is, and who the controller is there.
#[derive(Debug)]
pub struct AzureAccess {
    /// Login host and Azure Resource Manager.
    pub endpoints: CloudEndpoints,
    /// The instance metadata service.
    pub imds: Url,
    /// What the controller proves itself with.
    pub credential: CredentialKind,
    /// The identity of the nodes that the controller itself is, where it is one: never to be taken off them.
    pub own: Option<ClientId>,
}

/// Why that is not known.
#[derive(Debug, Error)]
pub enum AzureAccessError {
    /// A file.
    #[error("{path}, named by {by}, cannot be read: {source}")]
    File {
        /// The flag or the variable.
        by: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What the file or the variables say.
    #[error("{from}: {source}")]
    Settings {
        /// The file's name, or that it is the environment.
        from: String,
        /// What is wrong.
        source: SettingsError,
    },
}

impl Settings {
    /// Reads `--cloudconfig` or the variables, and the overriding flags. To be called again where the file may have changed.
    ///
    /// # Errors
    /// Something is missing or wrong, or a file cannot be read.
    pub fn azure(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<AzureAccess, AzureAccessError> {
        let from = self.cloudconfig.as_ref();
        let from = from.map_or("the environment".to_owned(), |path| {
            path.display().to_string()
        });
        let wrong = |source| AzureAccessError::Settings {
            from: from.clone(),
            source,
        };
        let cloud = match &self.cloudconfig {
            Some(path) => CloudSettings::from_file(&text("--cloudconfig", path)?).map_err(wrong)?,
            None => CloudSettings::from_env(&variable),
        };
        let description = variable(ENVIRONMENT).filter(|path| !path.is_empty());
        let description = description
            .map(|path| text(ENVIRONMENT, Path::new(&path)))
            .transpose()?;
        let endpoints = self
            .endpoints(&cloud, description.as_ref().map(|text| text.as_str()))
            .map_err(wrong)?;
        Ok(AzureAccess {
            imds: self.imds(),
            credential: cloud.credential(&endpoints).map_err(wrong)?,
            own: cloud.own_identity().and_then(|id| id.parse().ok()),
            endpoints,
        })
    }

    /// A cloud whose every URL is given needs no name. Tokens for another URL of the same cloud are tokens for that cloud all
    /// the same: its audience stays.
    fn endpoints(
        &self,
        cloud: &CloudSettings,
        description: Option<&str>,
    ) -> Result<CloudEndpoints, SettingsError> {
        let named = match (cloud.endpoints(description), &self.authority, &self.arm_url) {
            (Ok(named), _, _) => named,
            (Err(_), Some(authority), Some(arm)) => {
                return Ok(CloudEndpoints {
                    authority: authority.clone(),
                    arm: arm.clone(),
                    adfs: false,
                });
            }
            (Err(problem), _, _) => return Err(problem),
        };
        let audience = named.arm.audience().clone();
        let arm = self.arm_url.clone().map(|arm| arm.with_audience(audience));
        Ok(CloudEndpoints {
            // Its login host is another one, and so no AD FS that was found by its URL.
            adfs: named.adfs && self.authority.is_none(),
            authority: self.authority.clone().unwrap_or(named.authority),
            arm: arm.unwrap_or(named.arm),
        })
    }

    fn imds(&self) -> Url {
        let address = SocketAddr::new(self.metadata_ip, self.metadata_port);
        let url = format!("http://{address}/");
        url.parse().expect("an address with a port is an authority")
    }
}

/// There may be a secret in it, so no copy of it is left behind.
fn text(by: &'static str, path: &Path) -> Result<Zeroizing<String>, AzureAccessError> {
    let read = || {
        let file = File::open(path)?;
        let length = file.metadata()?.len().min(MAX_FILE);
        let room = usize::try_from(length).unwrap_or_default() + 1;
        let mut text = Zeroizing::new(String::with_capacity(room));
        file.take(length).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|source| AzureAccessError::File {
        by,
        path: path.to_owned(),
        source,
    })
}
