use super::*;
use crate::tests::fixture::Thing;

fn refused(code: u16) -> Failure {
    let body = format!(r#"{{"kind":"Status","code":{code},"message":"because"}}"#);
    Failure::status(Some(code), body.as_bytes())
}

#[test]
fn a_missing_right_names_who_lacks_it_its_verbs_and_its_resource() {
    let told = refused(403).explain(&Thing::Identities, "the controller");
    assert!(told.contains("because"), "{told}");
    let right = "the controller may not list and watch azureidentities.aadpodidentity.k8s.io";
    assert!(told.contains(right), "{told}");
    let told = refused(403).explain(&Thing::Secret, "the gateway");
    assert!(told.contains("Secret shop/login"), "{told}");
    let told = refused(401).explain(&Thing::Nodes, "the controller");
    assert!(told.contains("the controller's ServiceAccount"), "{told}");
}

#[test]
fn a_missing_definition_is_named() {
    let told = refused(404).explain(&Thing::Identities, "the gateway");
    assert!(
        told.contains("azureidentities.aadpodidentity.k8s.io"),
        "{told}"
    );
}

#[test]
fn an_error_in_a_watch_has_its_code_in_its_status() {
    let failure = Failure::status(
        None,
        br#"{"code":410,"message":"too old resource version"}"#,
    );
    assert!(failure.is_gone() && !failure.resumes());
    assert_eq!(failure.restart(), Restart::Gone);
}

#[test]
fn a_message_of_the_api_server_is_cut() {
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(10_000));
    assert!(
        Failure::status(Some(500), long.as_bytes())
            .to_string()
            .len()
            < 500
    );
}

#[test]
fn a_chain_of_reasons_is_told_once_each() {
    let inner = std::io::Error::other("connection refused");
    let outer = std::io::Error::other(inner);
    let told = Failure::connection(&outer).to_string();
    assert_eq!(told.matches("connection refused").count(), 1, "{told}");
}

#[test]
fn what_a_credential_plugin_said_is_not_repeated() {
    let said = |text: &str| kube::client::AuthError::AuthExec(text.to_owned());
    let (plain, wrapped) = (said("s3cret"), kube::Error::Auth(said("s3cret")));
    let boxed = kube::Error::Service(Box::new(said("s3cret")));
    assert!(boxed.to_string().contains("s3cret"), "kube repeats it");
    for error in [&plain as &dyn Error, &wrapped, &boxed] {
        let told = reasons(error);
        assert!(
            !told.contains("s3cret") && told.contains("credentials"),
            "{told}"
        );
    }
}
