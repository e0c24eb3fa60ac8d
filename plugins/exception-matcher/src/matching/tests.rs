use proptest::prelude::*;

use super::*;

type Pairs = [(&'static str, &'static str)];

fn labels<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = Label<'a>> + Clone {
    pairs.iter().map(|&(name, value)| Label { name, value })
}

fn excepted(pod: &Pairs, exceptions: &Pairs) -> bool {
    is_excepted(labels(pod), labels(exceptions))
}

#[test]
fn one_pair_of_several_is_enough() {
    assert!(excepted(
        &[("app", "web"), ("tier", "front")],
        &[("app", "other"), ("tier", "front")]
    ));
}

#[test]
fn the_value_matches_in_any_case() {
    assert!(excepted(&[("app", "MIC")], &[("app", "mic")]));
}

#[test]
fn the_key_matches_exactly() {
    assert!(!excepted(&[("App", "mic")], &[("app", "mic")]));
    assert!(!excepted(&[("example.com/app", "mic")], &[("app", "mic")]));
}

#[test]
fn a_key_with_another_value_does_not_match() {
    assert!(!excepted(&[("app", "web")], &[("app", "mic")]));
    assert!(!excepted(&[("app", "mic2")], &[("app", "mic")]));
}

#[test]
fn an_empty_value_matches_only_an_empty_value() {
    assert!(excepted(&[("app", "")], &[("app", "")]));
    assert!(!excepted(&[("app", "web")], &[("app", "")]));
}

#[test]
fn no_labels_or_no_exceptions_match_nothing() {
    assert!(!excepted(&[], &[("app", "mic")]));
    assert!(!excepted(&[("app", "mic")], &[]));
    assert!(!excepted(&[], &[]));
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("[ab]", "[aAbB]{0,2}"), 0..5)
}

proptest! {
    #[test]
    fn a_match_is_one_pair_in_common(pod in pairs(), exceptions in pairs()) {
        let view = |pairs: &'_ [(String, String)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| (name.clone(), value.to_ascii_lowercase())).collect()
        };
        let common = view(&pod).iter().any(|pair| view(&exceptions).contains(pair));
        let label = |(name, value)| Label { name, value };
        let borrowed = |pairs: &'_ [(String, String)]| -> Vec<(String, String)> { pairs.to_vec() };
        let (pod, exceptions) = (borrowed(&pod), borrowed(&exceptions));
        let found = is_excepted(
            pod.iter().map(|(name, value)| label((name.as_str(), value.as_str()))),
            exceptions.iter().map(|(name, value)| label((name.as_str(), value.as_str()))),
        );
        prop_assert_eq!(found, common);
    }

    #[test]
    fn one_more_exception_never_takes_a_match_away(pod in pairs(), exceptions in pairs(), extra in pairs()) {
        let view = |pairs: &[(String, String)], more: &[(String, String)]| {
            let all: Vec<(String, String)> = pairs.iter().chain(more).cloned().collect();
            let label = |pair: &(String, String)| (pair.0.clone(), pair.1.clone());
            all.iter().map(label).collect::<Vec<_>>()
        };
        let found = |exceptions: &[(String, String)]| is_excepted(
            pod.iter().map(|(name, value)| Label { name, value }),
            exceptions.iter().map(|(name, value)| Label { name, value }),
        );
        prop_assert!(!found(&exceptions) || found(&view(&exceptions, &extra)));
    }
}
