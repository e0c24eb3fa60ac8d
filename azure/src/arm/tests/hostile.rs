//! Whatever an answer holds, the token goes to ARM alone, and nothing of it is believed unread.

use super::*;
use crate::loopback::{Answer, Loopback};

fn machine(state: &str) -> String {
    json!({"location": "westeurope", "properties": {"provisioningState": state}}).to_string()
}

/// A client with the token of a simulation, and another server for ARM.
async fn against(server: &Loopback) -> (AzureSim, ArmClient, ComputeId) {
    let Stage { sim, client, id } = stage().await;
    let endpoint: ArmEndpoint = server.url.parse().unwrap();
    let https = HttpClient::https(std::slice::from_ref(&server.ca_pem)).unwrap();
    let limits = ArmLimits::default();
    let client = ArmClient::new(https, endpoint, client.credential, limits).with_timing(TIMING);
    (sim, client, id)
}

fn patch(add: &[&str]) -> IdentityPatch {
    let compute = Compute::read(
        &scale_set().parse().unwrap(),
        machine("Succeeded").as_bytes(),
    )
    .unwrap();
    IdentityPatch::next(&compute, &change(add, &[])).unwrap()
}

#[tokio::test]
async fn a_poll_url_of_another_host_is_never_asked() {
    let thief = Loopback::https(|_| Answer::new(200, r#"{"status":"Succeeded"}"#)).await;
    let stage = stage().await;
    for url in [
        format!("{}subscriptions/s/operations/o", thief.url),
        thief.url.replace("https", "http"),
        stage.sim.arm_url().replace("https", "http") + "subscriptions/s",
        stage.sim.entra_url() + "subscriptions/s",
        "garbage".to_owned(),
    ] {
        stage.fail("PATCH", FaultKind::PollUrl { url }, 1);
        let error = stage.apply(&["a"], &[]).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Untrusted, "{error}");
        stage.until_there(&["a"]).await;
        stage.by_hand(&[], &["a"]);
    }
    assert!(thief.calls().is_empty());
    assert!(stage.sim.calls_to(Target::Entra).is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let thief = Loopback::https(|_| Answer::new(200, "{}")).await;
    let target = format!("{}subscriptions/s", thief.url);
    let server = Loopback::https(move |_| Answer::new(307, "").header("location", &target)).await;
    let (_sim, client, id) = against(&server).await;
    assert_eq!(
        client.get(&id).await.unwrap_err().class.category(),
        "unavailable"
    );
    assert_eq!(
        client
            .patch(&id, &patch(&["a"]), open())
            .await
            .unwrap_err()
            .class
            .category(),
        "unavailable"
    );
    assert!(thief.calls().is_empty());
}

#[tokio::test]
async fn answers_that_are_broken_endless_or_no_json_are_outages() {
    let stage = stage().await;
    for kind in [
        FaultKind::Garbage,
        FaultKind::Truncated,
        FaultKind::Cut,
        FaultKind::Reset,
        FaultKind::Huge { bytes: 100_000_000 },
        FaultKind::Status {
            code: 200,
            body: Some("[]".to_owned()),
            retry_after: None,
        },
        FaultKind::Status {
            code: 204,
            body: None,
            retry_after: None,
        },
    ] {
        stage.fail("GET", kind.clone(), 1);
        let error = stage.client.get(&stage.id).await.unwrap_err();
        assert_eq!(error.class.category(), "unavailable", "{kind:?}: {error}");
    }
    stage.client.get(&stage.id).await.unwrap();
}

#[tokio::test]
async fn nothing_that_is_printed_holds_the_token() {
    let server = Loopback::https(|call| {
        let authorization = call.headers["authorization"].to_str().unwrap().to_owned();
        Answer::new(
            400,
            json!({"error": {"code": "X", "message": authorization}}).to_string(),
        )
    })
    .await;
    let (sim, client, id) = against(&server).await;
    let error = client.get(&id).await.unwrap_err();
    let token = server.only_call().headers["authorization"]
        .to_str()
        .unwrap()
        .replace("Bearer ", "");
    assert!(sim.verify(&token).is_ok(), "it was a real one");
    let printed = format!("{error} {error:?} {client:?}");
    assert!(!printed.contains(&token), "{printed}");
}

#[tokio::test]
async fn location_and_the_resource_s_own_state_are_followed_too() {
    let polls = std::sync::atomic::AtomicUsize::new(0);
    let server = Loopback::https(
        move |call| match (call.method.as_str(), call.target.as_str()) {
            ("PATCH", _) => Answer::new(202, "").header(
                "location",
                &format!(
                    "https://{}/subscriptions/s/results/1",
                    call.headers["host"].to_str().unwrap()
                ),
            ),
            (_, "/subscriptions/s/results/1") => {
                let poll = polls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Answer::new(if poll < 2 { 202 } else { 200 }, "")
            }
            _ => Answer::new(200, machine("Succeeded")),
        },
    )
    .await;
    let (_sim, client, id) = against(&server).await;
    let Patched::Started(operation) = client.patch(&id, &patch(&["a"]), open()).await.unwrap()
    else {
        panic!()
    };
    client.wait(&operation).await.unwrap();
    assert_eq!(server.calls().len(), 4);
}

#[tokio::test]
async fn without_any_header_the_resource_s_own_state_says_when_it_is_done() {
    let looks = std::sync::atomic::AtomicUsize::new(0);
    let server = Loopback::https(move |call| {
        let look = looks.fetch_add(
            usize::from(call.method == "GET"),
            std::sync::atomic::Ordering::SeqCst,
        );
        Answer::new(200, machine(if look < 2 { "Updating" } else { "Failed" }))
    })
    .await;
    let (_sim, client, id) = against(&server).await;
    let Patched::Started(operation) = client.patch(&id, &patch(&["a"]), open()).await.unwrap()
    else {
        panic!()
    };
    let error = client.wait(&operation).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid, "{error}");
    assert_eq!(server.calls().len(), 4);
}
