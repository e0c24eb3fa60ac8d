//! What guests do that they should not, and what may come of it for those who depend on them.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misdeed {
    /// As what the guest is a part of the chain.
    pub kind: Kind,
    /// The mode in its settings.
    pub mode: &'static str,
    /// The outcome that its calls are counted as.
    pub outcome: &'static str,
    /// All that a pod which depends on it may be told. `*` is the plugin's name.
    pub told: &'static [Told],
}

/// Where a guest stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Before the healthy policies, for some pods only.
    Policy(OnFailure),
    /// In the place of certificate-auth: for identities of type 2.
    Credential,
    /// In the place of token-cache: for everybody.
    Cache {
        /// Whether tokens are kept. Where they are not every request goes to an authority, and IMDS takes 20 per second.
        keeps: bool,
    },
}

/// What the operator wants a policy's failure to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// A denial.
    Deny,
    /// Nothing.
    Skip,
}

/// An answer: its status, and words of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// Words of the body; `*` is the plugin's name.
    pub words: &'static str,
}

const TOKEN: Told = told(200, "\"access_token\":\"");
/// What a failed policy means, and what it means while it is not asked for a pod that it failed for again and again.
const DENIED: &[Told] = &[
    told(403, "policy * failed, and its onFailure is deny"),
    told(503, "policy * failed for now"),
];
const SERVED: &[Told] = &[TOKEN];
/// Memory and places that other calls of the plugin hold are no failure of its own, which is never skipped: a pod could bring
/// it about.
const SERVED_OR_FULL: &[Told] = &[TOKEN, told(503, "policy * failed for now")];
/// A pod that is given no token asks the authority's plugin again, and may do so as often as any pod.
const TOO_FAST: Told = told(429, "asks for new tokens too fast");
const FAILS: Told = told(503, "credential plugin * failed");
const FAILED: &[Told] = &[FAILS, TOO_FAST];

/// A guest that does what it should.
pub const HARMLESS: Misdeed = policy("pass", "ok", OnFailure::Skip);

/// What a policy can do, with the outcome that it is counted as.
const POLICIES: [(&str, &str); 7] = [
    ("loop", "cpu"),
    ("allocate", "memory"),
    ("recurse", "trap"),
    ("panic", "trap"),
    ("huge", "oversized"),
    ("bypass", "bypass_not_granted"),
    ("flood", "ok"),
];

/// What a credential plugin can do.
pub const CREDENTIALS: [Misdeed; 9] = [
    credential("loop", "cpu", FAILED),
    credential("panic", "trap", FAILED),
    credential("huge", "oversized", FAILED),
    credential("babble", "oversized", FAILED),
    credential("stolen-handle", "invalid_answer", FAILED),
    credential(
        "past-expiry",
        "ok",
        &[told(503, "has ended already"), TOO_FAST],
    ),
    credential(
        "forbidden-host",
        "ok",
        &[told(403, "not_granted"), TOO_FAST],
    ),
    credential("forbidden-header", "ok", &[told(403, "invalid"), TOO_FAST]),
    credential(
        "hang-in-http",
        "ok",
        &[told(503, "timeout"), FAILS, TOO_FAST],
    ),
];

/// What a cache plugin can do.
pub const CACHES: [Misdeed; 10] = [
    cache("same-key", "ok", true),
    cache("hostile-key", "ok", true),
    cache("long-key", "oversized", true),
    cache("beyond-expiry", "ok", true),
    cache("forever", "ok", true),
    cache("panic", "trap", true),
    cache("loop", "cpu", true),
    cache("past", "ok", false),
    cache("backwards", "ok", false),
    cache("no-key", "ok", false),
];

/// Every policy's, with each failure mode.
pub fn policies() -> impl Iterator<Item = Misdeed> {
    let failures = [OnFailure::Deny, OnFailure::Skip];
    let each = move |(mode, outcome)| failures.map(|on_failure| policy(mode, outcome, on_failure));
    POLICIES.into_iter().flat_map(each)
}

/// All of them.
pub fn all() -> impl Iterator<Item = Misdeed> {
    policies().chain(CREDENTIALS).chain(CACHES)
}

const fn told(status: u16, words: &'static str) -> Told {
    Told { status, words }
}

const fn policy(mode: &'static str, outcome: &'static str, on_failure: OnFailure) -> Misdeed {
    let is_answer = matches!(outcome.as_bytes(), b"ok");
    Misdeed {
        kind: Kind::Policy(on_failure),
        mode,
        outcome,
        told: match on_failure {
            OnFailure::Deny if !is_answer => DENIED,
            OnFailure::Skip if matches!(mode.as_bytes(), b"allocate" | b"loop") => SERVED_OR_FULL,
            OnFailure::Deny | OnFailure::Skip => SERVED,
        },
    }
}

const fn credential(mode: &'static str, outcome: &'static str, told: &'static [Told]) -> Misdeed {
    let kind = Kind::Credential;
    Misdeed {
        kind,
        mode,
        outcome,
        told,
    }
}

const fn cache(mode: &'static str, outcome: &'static str, keeps: bool) -> Misdeed {
    Misdeed {
        kind: Kind::Cache { keeps },
        mode,
        outcome,
        told: SERVED,
    }
}

impl OnFailure {
    /// As the plugins file has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Skip => "skip",
        }
    }
}

impl Misdeed {
    /// Of the plugin, and the value of its pods' label.
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Policy(on_failure) => format!("{}-{}", self.mode, on_failure.word()),
            Kind::Credential => format!("credential-{}", self.mode),
            Kind::Cache { .. } => format!("cache-{}", self.mode),
        }
    }

    /// Whether it explains this answer to a pod that depends on the guest.
    pub fn explains(&self, status: u16, body: &str) -> bool {
        let name = self.name();
        let mut told = self.told.iter();
        told.any(|told| told.status == status && body.contains(&told.words.replace('*', &name)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_misdeeds_share_a_name() {
        let names: BTreeSet<String> = all().map(|misdeed| misdeed.name()).collect();
        assert_eq!(names.len(), all().count());
    }

    #[test]
    fn a_denial_is_explained_by_the_plugin_that_caused_it_alone() {
        let looping = policy("loop", "cpu", OnFailure::Deny);
        let body = |name: &str| format!("policy {name} failed for now, which denies");
        assert!(looping.explains(503, &body("loop-deny")));
        assert!(!looping.explains(503, &body("panic-deny")));
        assert!(!looping.explains(403, &body("loop-deny")));
        assert!(!policy("panic", "trap", OnFailure::Skip).explains(503, &body("panic-skip")));
    }
}
