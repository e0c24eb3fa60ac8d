//! What an operator may set: which requests of an excepted pod are let through at all.

use podgate_plugin_settings::{Problem, present, read};
use serde::Deserialize;

use crate::matching::Request;

/// The canonical paths a request for a token can have: `podgate:types/model.token-request.path`.
const PATHS: [&str; 2] = ["/metadata/identity/oauth2/token", "/host/token"];

/// The settings. Without any, every request of an excepted pod is let through, as it was in
/// aad-pod-identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Only requests that name one of these client ids are let through, and none that names no client id.
    #[serde(deserialize_with = "present")]
    allowed_client_ids: Option<Vec<String>>,
    /// Only requests for one of these paths are let through.
    #[serde(deserialize_with = "present")]
    allowed_paths: Option<Vec<String>>,
}

impl Settings {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// Every problem with its place.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let settings: Self = read(text)?;
        let ids = problems_of(
            "allowedClientIds",
            settings.allowed_client_ids.as_deref(),
            not_a_client_id,
        );
        let paths = problems_of(
            "allowedPaths",
            settings.allowed_paths.as_deref(),
            not_a_path,
        );
        let problems: Vec<Problem> = ids.into_iter().chain(paths).collect();
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(problems)
        }
    }

    /// Whether an exception may let this request through.
    #[must_use]
    pub fn covers(&self, request: &Request<'_>) -> bool {
        self.covers_path(request.path) && self.covers_client_id(request.client_id)
    }

    fn covers_path(&self, path: &str) -> bool {
        self.allowed_paths
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|one| one == path))
    }

    fn covers_client_id(&self, client_id: Option<&str>) -> bool {
        let named = |allowed: &Vec<String>| {
            client_id.is_some_and(|id| allowed.iter().any(|one| one.eq_ignore_ascii_case(id)))
        };
        self.allowed_client_ids.as_ref().is_none_or(named)
    }
}

/// The problems of one list. An empty one is refused: some read it as "no limit", some as "nobody".
fn problems_of(
    key: &str,
    list: Option<&[String]>,
    check: fn(&str) -> Option<String>,
) -> Vec<Problem> {
    let Some(list) = list else { return Vec::new() };
    if list.is_empty() {
        let message = "an empty list lets no request through: leave the key out for no limit, or the plugin out for no exceptions";
        return vec![Problem::new(format!("/{key}"), message)];
    }
    let problem =
        |(at, entry): (usize, &String)| Some(Problem::new(format!("/{key}/{at}"), check(entry)?));
    list.iter().enumerate().filter_map(problem).collect()
}

fn not_a_client_id(entry: &str) -> Option<String> {
    let hyphens = [8, 13, 18, 23];
    let fits = |(at, byte): (usize, u8)| {
        if hyphens.contains(&at) {
            byte == b'-'
        } else {
            byte.is_ascii_hexdigit()
        }
    };
    let is_guid = entry.len() == 36 && entry.bytes().enumerate().all(fits);
    (!is_guid).then(|| {
        "not a client id: expected a GUID such as `b3f1c2d4-0000-4000-8000-0123456789ab`, as in AzureIdentity's spec.clientID".to_owned()
    })
}

fn not_a_path(entry: &str) -> Option<String> {
    let message = || {
        format!(
            "no token request has this path: expected `{}` or `{}`",
            PATHS[0], PATHS[1]
        )
    };
    (!PATHS.contains(&entry)).then(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "b3f1c2d4-0000-4000-8000-0123456789ab";
    const TOKEN: Request<'static> = Request {
        path: PATHS[0],
        client_id: None,
    };

    fn settings(text: &str) -> Settings {
        Settings::read(text).unwrap()
    }

    fn problem(text: &str) -> (String, String) {
        let mut problems = Settings::read(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = problems.remove(0);
        (problem.setting, problem.message)
    }

    #[test]
    fn without_settings_every_request_is_covered() {
        assert!(settings("{}").covers(&TOKEN));
        assert!(settings("{}").covers(&Request {
            client_id: Some(ID),
            path: PATHS[1]
        }));
    }

    #[test]
    fn with_client_ids_only_requests_naming_one_are_covered() {
        let scoped = settings(&format!(r#"{{"allowedClientIds": ["{ID}"]}}"#));
        assert!(scoped.covers(&Request {
            client_id: Some(ID),
            ..TOKEN
        }));
        assert!(scoped.covers(&Request {
            client_id: Some(&ID.to_uppercase()),
            ..TOKEN
        }));
        assert!(!scoped.covers(&Request {
            client_id: Some("11111111-0000-4000-8000-0123456789ab"),
            ..TOKEN
        }));
        assert!(!scoped.covers(&TOKEN));
    }

    #[test]
    fn with_paths_only_requests_for_one_are_covered() {
        let scoped = settings(r#"{"allowedPaths": ["/host/token"]}"#);
        assert!(scoped.covers(&Request {
            path: "/host/token",
            ..TOKEN
        }));
        assert!(!scoped.covers(&TOKEN));
    }

    #[test]
    fn both_scopes_must_cover_a_request() {
        let scoped = settings(&format!(
            r#"{{"allowedPaths": ["/host/token"], "allowedClientIds": ["{ID}"]}}"#
        ));
        assert!(scoped.covers(&Request {
            path: "/host/token",
            client_id: Some(ID)
        }));
        assert!(!scoped.covers(&Request {
            path: "/host/token",
            client_id: None
        }));
        assert!(!scoped.covers(&Request {
            client_id: Some(ID),
            ..TOKEN
        }));
    }

    #[test]
    fn an_empty_or_absent_list_is_refused_rather_than_guessed_at() {
        for key in ["allowedClientIds", "allowedPaths"] {
            let (setting, message) = problem(&format!(r#"{{"{key}": []}}"#));
            assert_eq!(setting, format!("/{key}"));
            assert!(message.starts_with("an empty list lets no request through"));
            assert_eq!(
                problem(&format!(r#"{{"{key}": null}}"#)).0,
                format!("/{key}")
            );
        }
    }

    #[test]
    fn an_entry_that_can_never_match_is_named_by_its_place() {
        let (setting, message) = problem(&format!(r#"{{"allowedClientIds": ["{ID}", "my-app"]}}"#));
        assert_eq!(setting, "/allowedClientIds/1");
        assert!(message.starts_with("not a client id: expected a GUID"));
        let (setting, message) =
            problem(r#"{"allowedPaths": ["/metadata/identity/oauth2/token/"]}"#);
        assert_eq!(setting, "/allowedPaths/0");
        assert!(message.contains("`/metadata/identity/oauth2/token` or `/host/token`"));
    }

    #[test]
    fn a_mistyped_key_is_answered_with_the_right_one() {
        let (setting, message) = problem(r#"{"allowedClientIDs": []}"#);
        assert_eq!(setting, "/allowedClientIDs");
        assert!(
            message.contains("the nearest is `allowedClientIds`"),
            "{message}"
        );
    }
}
