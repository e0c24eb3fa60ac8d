use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::prelude::*;

use super::*;

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const ARM: &str = "/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/Shop_rg.1(x)/providers/\
                   Microsoft.ManagedIdentity/userAssignedIdentities/orders-db";

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn arm_id(subscription: &str, group: &str, name: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourcegroups/{group}/providers/Microsoft.ManagedIdentity/\
         userAssignedIdentities/{name}"
    )
}

#[test]
fn client_ids_are_one_whatever_their_case_and_keep_their_spelling() {
    let lower: ClientId = GUID.parse().unwrap();
    let upper: ClientId = GUID.to_uppercase().parse().unwrap();
    assert_eq!(lower, upper);
    assert_eq!(HashSet::from([lower, upper.clone()]).len(), 1);
    assert_eq!(upper.as_str(), GUID.to_uppercase());
    assert_eq!(upper.to_string(), GUID.to_uppercase());
}

#[test]
fn only_a_guid_is_a_client_id_or_an_object_id() {
    let braces = format!("{{{GUID}}}");
    let dashless = GUID.replace('-', "");
    let shifted = "0123456-789ab-cdef-0123-456789abcdefa";
    let others = [
        "orders",
        braces.as_str(),
        dashless.as_str(),
        shifted,
        "０1234567-89ab-cdef-0123-456789abcd",
    ];
    for text in others {
        assert!(text.parse::<ClientId>().is_err(), "{text}");
        assert!(text.parse::<ObjectId>().is_err(), "{text}");
    }
}

#[test]
fn white_space_around_an_identifier_is_dropped() {
    let id: ClientId = format!("  {GUID}\n").parse().unwrap();
    assert_eq!(id.as_str(), GUID);
    let resource: Resource = "\thttps://vault.azure.net ".parse().unwrap();
    assert_eq!(resource.as_str(), "https://vault.azure.net");
}

#[test]
fn an_error_says_what_is_wrong_without_repeating_a_hostile_text_whole() {
    let error = |text: &str| text.parse::<ClientId>().unwrap_err().to_string();
    assert_eq!(error(" "), "client id is empty");
    assert_eq!(
        error("orders"),
        "client id \"orders\" is not a GUID such as 01234567-89ab-cdef-0123-456789abcdef"
    );
    assert!(error(&"\u{1b}[31m".repeat(10_000)).len() < 1000);
    assert!(!error("\u{1b}[31m").contains('\u{1b}'));
    let long = "x".repeat(MAX_RESOURCE + 1).parse::<Resource>();
    assert_eq!(
        long.unwrap_err().to_string(),
        "resource is 1025 bytes long, at most 1024 are allowed"
    );
}

#[test]
fn a_tenant_is_a_guid_or_a_domain_and_never_more_than_one_segment_of_a_path() {
    for text in [GUID, "contoso.com", "contoso.onmicrosoft.com", "adfs"] {
        assert_eq!(text.parse::<TenantId>().unwrap().as_str(), text);
    }
    let long = "a".repeat(MAX_TENANT + 1);
    let others = [
        "a/b", "..", ".", "a..b", ".a", "a.", "a?b", "a#b", "a%2fb", "a\\b", "a b", "tenänt",
        "a@b", &long,
    ];
    for text in others {
        assert!(text.parse::<TenantId>().is_err(), "{text}");
    }
}

#[test]
fn resources_differ_by_case_and_by_a_trailing_slash() {
    let resource = |text: &str| text.parse::<Resource>().unwrap();
    assert_ne!(
        resource("https://vault.azure.net"),
        resource("https://vault.azure.net/")
    );
    assert_ne!(resource("api://Orders"), resource("api://orders"));
    assert_eq!(resource(GUID).as_str(), GUID);
}

#[test]
fn a_resource_holds_no_control_characters() {
    for text in ["https://a\r\nHost: b", "a\0b", "a\u{7f}b", "a\u{85}b"] {
        assert!(text.parse::<Resource>().is_err(), "{text:?}");
    }
}

#[test]
fn a_resource_id_names_subscription_group_and_identity() {
    let id: ResourceId = ARM.parse().unwrap();
    assert_eq!(id.subscription(), GUID);
    assert_eq!(id.resource_group(), "Shop_rg.1(x)");
    assert_eq!(id.name(), "orders-db");
    assert_eq!(id, ARM.to_lowercase().parse().unwrap());
    assert_eq!(
        hash_of(&id),
        hash_of(&ARM.to_uppercase().parse::<ResourceId>().unwrap())
    );
}

#[test]
fn a_resource_id_is_the_whole_text_and_of_an_identity() {
    let others = [
        format!("x{ARM}"),
        format!("{ARM}/"),
        format!("{ARM}/federatedIdentityCredentials/f"),
        format!("https://management.azure.com{ARM}"),
        ARM.replace("userAssignedIdentities", "systemAssignedIdentities"),
        ARM.replace("orders-db", ".."),
        ARM.replace("orders-db", "a?b"),
        ARM.replace("orders-db", "a%2fb"),
        ARM.replace("orders-db", ""),
        arm_id("s", "", "n"),
        arm_id("s", "a/b", "n"),
        arm_id(&"s".repeat(MAX_RESOURCE_ID), "g", "n"),
    ];
    for text in others {
        assert!(text.parse::<ResourceId>().is_err(), "{text}");
    }
}

#[test]
fn identifiers_are_plain_text_in_json_and_checked_when_read() {
    let id: ResourceId = serde_json::from_str(&format!("{ARM:?}")).unwrap();
    assert_eq!(serde_json::to_string(&id).unwrap(), format!("{ARM:?}"));
    let error = serde_json::from_str::<ClientId>("\"orders\"").unwrap_err();
    assert!(error.to_string().contains("is not a GUID"), "{error}");
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic_and_what_parses_parses_again(text in "\\PC{0,80}") {
        if let Ok(id) = text.parse::<TenantId>() {
            prop_assert_eq!(&id, &id.as_str().parse::<TenantId>().unwrap());
        }
        if let Ok(id) = text.parse::<Resource>() {
            prop_assert_eq!(id.as_str(), text.trim());
        }
        prop_assert!(text.parse::<ClientId>().is_err());
        prop_assert!(text.parse::<ResourceId>().is_err());
    }

    #[test]
    fn every_guid_is_an_id_and_hashes_as_it_compares(number in any::<u128>(), mask in any::<u64>()) {
        let hex = format!("{number:032x}");
        let guid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        let mixed: String = guid
            .chars()
            .enumerate()
            .map(|(at, c)| if mask >> (at % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c })
            .collect();
        let (one, other): (ObjectId, ObjectId) = (guid.parse().unwrap(), mixed.parse().unwrap());
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(hash_of(&one), hash_of(&other));
        prop_assert_eq!(one.cmp(&other), std::cmp::Ordering::Equal);
    }

    #[test]
    fn the_parts_of_a_resource_id_are_what_it_was_made_of(
        subscription in "[0-9a-f-]{1,36}",
        group in "[a-zA-Z0-9äßЖ京_.()-]{0,60}[a-z]",
        name in "[A-Za-z0-9][A-Za-z0-9_-]{0,60}",
    ) {
        let id: ResourceId = arm_id(&subscription, &group, &name).parse().unwrap();
        prop_assert_eq!(id.subscription(), subscription);
        prop_assert_eq!(id.resource_group(), group);
        prop_assert_eq!(id.name(), name);
    }

    #[test]
    fn long_ids_hash_as_they_compare(name in "[a-z]{1,120}") {
        let lower: ResourceId = arm_id("s", "g", &name).parse().unwrap();
        let upper: ResourceId = arm_id("S", "G", &name.to_uppercase()).parse().unwrap();
        prop_assert_eq!(&lower, &upper);
        prop_assert_eq!(hash_of(&lower), hash_of(&upper));
    }

    #[test]
    fn order_agrees_with_equality(one in "[a-cA-C.]{1,4}", other in "[a-cA-C.]{1,4}") {
        if let (Ok(one), Ok(other)) = (one.parse::<TenantId>(), other.parse::<TenantId>()) {
            prop_assert_eq!(one == other, one.cmp(&other).is_eq());
            prop_assert_eq!(one.cmp(&other), other.cmp(&one).reverse());
        }
    }
}
