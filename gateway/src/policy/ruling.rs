//! A plugin's verdict, as the gateway keeps it.

use std::sync::Arc;

use podgate_api::ClientId;
use podgate_plugin_host::Verdict;

/// Client ids that one restriction may name: what a pod is bound to is a handful.
const MAX_IDS: usize = 256;

/// A verdict whose ids were parsed once; cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// No opinion.
    Pass,
    /// The node's own identities.
    Bypass,
    /// No, and why.
    Deny(Arc<str>),
    /// Only these. What is no client id can be nobody's, so it is not among them.
    Restrict(Arc<[ClientId]>),
}

impl Ruling {
    /// The bytes that its texts take.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Pass | Self::Bypass => 0,
            Self::Deny(reason) => reason.len(),
            Self::Restrict(ids) => {
                let one = |id: &ClientId| size_of::<ClientId>() + id.as_str().len();
                ids.iter().map(one).sum()
            }
        }
    }
}

impl From<Verdict> for Ruling {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Bypass => Self::Bypass,
            Verdict::Deny(reason) => Self::Deny(reason.into()),
            Verdict::Restrict(ids) => restrict(&ids),
        }
    }
}

fn restrict(ids: &[String]) -> Ruling {
    let ids: Vec<ClientId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    match ids.len() > MAX_IDS {
        true => Ruling::Deny(
            format!(
                "it restricts to {} client ids, and at most {MAX_IDS} are taken",
                ids.len()
            )
            .into(),
        ),
        false => Ruling::Restrict(ids.into()),
    }
}
