//! An authority's words, fit to be shown: one line, bounded, and nothing in it that may be a credential.

/// The longest sentence of the authority that is passed on, in characters: theirs have up to about 300.
const MAX_SENTENCE: usize = 400;

/// The longest word of it. A GUID has 36 characters and a thumbprint at most 64; an assertion's header,
/// claims and signature each have hundreds.
const MAX_WORD: usize = 64;

/// The first line of a description, up to the trace that follows the sentence.
pub(super) fn sentence(description: &str) -> String {
    let line = description.trim_start().lines().next().unwrap_or_default();
    let sentence = line.split(" Trace ID:").next().unwrap_or_default();
    // Before the cut, or the head of a long word would remain.
    let shown = without_long_words(sentence.trim());
    without_forbidden(&shown)
        .chars()
        .take(MAX_SENTENCE)
        .map(printable)
        .collect()
}

/// The text, if it is a GUID.
pub(super) fn guid(text: &str) -> Option<&str> {
    let fits = text.len() == 36
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    fits.then_some(text)
}

fn printable(character: char) -> char {
    if character.is_control() {
        ' '
    } else {
        character
    }
}

/// An authority that echoes the request must not thereby put the assertion into a log.
fn without_long_words(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut word = String::new();
    for character in text.chars().chain([' ']) {
        if is_base64(character) {
            word.push(character);
            continue;
        }
        shown.push_str(if word.len() > MAX_WORD {
            "(removed)"
        } else {
            &word
        });
        word.clear();
        shown.push(character);
    }
    shown.truncate(shown.trim_end().len());
    shown
}

/// Of either alphabet, or between the parts of a JWT. The slash of base64 is left out: it is what URLs are
/// cut by, and what lies between two of them in an encoded signature is still long.
fn is_base64(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '+' | '=' | '%')
}

/// Four Azure SDKs take a 403 with this word for Docker Desktop's and conclude that there is no IMDS.
fn without_forbidden(text: &str) -> String {
    const WORD: &str = "unreachable";
    let mut shown = text.to_owned();
    while let Some(at) = shown.to_ascii_lowercase().find(WORD) {
        shown.replace_range(at..at + WORD.len(), "not reachable");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_line_is_the_sentence() {
        let description =
            "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: x\r\nCorrelation ID: y";
        assert_eq!(
            sentence(description),
            "AADSTS7000215: Invalid client secret provided."
        );
    }

    #[test]
    fn a_trace_on_the_same_line_is_cut_off() {
        let description =
            "AADSTS90002: Tenant 'x' not found. Trace ID: 1 Correlation ID: 2 Timestamp: 3";
        assert_eq!(sentence(description), "AADSTS90002: Tenant 'x' not found.");
    }

    #[test]
    fn an_echoed_assertion_is_removed_and_a_thumbprint_stays() {
        let assertion = format!(
            "{}.{}.{}",
            "e".repeat(300),
            "y".repeat(200),
            "-".repeat(342)
        );
        let thumbprint = "A".repeat(64);
        let description =
            format!("invalid client_assertion={assertion}, thumbprint '{thumbprint}'");
        let expected = format!("invalid (removed), thumbprint '{thumbprint}'");
        assert_eq!(sentence(&description), expected);
    }

    #[test]
    fn a_url_stays() {
        let description = "the resource https://graph.microsoft.com/.default was not found";
        assert_eq!(sentence(description), description);
    }

    #[test]
    fn the_word_that_misleads_the_sdks_is_not_passed_on() {
        assert_eq!(
            sentence("network Unreachable, UNREACHABLE"),
            "network not reachable, not reachable"
        );
    }

    #[test]
    fn only_a_guid_is_a_correlation_id() {
        assert_eq!(
            guid("b3f1c2d4-0000-4000-8000-0123456789ab"),
            Some("b3f1c2d4-0000-4000-8000-0123456789ab")
        );
        assert_eq!(guid("b3f1c2d4-0000-4000-8000-0123456789a\n"), None);
        assert_eq!(guid(""), None);
    }

    #[test]
    fn no_head_of_an_assertion_remains_at_the_cut() {
        let description = format!("{}eyJ{}", "word ".repeat(79), "a".repeat(900));
        assert!(!sentence(&description).contains("eyJ"));
    }

    proptest! {
        #[test]
        fn a_sentence_is_one_bounded_printable_line(description in any::<String>()) {
            let shown = sentence(&description);
            prop_assert!(shown.chars().count() <= MAX_SENTENCE);
            prop_assert!(!shown.chars().any(char::is_control));
        }

        #[test]
        fn no_run_as_long_as_a_signature_survives(before in "[ a-z']{0,20}", run in "[A-Za-z0-9_.-]{65,900}", after in "[ a-z']{0,20}") {
            let shown = sentence(&format!("{before}{run}{after}"));
            prop_assert!(!shown.contains(&run[..65]));
        }
    }
}
