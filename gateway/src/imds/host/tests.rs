use super::*;

fn ask(target: &str) -> http::request::Builder {
    Request::get(target)
        .header("podns", "shop")
        .header("podname", "web-7d4b9c-x2x")
}

fn read(request: http::request::Builder) -> Result<HostQuestion, Refusal> {
    parse_host(&request.body(()).unwrap())
}

const TARGET: &str = "/host/token/?resource=https://vault.azure.net";

#[test]
fn the_drivers_question_is_the_old_one_with_and_without_the_slash() {
    for target in [TARGET, "/host/token?resource=https://vault.azure.net"] {
        let question = read(ask(target)).unwrap();
        assert_eq!(question.pod, ObjectRef::new("shop", "web-7d4b9c-x2x"));
        assert_eq!(question.token.resource.as_str(), "https://vault.azure.net");
        assert_eq!(question.token.route, Route::HostToken);
    }
}

#[test]
fn a_request_without_both_names_of_the_pod_gets_the_old_words() {
    let only = Request::get(TARGET).header("podns", "shop");
    let twice = ask(TARGET).header("podname", "other");
    let strange = Request::get(TARGET)
        .header("podns", "../kube-system")
        .header("podname", "web");
    for request in [Request::get(TARGET), only, twice, strange] {
        let Err(Refusal::BadRequest(text)) = read(request) else {
            panic!("it was taken");
        };
        assert_eq!(text, "missing 'podname' and 'podns' from request header");
    }
}

#[test]
fn a_name_that_a_browser_was_lured_by_is_refused() {
    let of = |host| addressed(Some(&HeaderValue::from_static(host)));
    for host in [
        "evil.example",
        "evil.example:2579",
        "127.0.0.1.evil.example",
    ] {
        assert!(of(host).is_err(), "{host}");
    }
    for host in [
        "127.0.0.1:2579",
        "localhost",
        "localhost:2579",
        "[::1]:2579",
    ] {
        assert!(of(host).is_ok(), "{host}");
    }
    assert!(addressed(None).is_ok(), "HTTP/1.0 has none");
}

#[test]
fn only_the_one_path_and_only_get() {
    assert!(matches!(
        read(ask("/metadata/identity/oauth2/token?resource=a")),
        Err(Refusal::NotFound(_))
    ));
    assert!(matches!(
        read(ask(TARGET).method(Method::POST)),
        Err(Refusal::MethodNotAllowed(_))
    ));
    assert!(matches!(
        read(ask("/host/token")),
        Err(Refusal::BadRequest(_))
    ));
}
