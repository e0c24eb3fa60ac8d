//! The ARM id of a user-assigned managed identity.

use super::InvalidId;
use super::text::identifier;

/// Longest [`ResourceId`], in bytes. The parts are at most 36, 90 and 128 characters.
pub const MAX_RESOURCE_ID: usize = 1024;

const EXPECTED: &str = "the id of a user-assigned managed identity: /subscriptions/…/resourceGroups/…\
                        /providers/Microsoft.ManagedIdentity/userAssignedIdentities/…";

identifier! {
    /// The ARM resource id of a user-assigned managed identity, compared without regard to case:
    /// `/subscriptions/S/resourceGroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/N`.
    ///
    /// This is the rule of aad-pod-identity's controller, but for the whole text rather than for some part of
    /// it, and with one segment for each name: the id becomes part of the paths and bodies of ARM requests.
    ResourceId, "resource id", ignore_case, arm
}

impl ResourceId {
    /// The subscription's GUID.
    pub fn subscription(&self) -> &str {
        self.segment(2)
    }

    /// The resource group's name.
    pub fn resource_group(&self) -> &str {
        self.segment(4)
    }

    /// The identity's name.
    pub fn name(&self) -> &str {
        self.segment(8)
    }

    fn segment(&self, position: usize) -> &str {
        self.as_str().split('/').nth(position).unwrap_or_default()
    }
}

/// The fixed segments, by position; the text begins with a slash, so segment 0 is empty.
const FIXED: [(usize, &str); 6] = [
    (0, ""),
    (1, "subscriptions"),
    (3, "resourceGroups"),
    (5, "providers"),
    (6, "Microsoft.ManagedIdentity"),
    (7, "userAssignedIdentities"),
];

fn arm(what: &'static str, text: &str) -> Result<(), InvalidId> {
    InvalidId::bound(what, text, MAX_RESOURCE_ID)?;
    let segments: Vec<&str> = text.split('/').collect();
    let shaped = segments.len() == 9
        && FIXED
            .iter()
            .all(|&(at, fixed)| segments[at].eq_ignore_ascii_case(fixed))
        && [2, 4, 8].iter().all(|&at| is_name(segments[at]));
    shaped
        .then_some(())
        .ok_or_else(|| InvalidId::form(what, text, EXPECTED))
}

/// What Azure allows in the names of subscriptions, resource groups and identities. Letters of any script are
/// among it; `.` and `..` are not names, since a URL parser would resolve them.
fn is_name(segment: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
    !segment.is_empty() && segment.chars().all(allowed) && !segment.chars().all(|c| c == '.')
}
