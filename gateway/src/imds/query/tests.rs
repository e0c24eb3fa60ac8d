use proptest::prelude::*;

use super::*;

#[test]
fn the_raw_resource_of_python_and_the_escaped_one_of_javascript_are_one() {
    let python = Query::parse("api-version=2018-02-01&resource=https://vault.azure.net").unwrap();
    let javascript =
        Query::parse("resource=https%3A%2F%2Fvault.azure.net&api-version=2018-02-01").unwrap();
    assert_eq!(python.get("resource"), javascript.get("resource"));
    assert_eq!(python.get("resource"), Some("https://vault.azure.net"));
}

#[test]
fn a_name_twice_is_refused_in_any_spelling() {
    for raw in [
        "resource=a&resource=b",
        "resource=a&Resource=b",
        "resource=a&%72esource=a",
    ] {
        let error = Query::parse(raw).unwrap_err();
        assert!(error.contains("twice"), "{raw}: {error}");
    }
}

#[test]
fn broken_escapes_control_characters_and_foreign_bytes_are_refused() {
    for raw in [
        "a=%", "a=%4", "a=%zz", "a=%00", "a=%0a", "a=%ff", "a=%c0%af", "%0d=x",
    ] {
        assert!(Query::parse(raw).is_err(), "{raw}");
    }
}

#[test]
fn a_query_is_bounded() {
    assert!(Query::parse(&"a".repeat(MAX_LENGTH + 1)).is_err());
    let many: Vec<String> = (0..=MAX_PAIRS).map(|n| format!("p{n}=1")).collect();
    assert!(Query::parse(&many.join("&")).is_err());
}

#[test]
fn an_empty_value_counts_as_missing() {
    assert_eq!(
        Query::parse("client_id=&resource=x")
            .unwrap()
            .get("client_id"),
        None
    );
}

proptest! {
    #[test]
    fn any_text_is_answered(raw in any::<String>()) {
        let _ = Query::parse(&raw);
    }

    #[test]
    fn what_a_client_escapes_comes_out_as_it_went_in(value in "[ -~\u{e4}\u{20ac}]{1,40}") {
        let escaped: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let query = Query::parse(&format!("resource={escaped}")).unwrap();
        prop_assert_eq!(query.get("resource"), Some(value.as_str()));
    }
}
