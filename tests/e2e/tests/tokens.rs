//! A pod's request, end to end: real gateway, real components, azure-sim.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::time::Duration;

use podgate_e2e::demo;
use podgate_e2e::stage::{Stage, VAULT};
use podgate_testkit::{Fault, FaultKind, Target};

fn vault() -> String {
    format!("resource={VAULT}")
}

#[tokio::test]
async fn each_kind_of_identity_gets_its_own_token_and_no_other() {
    let stage = Stage::demo().await.unwrap();
    for (ip, client_id) in [
        ("127.0.0.2", demo::WEB),
        ("127.0.0.3", demo::WORKER),
        ("127.0.0.4", demo::LEDGER),
        ("127.0.0.5", demo::NODE),
    ] {
        let answer = stage.token(ip, &vault()).await.unwrap();
        let claims = stage.claims(&answer).unwrap();
        assert_eq!(
            (claims.appid.as_str(), claims.aud.as_str()),
            (client_id, VAULT),
            "{ip}"
        );
    }
    assert!(stage.sim.forbidden_calls().is_empty());
}

#[tokio::test]
async fn the_answer_is_what_every_sdk_can_read() {
    let stage = Stage::demo().await.unwrap();
    let answer = stage.token("127.0.0.2", &vault()).await.unwrap();
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert!(answer.header("content-length").is_some());
    let json = answer.json();
    let fields: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        fields,
        [
            "access_token",
            "client_id",
            "expires_in",
            "expires_on",
            "not_before",
            "refresh_token",
            "resource",
            "token_type"
        ]
    );
    assert!(
        json.as_object()
            .unwrap()
            .values()
            .all(serde_json::Value::is_string),
        "{json}"
    );
}

#[tokio::test]
async fn a_second_request_costs_no_call() {
    let stage = Stage::demo().await.unwrap();
    let first = stage.token("127.0.0.2", &vault()).await.unwrap().json();
    stage.sim.clear_calls();
    let second = stage.token("127.0.0.2", &vault()).await.unwrap().json();
    assert_eq!(first["access_token"], second["access_token"]);
    assert!(stage.sim.calls().is_empty());
}

#[tokio::test]
async fn imds_never_sees_more_than_it_allows_however_many_ask() {
    let stage = Stage::demo().await.unwrap();
    let mut pods = tokio::task::JoinSet::new();
    for number in 0..40 {
        let (client, ip) = (
            stage.pod(["127.0.0.2", "127.0.0.7"][number % 2]).unwrap(),
            number,
        );
        pods.spawn(async move {
            let path = format!(
                "/metadata/identity/oauth2/token?resource=https://{ip}.example&client_id={}",
                demo::WEB
            );
            client
                .get(&path, &[("Metadata", "true"), ("Host", "169.254.169.254")])
                .await
                .unwrap()
                .status
        });
    }
    let statuses = pods.join_all().await;
    let counts = stage.sim.limit_counts();
    assert!(
        statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );
    assert!(
        statuses.iter().filter(|status| **status == 200).count() >= 30,
        "{statuses:?}"
    );
    assert!(
        stage
            .sim
            .calls()
            .iter()
            .all(|call| call.status == Some(200)),
        "IMDS throttled: {counts:?}"
    );
}

#[tokio::test]
async fn a_token_survives_an_outage_and_what_is_new_says_when_to_come_back() {
    let stage = Stage::demo().await.unwrap();
    for ip in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        assert_eq!(stage.token(ip, &vault()).await.unwrap().status, 200);
    }
    for target in [Target::Imds, Target::Entra] {
        stage.sim.fail(Fault::new(target, FaultKind::status(503)));
    }
    for ip in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        assert_eq!(stage.token(ip, &vault()).await.unwrap().status, 200, "{ip}");
        let new = stage
            .token(ip, "resource=https://storage.azure.com/")
            .await
            .unwrap();
        assert_eq!(new.status, 503, "{ip}: {}", new.text());
        assert!(new.header("retry-after").is_some(), "{ip}");
    }
}

#[tokio::test]
async fn whatever_an_authority_answers_the_pod_gets_json_and_the_gateway_goes_on() {
    for kind in [
        FaultKind::status(429),
        FaultKind::status(500),
        FaultKind::Reset,
        FaultKind::Garbage,
        FaultKind::Truncated,
        FaultKind::Huge {
            bytes: 64 * 1024 * 1024,
        },
    ] {
        let stage = Stage::demo().await.unwrap();
        for target in [Target::Imds, Target::Entra] {
            stage.sim.fail(Fault::new(target, kind.clone()));
        }
        for ip in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
            let answer = stage.token(ip, &vault()).await.unwrap();
            assert!(
                [429, 503].contains(&answer.status),
                "{kind:?} {ip}: {} {}",
                answer.status,
                answer.text()
            );
            assert!(
                answer.json()["error_description"].is_string(),
                "{kind:?} {ip}"
            );
        }
        stage.sim.recover();
        let other = stage
            .token(
                "127.0.0.7",
                &format!("{}&client_id={}", vault(), demo::ARCHIVE),
            )
            .await
            .unwrap();
        assert_eq!(other.status, 200, "another identity was harmed by {kind:?}");
    }
}

#[tokio::test]
async fn auxiliary_tenants_get_a_token_each_in_the_old_gateways_array() {
    let second = "88888888-8888-4888-8888-888888888888";
    let mut directory = demo::directory().unwrap();
    let mut abroad = directory.applications[0].clone();
    abroad.tenant = second.to_owned();
    directory.applications.push(abroad);
    let stage = Stage::start(directory, &["--operation-mode=managed"], |folder| {
        demo::lay_out(folder)?;
        let file = folder.join("identities.yaml");
        let text = std::fs::read_to_string(&file)?.replace(
            "  clientPassword: { name: worker-secret, namespace: shop }",
            &format!(
                "  clientPassword: {{ name: worker-secret }}\n  auxiliaryTenantIDs: [{second}]"
            ),
        );
        Ok(std::fs::write(file, text)?)
    })
    .await
    .unwrap();
    let answer = stage.token("127.0.0.3", &vault()).await.unwrap();
    let json = answer.json();
    let tenant = |token: &serde_json::Value| {
        stage
            .sim
            .verify(token["access_token"].as_str().unwrap())
            .unwrap()
            .tid
    };
    let tenants: Vec<String> = json.as_array().unwrap().iter().map(tenant).collect();
    assert_eq!(tenants, [demo::TENANT, second]);
}

#[tokio::test]
async fn imds_that_is_updated_or_upgraded_is_waited_for() {
    for status in [404, 410] {
        let stage = Stage::demo().await.unwrap();
        stage
            .sim
            .fail(Fault::new(Target::Imds, FaultKind::status(status)).once());
        let answer = stage.token("127.0.0.2", &vault()).await.unwrap();
        assert_eq!(answer.status, 503, "{}", answer.text());
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=70).contains(&seconds), "{status}: {seconds}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_a_refusal_with_entras_code_and_a_new_one_works_at_once() {
    let stage = Stage::demo().await.unwrap();
    let wrong = demo::secret("worker-secret", &[("clientSecret", b"wrong")]);
    let list = |item: serde_json::Value| {
        serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [item]}).to_string()
    };
    stage.apply("secrets.json", &list(wrong)).unwrap();
    let refused = until(&stage, "127.0.0.3", 403).await;
    assert!(refused.contains("AADSTS7000215"), "{refused}");
    assert!(!refused.contains("wrong"), "a secret showed: {refused}");
    let right = demo::secret(
        "worker-secret",
        &[("clientSecret", demo::SECRET.as_bytes())],
    );
    stage.apply("secrets.json", &list(right)).unwrap();
    until(&stage, "127.0.0.3", 200).await;
}

#[tokio::test]
async fn a_binding_that_goes_takes_the_token_with_it() {
    let stage = Stage::demo().await.unwrap();
    assert_eq!(
        stage.token("127.0.0.2", &vault()).await.unwrap().status,
        200
    );
    stage.delete("identities.yaml").unwrap();
    let refused = until(&stage, "127.0.0.2", 400).await;
    assert!(refused.contains("Identity not found"), "{refused}");
}

#[tokio::test]
async fn a_pod_that_appears_during_its_own_request_gets_its_token() {
    let stage = Stage::demo().await.unwrap();
    let client = stage.pod("127.0.0.99").unwrap();
    let request = tokio::spawn(async move {
        let path = format!("/metadata/identity/oauth2/token?resource={VAULT}");
        client
            .get(&path, &[("Metadata", "true"), ("Host", "169.254.169.254")])
            .await
            .unwrap()
            .status
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: late, namespace: shop, labels: { aadpodidbinding: web } }\nstatus: { podIP: 127.0.0.99 }\n";
    stage.apply("late.yaml", pod).unwrap();
    assert_eq!(request.await.unwrap(), 200);
}

#[tokio::test]
async fn standard_mode_answers_once_the_controller_says_assigned() {
    let stage = Stage::start(
        demo::directory().unwrap(),
        &["--operation-mode=standard", "--assignment-wait=5s"],
        demo::lay_out,
    )
    .await
    .unwrap();
    let client = stage.pod("127.0.0.2").unwrap();
    let path = format!("/metadata/identity/oauth2/token?resource={VAULT}");
    let request = tokio::spawn(async move {
        client
            .get(&path, &[("Metadata", "true"), ("Host", "169.254.169.254")])
            .await
            .unwrap()
            .status
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!request.is_finished());
    stage.apply("assigned.yaml", &assigned("Assigned")).unwrap();
    assert_eq!(request.await.unwrap(), 200);
}

#[tokio::test]
async fn standard_mode_says_retry_while_nothing_is_assigned() {
    let stage = Stage::start(
        demo::directory().unwrap(),
        &["--operation-mode=standard", "--assignment-wait=300ms"],
        demo::lay_out,
    )
    .await
    .unwrap();
    stage.apply("assigned.yaml", &assigned("Created")).unwrap();
    let answer = stage.token("127.0.0.2", &vault()).await.unwrap();
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("2")),
        "{}",
        answer.text()
    );
    let never = stage.token("127.0.0.6", &vault()).await.unwrap();
    assert_eq!(
        never.status, 400,
        "what no binding gives is refused at once"
    );
}

fn assigned(state: &str) -> String {
    format!(
        "apiVersion: aadpodidentity.k8s.io/v1\nkind: AzureAssignedIdentity\nmetadata: {{ name: web-shop-web, namespace: shop }}\n\
         spec:\n  pod: web\n  podNamespace: shop\n  nodename: node\n  azureIdentityRef:\n    metadata: {{ name: web, namespace: shop }}\n    \
         spec: {{ clientID: {web}, resourceID: {resource} }}\n  azureBindingRef:\n    metadata: {{ name: web, namespace: shop }}\n    \
         spec: {{ azureIdentity: web, selector: web }}\nstatus: {{ status: {state} }}\n",
        web = demo::WEB,
        resource = demo::resource_id("web"),
    )
}

/// Asks until the status is there: the folder is watched, and a change takes moments.
async fn until(stage: &Stage, ip: &str, status: u16) -> String {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let answer = stage.token(ip, &vault()).await.unwrap();
        if answer.status == status {
            return answer.text();
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{}: {}",
            answer.status,
            answer.text()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
