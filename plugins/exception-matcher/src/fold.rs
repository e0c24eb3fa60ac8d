//! Equality of text without regard to case, as Go's `strings.EqualFold` has it.

/// Whether two texts are equal under Unicode simple case folding. aad-pod-identity compared label values
/// this way, so `ſ` and the Kelvin sign match `s` and `k`, while `ß` does not match `ss`.
#[must_use]
pub fn equal_fold(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right) || left.chars().map(folded).eq(right.chars().map(folded))
}

/// The lower case of the upper case, one character for one: with one exception this is simple folding for
/// all of Unicode, as a comparison with Go's `unicode.SimpleFold` over every character showed.
fn folded(character: char) -> char {
    /// Its upper case is `I`, and yet it folds to itself.
    const DOTLESS_I: char = 'ı';
    if character == DOTLESS_I {
        return character;
    }
    let upper = single(character.to_uppercase(), character);
    single(upper.to_lowercase(), upper)
}

fn single(mut mapped: impl Iterator<Item = char>, otherwise: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter() {
        assert!(equal_fold("Nginx-1", "nGINX-1"));
        assert!(equal_fold("ÄÖÜ", "äöü"));
        assert!(equal_fold("", ""));
    }

    #[test]
    fn characters_that_fold_to_ascii_match_it_as_in_go() {
        assert!(equal_fold("\u{212a}", "k"));
        assert!(equal_fold("\u{17f}", "S"));
        assert!(equal_fold("\u{1e9e}", "ß"));
        assert!(equal_fold("Σ", "ς"));
    }

    #[test]
    fn characters_that_only_full_or_turkic_folding_joins_differ_as_in_go() {
        assert!(!equal_fold("ß", "ss"));
        assert!(!equal_fold("İ", "i"));
        assert!(!equal_fold("ı", "I"));
    }

    #[test]
    fn length_and_space_matter() {
        assert!(!equal_fold("a", "a "));
        assert!(!equal_fold("a", ""));
        assert!(!equal_fold("aa", "a"));
    }
}
