use proptest::prelude::*;

use super::*;

fn canonical(raw: &str) -> Result<String, &'static str> {
    CanonicalPath::parse(raw).map(|path| path.to_string())
}

const TOKEN: &str = "/metadata/identity/oauth2/token";

#[test]
fn what_real_clients_send_becomes_the_one_spelling() {
    for raw in [
        TOKEN,
        "//metadata/identity/oauth2/token",
        "/Metadata/identity/oauth2/token",
        "/METADATA/identity/oauth2/token",
        "/metadata/identity/oauth2/token/",
    ] {
        assert_eq!(canonical(raw).as_deref(), Ok(TOKEN), "{raw}");
    }
}

#[test]
fn every_known_dangerous_spelling_is_refused_or_is_no_token_route() {
    for raw in [
        "/metadata/identity\\oauth2\\token",
        "/metadata/identity/oauth2\\token",
        "/metadata/identity%2foauth2%2ftoken",
        "/metadata/identity/oauth2%2Ftoken",
        "/metadata%2fidentity/oauth2/token",
        "/metadata/identity/oauth2/token%00",
        "/metadata/identity/oauth2/%74oken",
        "/metadata/identity/oauth2/token%3F",
        "/%6detadata/identity/oauth2/token",
        "/metadata/%252e%252e/identity/oauth2/token",
        "/metadata/%2e%2e/metadata/identity/oauth2/token",
        "/metadata/instance/../identity/oauth2/token",
        "/metadata/identity/./oauth2/token",
        "/metadata/identity//oauth2/token",
        "/metadata//identity/oauth2/token",
        "/metadata/identity/oauth2/token//",
        "/metadata/identity/oauth2/token;x=y",
        "/metadata;x=y/identity/oauth2/token",
        "/metadata/identity/oauth2/token.",
        "/metadata./identity/oauth2/token",
        "/metadata/identity/oauth2/token\u{0}",
        "/metadata/identity/oauth2/tok\u{0435}n",
        "/metadata/identity/oauth2/token ",
        "/metadata/identity/oauth2/token\t",
        "/metadata/identity/oauth2/\u{2025}/token",
        "/metadata/identity/oauth2/...",
        "metadata/identity/oauth2/token",
        "",
        "*",
    ] {
        assert!(
            canonical(raw).is_err(),
            "{raw:?} became {:?}",
            canonical(raw)
        );
    }
    for other in [
        "/metadata/Identity/oauth2/token",
        "/metadata/identity/oauth2/tokenX",
        "/metadata-attacker/identity",
    ] {
        assert_ne!(canonical(other).as_deref(), Ok(TOKEN), "{other}");
    }
}

proptest! {
    #[test]
    fn canonicalisation_is_total_and_idempotent(raw in "[/a-zA-Z.%\\\\;0-9~_\u{80}-\u{ff} -]{0,60}") {
        if let Ok(once) = canonical(&raw) {
            prop_assert_eq!(canonical(&once), Ok(once.clone()));
        }
    }

    #[test]
    fn any_bytes_at_all_are_answered(raw in any::<String>()) {
        let _ = canonical(&raw);
    }

    #[test]
    fn what_is_accepted_has_no_empty_segment_and_no_dots(raw in "(/(\\.{0,3}|[a-z]{1,4})){1,6}") {
        if let Ok(path) = canonical(&raw) {
            let segments: Vec<&str> = path[1..].split('/').collect();
            let dangerous = segments.len() > 1 && segments.iter().any(|s| s.trim_matches('.').is_empty());
            prop_assert!(!dangerous, "{path}");
        }
    }
}
