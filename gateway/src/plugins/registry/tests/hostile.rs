//! What no honest registry says.

use super::*;

/// An answer for the component; the manifest is the right one.
async fn with_component(reply: fn() -> Reply) -> Server {
    Server::start(move |call| match call.target.contains("/blobs/") {
        true => reply(),
        false => strict(call),
    })
    .await
}

#[tokio::test]
async fn bytes_that_the_digest_does_not_mean_are_not_taken() {
    let other = Server::start(|_| Reply::of(200, manifest().replace(":2", ":3"))).await;
    let error = refused(&anonymous(), &other).await;
    assert!(error.contains("the manifest has the SHA-256"), "{error}");

    let mut swapped = COMPONENT.to_vec();
    swapped.reverse();
    let swapped: &'static [u8] = swapped.leak();
    let server = Server::start(move |call| match call.target.contains("/blobs/") {
        true => Reply::of(200, swapped),
        false => strict(call),
    })
    .await;
    let error = refused(&anonymous(), &server).await;
    assert!(error.contains("the component has the SHA-256"), "{error}");
}

#[tokio::test]
async fn a_component_that_is_longer_or_shorter_than_its_manifest_says_is_not_taken() {
    for (reply, words) in [
        (
            (|| Reply::of(200, [COMPONENT, b"!"].concat())) as fn() -> Reply,
            "its manifest says",
        ),
        (|| Reply::of(200, &COMPONENT[1..]), "its manifest says"),
        (|| Reply::of(200, vec![0; 1 << 20]), "more than 65536 bytes"),
        (|| Reply::Endless, "more than 65536 bytes"),
    ] {
        let server = with_component(reply).await;
        let error = refused(&anonymous(), &server).await;
        assert!(error.contains(words), "{error}");
        assert_eq!(server.calls().len(), 2, "not tried again");
    }
}

#[tokio::test]
async fn a_manifest_that_asks_for_too_much_is_refused_before_anything_is_asked_for() {
    let huge = manifest().replace(
        &format!("\"size\":{}", COMPONENT.len()),
        "\"size\":99999999999",
    );
    assert_ne!(huge, manifest());
    let digest = sha256(huge.as_bytes());
    let server = Server::start(move |_| Reply::of(200, huge.clone())).await;
    let image = format!("{}/{NAME}@{digest}", server.address)
        .parse()
        .unwrap();
    let error = anonymous().component(&image).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("99999999999 bytes by its manifest"),
        "{error:#}"
    );
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_digest_in_a_manifest_cannot_lead_to_another_path() {
    let evil = manifest().replace(&sha256(COMPONENT), "sha256:../../../token");
    let digest = sha256(evil.as_bytes());
    let server = Server::start(move |_| Reply::of(200, evil.clone())).await;
    let image = format!("{}/{NAME}@{digest}", server.address)
        .parse()
        .unwrap();
    let error = anonymous().component(&image).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("no SHA-256 digest"),
        "{error:#}"
    );
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_short_is_tried_again_and_then_told() {
    let server = with_component(|| Reply::Cut(COMPONENT[1..].to_vec())).await;
    let error = refused(&anonymous(), &server).await;
    assert!(error.contains("cannot be reached"), "{error}");
    assert_eq!(server.calls().len(), 6);
}

#[tokio::test]
async fn a_registry_that_leads_in_circles_or_astray_is_left() {
    let circle = Server::start(|call| Reply::with(302, "location", call.target.clone())).await;
    let error = refused(&anonymous(), &circle).await;
    assert!(error.contains("redirected more than 5 times"), "{error}");
    assert_eq!(circle.calls().len(), 6);
    for (location, words) in [
        (
            "http://169.254.169.254/metadata/identity",
            "redirected to http://169.254.169.254",
        ),
        (
            "http://files.test/a?sig=hunter2",
            "redirected to http://files.test,",
        ),
        ("gopher://127.0.0.1/", "redirected to gopher://127.0.0.1"),
    ] {
        let server = Server::start(move |_| Reply::with(302, "location", location)).await;
        let error = refused(&anonymous(), &server).await;
        assert!(error.contains(words), "{error}");
        assert_eq!(server.calls().len(), 1);
    }
    let nowhere = Server::start(|_| Reply::of(307, "")).await;
    let error = refused(&anonymous(), &nowhere).await;
    assert!(error.contains("redirected to nowhere"), "{error}");
}

#[tokio::test]
async fn a_registry_that_says_401_and_not_how_is_not_asked_again() {
    for challenge in ["", "Negotiate", "Bearer service=\"a\""] {
        let server = Server::start(move |_| Reply::with(401, "www-authenticate", challenge)).await;
        let error = refused(&anonymous(), &server).await;
        assert!(error.contains("does not say how"), "{error}");
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn an_account_is_sent_to_no_realm_that_is_neither_https_nor_plain_by_the_operators_word() {
    for (realm, words) in [
        (
            "http://files.test/token",
            "for a token to http://files.test",
        ),
        (
            "http://169.254.169.254/token",
            "for a token to http://169.254.169.254",
        ),
        (
            "https://me:pass@files.test/",
            "for a token to https://files.test",
        ),
        ("/token", "realm is no URL"),
    ] {
        let challenge = format!("Bearer realm=\"{realm}\"");
        let server =
            Server::start(move |_| Reply::with(401, "www-authenticate", challenge.clone())).await;
        let folder = tempfile::tempdir().unwrap();
        let error = refused(&with_account(&server, folder.path()), &server).await;
        assert!(error.contains(words), "{error}");
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_token_services_answer_is_taken_only_if_it_is_one() {
    for (answer, words) in [
        ("", "none in JSON"),
        ("{}", "has no token"),
        (r#"{"token":""}"#, "no possible length"),
        (r#"{"token":"a\r\nx-evil: 1"}"#, "fits into no header"),
    ] {
        let server = Server::start(move |call| match call.target.starts_with("/token") {
            true => Reply::of(200, answer),
            false => by_token(call),
        })
        .await;
        let error = refused(&anonymous(), &server).await;
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn what_a_registry_says_in_words_is_not_repeated() {
    let server = Server::start(|_| {
        Reply::of(
            400,
            r#"{"errors":[{"code":"hunter2 said","message":"hunter2"},{"code":"DENIED"}]}"#,
        )
    })
    .await;
    let error = refused(&anonymous(), &server).await;
    assert!(error.ends_with("with status 400 (DENIED)"), "{error}");
}

#[tokio::test]
async fn a_silent_registry_takes_no_longer_than_a_pull_may() {
    let server = Server::start(|_| Reply::Silence).await;
    let (registries, image) = (anonymous(), image(&server));
    let begun = Moment::now();
    let deadline = Instant::now() + Duration::from_millis(200);
    let pulled = registries.0.try_pull(&image, deadline).await;
    let error = pulled.err().unwrap();
    assert!(
        error.to_string().contains("did not answer within"),
        "{error}"
    );
    assert!(error.may_pass() && begun.elapsed() < Duration::from_secs(20));
}
