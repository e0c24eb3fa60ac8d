//! What goes wrong, and what is said of it.

use super::*;

#[tokio::test]
async fn refusals_keep_their_reason_through_the_sdk_and_are_not_repeated() {
    let sim = sim().await;
    let unknown = Selector::ClientId("d0000000-0000-4000-8000-000000000001".parse().unwrap());
    let certificate = ClientCertificate::read(pki::stranger().pem().as_bytes(), "").unwrap();
    for (kind, error, said) in [
        (
            CredentialKind::ManagedIdentity(unknown),
            "invalid_request",
            "Identity not found",
        ),
        (secret(TENANT, "wrong"), "invalid_client", "AADSTS7000215"),
        (
            CredentialKind::Certificate {
                tenant: tenant(),
                client_id: client_id(),
                certificate,
            },
            "invalid_client",
            "AADSTS700027",
        ),
    ] {
        sim.clear_calls();
        let failure = credential(&sim, kind).token().await.unwrap_err();
        let Failure::Refused {
            error: code,
            description,
            ..
        } = &failure
        else {
            panic!("{failure}")
        };
        assert_eq!(code, error);
        assert!(
            description.contains(said) && !description.contains("wrong"),
            "{description}"
        );
        assert_eq!(sim.calls().len(), 1);
    }
}

#[tokio::test]
async fn outages_are_told_from_refusals_and_the_sdk_does_not_repeat_them() {
    let sim = sim().await;
    let certificate = ClientCertificate::read(pki::self_signed().pem().as_bytes(), "").unwrap();
    let by_certificate = CredentialKind::Certificate {
        tenant: tenant(),
        client_id: client_id(),
        certificate,
    };
    let node = CredentialKind::ManagedIdentity(Selector::Unspecified);
    for (target, kind) in [
        (Target::Imds, node),
        (Target::Entra, by_certificate),
        (Target::Entra, secret(TENANT, SECRET)),
    ] {
        for fault in [
            FaultKind::status(410),
            FaultKind::throttled(7),
            FaultKind::status(500),
            FaultKind::Garbage,
            FaultKind::Reset,
            FaultKind::Huge { bytes: 10_000_000 },
        ] {
            if target == Target::Entra && fault == FaultKind::status(410) {
                continue;
            }
            sim.clear_calls();
            sim.fail(Fault::new(target, fault.clone()).once());
            let failure = credential(&sim, kind.clone()).token().await.unwrap_err();
            let Failure::Unavailable {
                retry_after,
                throttled,
                ..
            } = &failure
            else {
                panic!("{fault:?} {failure}")
            };
            let expected = (fault == FaultKind::throttled(7)).then_some(Duration::from_secs(7));
            assert_eq!(
                (*retry_after, *throttled),
                (expected, expected.is_some()),
                "{fault:?}"
            );
            assert!(
                sim.calls().len() <= 2,
                "a connection that broke may be used once more, an answer never"
            );
        }
    }
}

#[tokio::test]
async fn the_sdk_is_let_ask_imds_and_the_login_host_only() {
    use azure_core::http::{HttpClient as _, Method, Request};
    let sim = sim().await;
    let TokenSources {
        authority,
        imds,
        https,
    } = sources(&sim);
    let transport = SdkTransport::new(https, imds, &authority);
    for elsewhere in [
        "http://169.254.169.254:8080/",
        "http://evil.example/",
        "https://169.254.169.254/",
        &sim.imds_url(),
    ] {
        let request = Request::new(elsewhere.parse().unwrap(), Method::Get);
        let error = transport
            .execute_request(&request)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("neither the node's IMDS nor the login host"),
            "{elsewhere}: {error}"
        );
    }
    assert!(sim.calls().is_empty());
}

#[test]
fn no_secret_is_printed() {
    let certificate = ClientCertificate::read(pki::self_signed().pem().as_bytes(), "").unwrap();
    let by_certificate = CredentialKind::Certificate {
        tenant: tenant(),
        client_id: client_id(),
        certificate,
    };
    let printed = format!(
        "{:?} {:?} {}",
        secret(TENANT, SECRET),
        by_certificate,
        secret(TENANT, SECRET)
    );
    assert!(
        !printed.contains(SECRET) && printed.contains(CLIENT),
        "{printed}"
    );
}
