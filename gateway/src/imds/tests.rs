use http::header::HOST;

use super::*;

const PATH: &str = "/metadata/identity/oauth2/token";
const RESOURCE: &str = "resource=https%3A%2F%2Fvault.azure.net";

fn rules() -> Rules {
    Rules {
        metadata_header_required: true,
        block_instance_metadata: false,
        hosts: vec!["169.254.169.254".to_owned()],
    }
}

fn read(request: &Request<()>, rules: &Rules) -> Result<Question, Refusal> {
    parse(request, target(request)?, rules)
}

fn get(target: &str) -> http::request::Builder {
    Request::get(target)
        .header(HOST, "169.254.169.254")
        .header("Metadata", "true")
}

fn ask(target: &str) -> Result<Question, Refusal> {
    read(&get(target).body(()).unwrap(), &rules())
}

fn token(query: &str) -> Result<TokenQuestion, Refusal> {
    match ask(&format!("{PATH}?{query}"))? {
        Question::Token(question) => Ok(question),
        other => panic!("{other:?}"),
    }
}

fn refused(request: http::request::Builder) -> Refusal {
    read(&request.body(()).unwrap(), &rules()).unwrap_err()
}

#[test]
fn the_probe_without_the_header_is_answered_first_whatever_else_is_wrong_with_it() {
    for target in [
        PATH,
        "/metadata/identity/oauth2/token?client_id=%zz",
        "//metadata/identity/oauth2/token?a=1&a=2",
    ] {
        assert_eq!(
            refused(Request::get(target)),
            Refusal::NoMetadataHeader,
            "{target}"
        );
    }
}

#[test]
fn the_metadata_header_is_exactly_true_and_there_once() {
    for value in ["True", "TRUE", "1", "yes", "true,true"] {
        let request = Request::get(PATH).header("Metadata", value);
        assert_eq!(refused(request), Refusal::NoMetadataHeader, "{value}");
    }
    let twice = Request::get(PATH)
        .header("Metadata", "true")
        .header("metadata", "true");
    assert_eq!(refused(twice), Refusal::NoMetadataHeader);
}

#[test]
fn imdsv2_does_not_exist_with_and_without_the_header() {
    for path in [
        "/metadata/identity/issuecredential?cred-api-version=2.0",
        "/metadata/identity/getplatformmetadata?cred-api-version=2.0",
        "/metadata/identity/credential?cred-api-version=1.0",
        "/metadata/identity",
        "/metadata/identity/oauth2",
        "/metadata/Identity/oauth2/token",
        "/metadata/identity/oauth2/tokenX",
        "/metadata/attested/document",
        "/metadata/scheduledevents",
        "/metadata/loadbalancer",
        "/metadata",
        "/metadata/instanceX",
        "/latest/meta-data/iam/security-credentials",
        "/computeMetadata/v1/",
        "/",
    ] {
        assert!(matches!(ask(path), Err(Refusal::NotFound(_))), "{path}");
        for method in [Method::GET, Method::POST] {
            let bare = Request::builder().method(method).uri(path);
            assert!(matches!(refused(bare), Refusal::NotFound(_)), "{path}");
        }
    }
}

#[test]
fn the_allow_list_of_other_metadata_is_served() {
    for path in [
        "/metadata/instance",
        "/metadata/instance/compute/location",
        "/Metadata/versions",
        "/metadata/identity/info",
    ] {
        assert!(matches!(ask(path), Ok(Question::Metadata(_))), "{path}");
    }
    let mut rules = rules();
    rules.block_instance_metadata = true;
    let request = get("/metadata/instance/compute").body(()).unwrap();
    assert_eq!(
        read(&request, &rules),
        Err(Refusal::InstanceMetadataBlocked)
    );
}

#[test]
fn proxies_and_tunnels_are_refused() {
    let absolute = get("http://169.254.169.254/metadata/identity/oauth2/token?resource=a");
    assert!(matches!(refused(absolute), Refusal::BadRequest(_)));
    let connect = Request::connect("169.254.169.254:80").header("Metadata", "true");
    assert!(matches!(refused(connect), Refusal::BadRequest(_)));
    let forwarded = get(PATH).header("X-Forwarded-For", "10.0.0.1");
    assert!(
        matches!(refused(forwarded), Refusal::BadRequest(text) if text.contains("X-Forwarded-For"))
    );
}

#[test]
fn only_the_metadata_services_own_host_is_served() {
    let request = |host: &str| {
        Request::get(PATH)
            .header("Metadata", "true")
            .header(HOST, host)
    };
    for host in [
        "evil.example",
        "169.254.169.254.evil.example",
        "169.254.169.254:81",
        "",
    ] {
        assert!(
            matches!(refused(request(host)), Refusal::BadRequest(_)),
            "{host}"
        );
    }
    let twice = request("169.254.169.254").header(HOST, "169.254.169.254");
    assert!(matches!(refused(twice), Refusal::BadRequest(_)));
    let missing = Request::get(PATH).header("Metadata", "true");
    assert!(
        matches!(refused(missing), Refusal::BadRequest(_)),
        "HTTP/1.1 asks for one"
    );
}

#[test]
fn other_methods_and_bodies_are_refused() {
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
    ] {
        let request = get(PATH).method(method.clone());
        assert_eq!(
            refused(request),
            Refusal::MethodNotAllowed(method.to_string())
        );
    }
    for header in [("content-length", "3"), ("transfer-encoding", "chunked")] {
        let request = get(PATH).header(header.0, header.1);
        assert!(
            matches!(refused(request), Refusal::BadRequest(_)),
            "{header:?}"
        );
    }
}

#[test]
fn each_way_to_name_an_identity_is_understood() {
    let guid = "7a1d0c8e-2f34-4f0e-9a6f-0123456789ab";
    let arm = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    let by = |query: String| token(&format!("{RESOURCE}&{query}")).unwrap().selector;
    assert_eq!(token(RESOURCE).unwrap().selector, Selector::Unspecified);
    assert_eq!(by("client_id=".to_owned()), Selector::Unspecified);
    assert_eq!(
        by(format!("client_id={guid}")),
        Selector::ClientId(guid.parse().unwrap())
    );
    assert_eq!(
        by(format!("client_id={}", guid.to_uppercase())),
        Selector::ClientId(guid.parse().unwrap())
    );
    assert_eq!(
        by(format!("object_id={guid}")),
        Selector::ObjectId(guid.parse().unwrap())
    );
    assert_eq!(
        by(format!("msi_res_id={arm}")),
        by(format!("mi_res_id={arm}"))
    );
    assert_eq!(
        by(format!("msi_res_id={arm}&mi_res_id={arm}")),
        Selector::ResourceId(arm.parse().unwrap())
    );
}

#[test]
fn two_ways_to_name_an_identity_exclude_one_another() {
    let guid = "7a1d0c8e-2f34-4f0e-9a6f-0123456789ab";
    let error = token(&format!("{RESOURCE}&client_id={guid}&object_id={guid}")).unwrap_err();
    assert!(error.to_string().contains("exclude one another"), "{error}");
}

#[test]
fn a_malformed_parameter_is_named() {
    for (query, name) in [
        ("client_id=7a1d0c8e-2f34-4f0e-9a6f-0123456789ab", "resource"),
        ("resource=", "resource"),
        ("resource=x&api-version=2017-12-31", "api-version"),
        ("resource=x&api-version=latest", "api-version"),
        ("resource=x&bypass_cache=yes", "bypass_cache"),
        ("resource=x&msi_res_id=/subscriptions/x", "msi_res_id"),
    ] {
        let error = token(query).unwrap_err();
        assert!(
            matches!(error, Refusal::BadRequest(_)) && error.to_string().contains(name),
            "{query}: {error}"
        );
    }
}

#[test]
fn what_msal_may_add_one_day_is_ignored_and_never_forwarded() {
    let question = token(&format!(
        "{RESOURCE}&xms_cc=CP1&token_sha256_to_refresh=00&authority=evil"
    ))
    .unwrap();
    assert_eq!(question, token(RESOURCE).unwrap());
}
