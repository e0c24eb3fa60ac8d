//! Answers in the words of the file of cases.

use podgate_plugin_host::{AcquiredToken, CredentialFailure, Plan, PluginError, Problem, Verdict};
use serde_json::{Value, json};

/// A policy's.
pub(super) fn verdict(verdict: Verdict) -> Value {
    let verdict = match verdict {
        Verdict::Pass => json!("pass"),
        Verdict::Bypass => json!("bypass"),
        Verdict::Deny(reason) => json!({"deny": reason}),
        Verdict::Restrict(ids) => json!({"restrict": ids}),
    };
    json!({"verdict": verdict})
}

/// A token. `expires_in` is in the words that the case uses: seconds after a moment of the call.
pub(super) fn token(token: &AcquiredToken, expires_in: u64) -> Value {
    json!({"token": {
        "accessToken": token.access_token.secret(),
        "tokenType": token.token_type,
        "expiresOn": token.expires_on,
        "expiresIn": expires_in,
        "notBefore": token.not_before,
    }})
}

/// No token.
pub(super) fn failure(failure: CredentialFailure) -> Value {
    match failure {
        CredentialFailure::Refused {
            error,
            description,
            stale_credential,
        } => json!({"refused": {
            "error": error,
            "description": description,
            "staleCredential": stale_credential,
        }}),
        CredentialFailure::Unavailable {
            description,
            retry_after,
            throttled,
        } => json!({"unavailable": {
            "description": description,
            "retryAfter": retry_after,
            "throttled": throttled,
        }}),
    }
}

/// A cache plugin's two.
pub(super) fn lifetime(key: Option<String>, plan: Option<Plan>) -> Value {
    let plan = plan.map(|plan| {
        json!({
            "refreshAt": plan.refresh_at,
            "freshUntil": plan.fresh_until,
            "keepUntil": plan.keep_until,
        })
    });
    json!({"key": key, "plan": plan})
}

/// None at all.
pub(super) fn error(error: &PluginError) -> Value {
    let problem =
        |problem: &Problem| json!({"setting": problem.setting, "message": problem.message});
    match error {
        PluginError::Settings { problems, .. } => {
            json!({"problems": problems.iter().map(problem).collect::<Vec<_>>()})
        }
        error => json!({"failure": error.category(), "why": error.to_string()}),
    }
}
