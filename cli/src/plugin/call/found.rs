//! Answers in the words of the file of cases.

use podgate_plugin_host::{AcquiredToken, CredentialFailure, Plan, PluginError, Problem, Verdict};
use serde_json::{Value, json};

use super::expect::TokenState;
use super::place::Moment;

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

/// A cache plugin's two, and what they come to by a moment.
pub(super) fn lifetime(key: Option<String>, plan: Option<Plan>, now: Option<Moment>) -> Value {
    let state = plan.zip(now).map(|(plan, now)| match key {
        Some(_) => state(&plan, now),
        None => TokenState::Gone,
    });
    let plan = plan.map(|plan| {
        json!({
            "refreshAt": plan.refresh_at,
            "freshUntil": plan.fresh_until,
            "keepUntil": plan.keep_until,
        })
    });
    json!({"key": key, "plan": plan, "state": state})
}

fn state(plan: &Plan, Moment(now): Moment) -> TokenState {
    match now {
        now if now >= plan.keep_until => TokenState::Gone,
        now if now >= plan.fresh_until => TokenState::Stale,
        now if now >= plan.refresh_at => TokenState::Renewing,
        _ => TokenState::Fresh,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_kept_goes_through_its_plan() {
        let plan = Plan {
            refresh_at: 100,
            fresh_until: 200,
            keep_until: 300,
        };
        for (now, expected) in [
            (99, TokenState::Fresh),
            (100, TokenState::Renewing),
            (200, TokenState::Stale),
            (299, TokenState::Stale),
            (300, TokenState::Gone),
        ] {
            assert_eq!(state(&plan, Moment(now)), expected, "{now}");
        }
    }
}
