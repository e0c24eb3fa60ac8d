//! What a gateway says about a pod: its `/explain`.

use serde::Deserialize;
use serde_json::Value;

/// What came from the admin port.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// An explanation.
    Explained(Explanation),
    /// It has started and cannot decide yet; what it awaits.
    Starting(String),
    /// Another answer: its status and the beginning of its words.
    Strange(String),
}

/// The gateway's explanation. What it has besides is passed over.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Explanation {
    /// What a token request would come to.
    pub(crate) outcome: String,
    /// Stage by stage.
    #[serde(default)]
    pub(crate) stages: Vec<Stage>,
    /// The state it was told from; empty in standalone mode.
    #[serde(default)]
    pub(crate) state: Vec<Watched>,
}

/// A stage of the request's path.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Stage {
    /// Its name.
    pub(crate) stage: String,
    /// What it found, in a shape of its own.
    #[serde(default)]
    pub(crate) facts: Value,
}

/// What the gateway watches, and how well.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Watched {
    /// What.
    pub(crate) of: String,
    /// What keeps it from being up to date.
    #[serde(default)]
    pub(crate) problem: Option<String>,
}

/// The gateway's words where nothing stands in the way.
const GIVEN: &str = "a token would be asked for";
/// The beginning of its words for a pod that an exception matches.
const NODE: &str = "the node's own identities";

impl Answer {
    /// Reads the reply of `/explain`.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let text = || String::from_utf8_lossy(body).trim().to_owned();
        match status {
            200 => match serde_json::from_slice(body) {
                Ok(explanation) => Self::Explained(explanation),
                // Before it has its settings, readiness answers in its place.
                Err(_) if body.starts_with(b"ready") => Self::Starting(text()),
                Err(error) => Self::Strange(format!("no explanation: {error}")),
            },
            503 => Self::Starting(text()),
            status => Self::Strange(format!("HTTP {status}: {}", text())),
        }
    }

    /// A token would be given.
    pub(crate) fn gives(&self) -> bool {
        matches!(self, Self::Explained(explanation) if explanation.outcome == GIVEN)
    }

    /// Whether an exception gives the pod the node's identities; none where the gateway did not get so far.
    pub(crate) fn excepts(&self) -> Option<bool> {
        let Self::Explained(explanation) = self else {
            return None;
        };
        let policy = explanation
            .stages
            .iter()
            .find(|stage| stage.stage == "policy")?;
        let facts = policy.facts.as_str();
        (!policy.facts.is_null()).then(|| facts.is_some_and(|facts| facts.starts_with(NODE)))
    }

    /// In one line.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Explained(explanation) => &explanation.outcome,
            Self::Starting(awaited) => awaited,
            Self::Strange(strange) => strange,
        }
    }

    /// What the gateway does not know well.
    pub(crate) fn problems(&self) -> Vec<String> {
        let Self::Explained(explanation) = self else {
            return Vec::new();
        };
        let problem =
            |watched: &Watched| Some(format!("{}: {}", watched.of, watched.problem.as_ref()?));
        explanation.state.iter().filter_map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn explained(policy: Value) -> Answer {
        let body = json!({"pod": "shop/web", "outcome": GIVEN, "stages": [
            {"stage": "request", "resource": "https://vault.azure.net"}, {"stage": "policy", "ok": true, "facts": policy}],
            "state": [{"of": "pods", "complete": true, "age_s": 1, "problem": "cannot be reached"}, {"of": "bindings", "problem": null}]});
        Answer::read(200, body.to_string().as_bytes())
    }

    #[test]
    fn an_explanation_says_whether_there_is_a_token_and_whose() {
        let bound = explained(json!("any identity that is bound to the pod"));
        assert!(bound.gives());
        assert_eq!(bound.excepts(), Some(false));
        assert_eq!(bound.problems(), ["pods: cannot be reached"]);
        let excepted = explained(json!("the node's own identities (the pod is excepted)"));
        assert_eq!(excepted.excepts(), Some(true));
        assert_eq!(
            explained(json!({"only client ids": []})).excepts(),
            Some(false)
        );
        assert_eq!(explained(Value::Null).excepts(), None);
    }

    #[test]
    fn anything_else_is_no_token_and_said_in_its_words() {
        let starting = Answer::read(503, b"awaited: pods of this node\n");
        assert!(!starting.gives());
        assert_eq!(starting.words(), "awaited: pods of this node");
        assert!(!Answer::read(200, b"<html>").gives());
        let refused = Answer::read(403, b"explain answers on loopback only\n");
        assert_eq!(
            refused.words(),
            "HTTP 403: explain answers on loopback only"
        );
    }
}
