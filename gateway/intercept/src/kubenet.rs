//! Kubenet is refused: its pods share one bridge, where one can answer ARP for another and take its address
//! (CVE-2021-1677), and no rule of the node's IP layer can see that.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::cli::Rules;
use crate::network::{Network, NetworkError};

/// The bridge that kubenet made, and that AKS's template for containerd makes where the kubelet no longer has kubenet.
const BRIDGE: &str = "cbr0";

/// Among the kubelet's flags, or in the node's labels among them.
const SIGNS: [&str; 2] = ["network-plugin=kubenet", "network-plugin kubenet"];

/// More than any file of flags has.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Why podgate does not start on this node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubenetError {
    /// It uses kubenet.
    #[error(
        "this node uses kubenet ({sign}), where pods can take each other's addresses (CVE-2021-1677) and with them each \
         other's tokens; use another network plugin, or take NET_RAW from all pods and pass --allow-network-plugin-kubenet"
    )]
    Kubenet {
        /// Where that is seen.
        sign: String,
    },
    /// It may.
    #[error(
        "reading the kubelet's flags in {}: {source}; mount the file readable, name another with --kubelet-config, or pass \
         --allow-network-plugin-kubenet to go on without knowing", path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The node's interfaces could not be listed.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Refuses a node with kubenet unless the settings allow it.
///
/// A file that does not exist is no sign of it: nodes of today keep their kubelet's flags elsewhere, and their
/// kubelets have no kubenet since Kubernetes 1.24.
///
/// # Errors
/// There is a sign of kubenet, or the file is there and cannot be read.
pub(crate) async fn refuse(rules: &Rules, network: &Network) -> Result<(), KubenetError> {
    if rules.allow_network_plugin_kubenet {
        return Ok(());
    }
    let path = &rules.kubelet_config;
    if let Some(flag) = sign(path)? {
        let sign = format!("{flag:?} in {}", path.display());
        return Err(KubenetError::Kubenet { sign });
    }
    if network.has_interface(BRIDGE).await? {
        let sign = format!("the bridge {BRIDGE}");
        return Err(KubenetError::Kubenet { sign });
    }
    Ok(())
}

fn sign(path: &Path) -> Result<Option<&'static str>, KubenetError> {
    let text = match read(path) {
        Ok(text) => text.to_ascii_lowercase(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            tracing::info!(file = %path.display(), "no file of kubelet flags to look for kubenet in");
            return Ok(None);
        }
        Err(source) => {
            let path = path.to_owned();
            return Err(KubenetError::Unreadable { path, source });
        }
    };
    Ok(SIGNS.into_iter().find(|sign| text.contains(sign)))
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(LARGEST_FILE)
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_in(text: &str) -> Option<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubelet");
        std::fs::write(&path, text).unwrap();
        sign(&path).unwrap()
    }

    #[test]
    fn kubenet_is_recognised_in_the_kubelets_flags() {
        assert!(sign_in("KUBELET_FLAGS=--v=2 --network-plugin=kubenet --x").is_some());
        assert!(sign_in("KUBELET_FLAGS=--network-plugin kubenet").is_some());
        assert!(
            sign_in("KUBELET_NODE_LABELS=kubernetes.azure.com/network-plugin=Kubenet,a=b")
                .is_some()
        );
    }

    #[test]
    fn other_network_plugins_pass() {
        assert_eq!(sign_in("KUBELET_FLAGS=--network-plugin=cni"), None);
        assert_eq!(sign_in(""), None);
    }

    #[test]
    fn a_missing_file_passes_and_an_unreadable_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(sign(&folder.path().join("none")).unwrap(), None);
        let error = sign(folder.path()).unwrap_err();
        assert!(error.to_string().contains("--kubelet-config"), "{error}");
    }
}
