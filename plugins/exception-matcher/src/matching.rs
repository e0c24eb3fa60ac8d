//! Which pods an AzurePodIdentityException names.

use crate::fold::equal_fold;

/// One label of a pod, or one pair of an exception's `spec.podLabels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// The key.
    pub name: &'a str,
    /// The value.
    pub value: &'a str,
}

/// What of a request the settings can be scoped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The canonical path.
    pub path: &'a str,
    /// The client id that the request names, if it names its identity that way.
    pub client_id: Option<&'a str>,
}

/// Whether any one label of the pod is any one pair of its namespace's exceptions: the key exactly, the
/// value without regard to case. Pairs are alternatives, within an exception and across them, as they
/// were in aad-pod-identity, where one might expect all of an exception's pairs to be needed.
pub fn is_excepted<'a>(
    pod: impl Iterator<Item = Label<'a>> + Clone,
    mut exceptions: impl Iterator<Item = Label<'a>>,
) -> bool {
    exceptions.any(|pair| {
        pod.clone()
            .any(|label| label.name == pair.name && equal_fold(label.value, pair.value))
    })
}

#[cfg(test)]
#[path = "matching/tests.rs"]
mod tests;
