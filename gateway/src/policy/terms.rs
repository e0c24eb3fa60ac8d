//! On what terms a policy takes part: about whom it is asked, whether its word counts, what its failure means.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::world::Pod;

/// The operator's terms for one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What its failure means.
    pub on_failure: OnFailure,
    /// Whether its verdicts count.
    pub mode: Mode,
    /// The pods that it is asked about; all where there is none.
    pub scope: Option<Scope>,
}

/// What a failing plugin means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The request is denied.
    #[default]
    Deny,
    /// The plugin counts as having said `pass`.
    Skip,
}

/// Whether a policy's verdicts count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// They are counted and logged, and count as `pass`; so do its failures.
    Observe,
}

/// The pods that a policy is asked about. Of others it counts as having said `pass`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// Those of these namespaces, compared exactly; of all where it is left out.
    #[serde(default)]
    pub namespaces: Option<Vec<String>>,
    /// Those that carry each of these labels; whatever they carry where it is left out.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
}

/// Longest namespace, label value, and name part of a label's key (RFC 1123; Kubernetes' "Labels and Selectors").
const MAX_NAME: usize = 63;
/// Longest prefix of a label's key.
const MAX_PREFIX: usize = 253;

impl From<OnFailure> for Terms {
    fn from(on_failure: OnFailure) -> Self {
        Self {
            on_failure,
            ..Self::default()
        }
    }
}

impl Terms {
    /// Whether the policy is asked about this pod.
    pub(super) fn cover(&self, pod: &Pod) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.covers(pod))
    }
}

impl Scope {
    /// Whether it is one of these pods.
    pub fn covers(&self, pod: &Pod) -> bool {
        let namespaces = self.namespaces.as_ref();
        let labels = self.labels.iter().flatten();
        namespaces.is_none_or(|names| names.contains(&pod.object.namespace))
            && labels
                .into_iter()
                .all(|(key, value)| pod.labels.get(key) == Some(value))
    }

    /// A scope in which no pod can be is a mistyped one, and a policy that nobody asks protects nothing.
    ///
    /// # Errors
    /// What no pod can have.
    pub fn check(&self) -> Result<(), String> {
        match (&self.namespaces, &self.labels) {
            (None, None) => return Err("it names nothing; leave it out for every pod".to_owned()),
            (Some(names), _) if names.is_empty() => return Err(empty("namespaces")),
            (_, Some(labels)) if labels.is_empty() => return Err(empty("labels")),
            _ => {}
        }
        for name in self.namespaces.iter().flatten() {
            if !is_namespace(name) {
                return Err(format!(
                    "namespaces: {name:?} is no namespace's name; there are no patterns"
                ));
            }
        }
        for (key, value) in self.labels.iter().flatten() {
            if !is_label_key(key) || !(value.is_empty() || is_label_word(value)) {
                return Err(format!(
                    "labels: no pod can have the label {key:?} with the value {value:?}"
                ));
            }
        }
        Ok(())
    }
}

fn empty(key: &str) -> String {
    format!("{key} is empty, so that no pod is meant; leave it out")
}

fn is_namespace(name: &str) -> bool {
    is_bounded(
        name,
        MAX_NAME,
        |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit(),
        b"-",
    )
}

fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    is_label_word(name) && prefix.is_none_or(|prefix| is_bounded(prefix, MAX_PREFIX, lower, b"-."))
}

fn is_label_word(word: &str) -> bool {
    is_bounded(word, MAX_NAME, |byte| byte.is_ascii_alphanumeric(), b"-_.")
}

/// Of these characters at both ends, and of these or others between them.
fn is_bounded(text: &str, longest: usize, outer: impl Fn(u8) -> bool, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    bytes.len() <= longest
        && ends.is_some_and(|(first, last)| outer(*first) && outer(*last))
        && bytes
            .iter()
            .all(|byte| outer(*byte) || inner.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::pod;

    fn covers(namespaces: Option<&[&str]>, labels: Option<&[(&str, &str)]>) -> bool {
        let mut asked = pod("shop", "web", "10.0.0.1");
        asked.labels = [("app", "web"), ("tier", "front")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let scope = Scope {
            namespaces: namespaces.map(|names| names.iter().map(ToString::to_string).collect()),
            labels: labels.map(|labels| {
                let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
                labels.iter().map(owned).collect()
            }),
        };
        scope.check().unwrap();
        scope.covers(&asked)
    }

    #[test]
    fn a_scope_covers_a_pod_of_one_of_its_namespaces_with_all_of_its_labels() {
        assert!(covers(Some(&["bank", "shop"]), None));
        assert!(!covers(Some(&["bank", "shopping"]), None));
        assert!(covers(None, Some(&[("app", "web")])));
        assert!(covers(
            Some(&["shop"]),
            Some(&[("app", "web"), ("tier", "front")])
        ));
        for labels in [
            [("app", "web"), ("tier", "back")],
            [("app", "web"), ("absent", "")],
        ] {
            assert!(!covers(Some(&["shop"]), Some(&labels)));
        }
        assert!(!covers(Some(&["bank"]), Some(&[("app", "web")])));
    }
}
