//! Names that go into a URL or a selector.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::world::ObjectRef;

/// The name of the node whose pods are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName(String);

/// Text that no node is called.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is no name of a node: lower-case letters, digits, `-` and `.`, at most 253, as `kubectl get nodes` prints it"
)]
pub struct InvalidNodeName(String);

// === impl NodeName ===

impl NodeName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match is_name(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidNodeName(text.chars().take(300).collect())),
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an object can be called so. Names of Secrets come from whoever may write an AzureIdentity, and must not
/// become another path or another selector.
pub(super) fn is_object(object: &ObjectRef) -> bool {
    is_object_name(&object.namespace, &object.name)
}

/// The same of an object that an operator names.
pub(crate) fn is_object_name(namespace: &str, name: &str) -> bool {
    is_name(namespace) && !namespace.contains('.') && is_name(name)
}

/// RFC 1123 as Kubernetes has it: labels that begin and end with a letter or a digit, joined by dots.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        !label.is_empty()
            && bytes.iter().all(inner)
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_a_path_or_a_selector() {
        for good in [
            "aks-nodepool1-12345678-vmss000000",
            "ip-10-0-0-1.ec2.internal",
            "a",
            "1",
        ] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        for bad in [
            "", ".", "..", "a/b", "a,b", "a=b", "A", "a b", "-a", "a-", "a..b", "a%2fb", "ä", "a\n",
        ] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
            assert!(!is_object(&ObjectRef::new("ns", bad)), "{bad}");
            assert!(!is_object(&ObjectRef::new(bad, "name")), "{bad}");
        }
        assert!(is_object(&ObjectRef::new("ns", "a.b-c")));
        assert!(!is_object(&ObjectRef::new("a.b", "name")));
        assert!("a".repeat(254).parse::<NodeName>().is_err());
    }
}
