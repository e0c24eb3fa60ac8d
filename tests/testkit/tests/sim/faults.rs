//! Scripts of faults.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use podgate_testkit::{Answer, AzureSim, ClientError, Fault, FaultKind, Target};

use crate::setup::*;

async fn meet(kind: FaultKind) -> (AzureSim, Result<Answer, ClientError>) {
    let sim = sim().await;
    sim.fail(Fault::new(Target::Imds, kind).once());
    let client = imds(&sim).deadline(Duration::from_secs(2));
    let answer = client.get(ASK, &[METADATA]).await;
    assert!(sim.calls()[0].faulted);
    assert_eq!(
        imds(&sim).get(ASK, &[METADATA]).await.unwrap().status,
        200,
        "it happened once"
    );
    (sim, answer)
}

#[tokio::test]
async fn a_status_comes_with_the_services_own_body_or_with_the_scripts() {
    for (code, error) in [
        (404, "not_found"),
        (410, "service_unavailable"),
        (500, "server_error"),
    ] {
        let (_, answer) = meet(FaultKind::status(code)).await;
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (code, Some(error))
        );
    }
    let scripted = FaultKind::Status {
        code: 503,
        body: Some("<html>".into()),
        retry_after: Some("7".into()),
    };
    let answer = meet(scripted).await.1.unwrap();
    assert_eq!(
        (
            answer.status,
            answer.text().as_str(),
            answer.header("retry-after")
        ),
        (503, "<html>", Some("7"))
    );
    assert_eq!(
        meet(FaultKind::throttled(3))
            .await
            .1
            .unwrap()
            .header("retry-after"),
        Some("3")
    );
}

#[tokio::test]
async fn entras_faults_speak_aadsts() {
    let sim = sim().await;
    for (kind, status, error, code) in [
        (
            FaultKind::status(429),
            429,
            "temporarily_unavailable",
            90_055,
        ),
        (
            FaultKind::status(503),
            503,
            "temporarily_unavailable",
            90_033,
        ),
        (
            FaultKind::Aadsts { code: 7_000_214 },
            401,
            "invalid_client",
            7_000_214,
        ),
        (
            FaultKind::Aadsts { code: 1_000_502 },
            401,
            "invalid_client",
            1_000_502,
        ),
    ] {
        sim.fail(Fault::new(Target::Entra, kind).once());
        assert_aadsts(&post(&sim, &v2(), &v2_fields()).await, status, error, code);
    }
}

#[tokio::test]
async fn a_fault_hits_whom_it_names_and_as_often_as_it_says() {
    let sim = sim().await;
    let other = "https://vault.azure.net/.default";
    let fault = Fault::new(Target::Entra, FaultKind::status(500)).for_client(CLIENT.to_uppercase());
    sim.fail(fault.for_resource("https://vault.azure.net").times(2));
    assert_eq!(
        post(&sim, &v2(), &v2_fields()).await.status,
        200,
        "another resource"
    );
    assert_eq!(ask_imds(&sim, ASK).await.status, 200, "another service");
    assert_eq!(sim.pending_faults().len(), 1);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(
            post(&sim, &v2(), &with(v2_fields(), "scope", other))
                .await
                .status,
        );
    }
    assert_eq!(statuses, [500, 500, 200]);
    assert!(sim.pending_faults().is_empty());
}

#[tokio::test]
async fn a_malformed_request_is_refused_whatever_the_script_says() {
    let sim = sim().await;
    sim.fail(Fault::new(Target::Imds, FaultKind::status(500)));
    assert_eq!(ask_imds(&sim, TOKEN).await.status, 400);
    sim.recover();
    assert_eq!(ask_imds(&sim, ASK).await.status, 200);
}

#[tokio::test]
async fn latency_delays_the_right_answer_and_the_next_fault() {
    let sim = sim().await;
    sim.fail(Fault::new(Target::Imds, FaultKind::Latency { ms: 150 }));
    sim.fail(Fault::new(Target::Imds, FaultKind::status(500)).once());
    for status in [500, 200] {
        let began = Instant::now();
        assert_eq!(ask_imds(&sim, ASK).await.status, status);
        assert!(began.elapsed() >= Duration::from_millis(150));
    }
}

#[tokio::test]
async fn a_hang_is_no_answer_and_is_on_record_while_it_lasts() {
    let sim = sim().await;
    sim.fail(Fault::new(Target::Imds, FaultKind::Hang));
    let hasty = imds(&sim).deadline(Duration::from_millis(200));
    assert!(matches!(
        hasty.get(ASK, &[METADATA]).await,
        Err(ClientError::Timeout { .. })
    ));
    let calls = sim.calls();
    assert_eq!((calls[0].status, calls[0].faulted), (None, true));
}

#[tokio::test]
async fn a_reset_is_a_tcp_reset_over_http_and_https() {
    let (sim, answer) = meet(FaultKind::Reset).await;
    let is_reset = |answer: &Result<Answer, ClientError>| matches!(answer, Err(ClientError::Io { source, .. }) if source.kind() == ErrorKind::ConnectionReset);
    assert!(is_reset(&answer), "{answer:?}");
    sim.fail(Fault::new(Target::Entra, FaultKind::Reset).once());
    let answer = entra(&sim)
        .post(&v2(), &[FORM], encode(&v2_fields()).as_bytes())
        .await;
    assert!(is_reset(&answer), "{answer:?}");
}

#[tokio::test]
async fn broken_bodies_are_broken_in_the_way_they_say() {
    let garbage = meet(FaultKind::Garbage).await.1.unwrap();
    assert!(garbage.status == 200 && std::str::from_utf8(&garbage.body).is_err());
    let truncated = meet(FaultKind::Truncated).await.1.unwrap();
    assert!(truncated.text().starts_with("{\"access_token\":\"eyJ"));
    assert!(serde_json::from_slice::<serde_json::Value>(&truncated.body).is_err());
    let cut = meet(FaultKind::Cut).await.1;
    assert!(
        matches!(cut, Err(ClientError::Incomplete { received, .. }) if received > 500),
        "{cut:?}"
    );
    let huge = meet(FaultKind::Huge { bytes: 3_000_000 }).await.1.unwrap();
    assert_eq!((huge.status, huge.body.len()), (200, 3_000_000));
}

#[tokio::test]
async fn an_imds_that_is_down_answers_410_until_its_time_is_over() {
    let sim = sim().await;
    sim.fail(Fault::new(Target::Imds, FaultKind::Down { ms: 400 }));
    let began = Instant::now();
    assert_eq!(ask_imds(&sim, ASK).await.status, 410);
    let deadline = began + Duration::from_secs(10);
    while ask_imds(&sim, ASK).await.status == 410 {
        assert!(Instant::now() < deadline, "{:?}", sim.pending_faults());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert!(sim.pending_faults().is_empty());
}
