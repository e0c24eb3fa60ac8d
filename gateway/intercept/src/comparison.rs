//! The difference of two lists of rules, in words.

/// How `found` differs from `expected`, a line each: `-` for what is missing, `+` for what is too much. None when they are
/// the same in the same order.
pub(crate) fn differences(of: &str, expected: &[String], found: &[String]) -> Vec<String> {
    if expected == found {
        return Vec::new();
    }
    let missing = without(expected, found);
    let extra = without(found, expected);
    if missing.is_empty() && extra.is_empty() {
        return vec![format!("{of}: the rules are in another order")];
    }
    let missing = missing.iter().map(|line| format!("{of}: - {line}"));
    let extra = extra.iter().map(|line| format!("{of}: + {line}"));
    missing.chain(extra).collect()
}

/// The lines of `from` that `others` does not have, counting repetitions.
fn without<'a>(from: &'a [String], others: &[String]) -> Vec<&'a String> {
    let mut others: Vec<&String> = others.iter().collect();
    from.iter()
        .filter(|line| {
            let place = others.iter().position(|other| other == line);
            place.map(|place| others.swap_remove(place)).is_none()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(expected: &[&str], found: &[&str]) -> Vec<String> {
        let owned = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
        differences("t", &owned(expected), &owned(found))
    }

    #[test]
    fn equal_rules_have_no_difference() {
        assert!(compare(&["a", "b"], &["a", "b"]).is_empty());
    }

    #[test]
    fn missing_and_extra_rules_are_told_apart_even_when_repeated() {
        assert_eq!(compare(&["a", "b"], &["a", "a"]), ["t: - b", "t: + a"]);
    }

    #[test]
    fn another_order_is_a_difference() {
        assert_eq!(compare(&["a", "b"], &["b", "a"]).len(), 1);
    }
}
