//! The request for a token: headers and the form of RFC 6749, section 4.4, with a client assertion.

use form_urlencoded::Serializer;

use crate::endpoint::Endpoint;

/// RFC 7523, section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The form that is posted.
#[must_use]
pub fn form(endpoint: &Endpoint, client_id: &str, resource: &str, assertion: &str) -> String {
    let (name, audience) = endpoint.audience(resource);
    Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client_id)
        .append_pair(name, &audience)
        .append_pair("client_assertion_type", ASSERTION_TYPE)
        .append_pair("client_assertion", assertion)
        .finish()
}

/// The headers that go with it. The request id lets Microsoft's support find the request in their logs.
#[must_use]
pub fn headers(request_id: &str) -> [(&'static str, &str); 3] {
    [
        ("accept", "application/json"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("client-request-id", request_id),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::EndpointVersion;
    use proptest::prelude::*;

    fn fields(version: EndpointVersion, resource: &str) -> Vec<(String, String)> {
        let endpoint = Endpoint::new("https://login.example/", "t", version);
        let form = form(&endpoint, "client", resource, "a.b.c");
        form_urlencoded::parse(form.as_bytes())
            .into_owned()
            .collect()
    }

    fn expected(audience: (&str, &str)) -> Vec<(String, String)> {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", "client"),
            audience,
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", "a.b.c"),
        ];
        fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    #[test]
    fn v2_has_a_scope_and_no_resource() {
        let scope = ("scope", "https://vault.azure.net/.default");
        assert_eq!(
            fields(EndpointVersion::V2, "https://vault.azure.net"),
            expected(scope)
        );
    }

    #[test]
    fn v1_has_a_resource_and_no_scope() {
        let resource = ("resource", "https://vault.azure.net");
        assert_eq!(
            fields(EndpointVersion::V1, "https://vault.azure.net"),
            expected(resource)
        );
    }

    proptest! {
        #[test]
        fn a_hostile_resource_cannot_add_a_field(resource in any::<String>()) {
            prop_assert_eq!(fields(EndpointVersion::V1, &resource), expected(("resource", &resource)));
        }
    }
}
