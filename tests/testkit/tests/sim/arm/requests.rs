//! Who is let in, and what is understood.

use super::*;

#[tokio::test]
async fn only_a_token_of_this_simulation_for_arm_and_of_the_tenant_is_let_in() {
    let sim = start(config()).await;
    let path = format!("{}?api-version={VERSION}", scale_set());
    let other = start(config()).await;
    let tenant = SimConfig {
        tenant: "0ffa0000-0000-4000-8000-000000000002".into(),
        ..config()
    };
    for (authorization, code) in [
        (None, "AuthenticationFailed"),
        (
            Some("Basic eA==".into()),
            "AuthenticationFailedInvalidHeader",
        ),
        (Some("Bearer x.y.z".into()), "InvalidAuthenticationToken"),
        (Some(bearer(&other).await), "InvalidAuthenticationToken"),
        (
            Some(bearer_for(&sim, "https://vault.azure.net").await),
            "InvalidAuthenticationTokenAudience",
        ),
    ] {
        let headers: Vec<(&str, &str)> = authorization
            .iter()
            .map(|value: &String| ("Authorization", value.as_str()))
            .collect();
        let answer = arm(&sim).get(&path, &headers).await.unwrap();
        assert_refused(&answer, 401, code, "");
        assert!(answer.header("www-authenticate").is_some());
    }
    let sim = start(tenant).await;
    let foreign = post(
        &sim,
        &v1(),
        &with(v1_fields(), "resource", "https://management.azure.com/"),
    )
    .await;
    let token = format!(
        "Bearer {}",
        foreign.json()["access_token"].as_str().unwrap()
    );
    let answer = arm(&sim)
        .get(&path, &[("Authorization", &token)])
        .await
        .unwrap();
    assert_refused(
        &answer,
        401,
        "InvalidAuthenticationTokenTenant",
        "wrong issuer",
    );
    let seen = format!("{:?}", sim.calls());
    assert!(!seen.contains(&token[7..]), "the record holds no token");
}

#[tokio::test]
async fn both_audiences_of_azure_are_taken_with_and_without_a_slash() {
    let sim = start(config()).await;
    for audience in [
        "https://management.azure.com",
        "https://management.azure.com/",
        "https://management.core.windows.net/",
    ] {
        let bearer = bearer_for(&sim, audience).await;
        let path = format!("{}?api-version={VERSION}", scale_set());
        assert_eq!(
            arm(&sim)
                .get(&path, &[("Authorization", &bearer)])
                .await
                .unwrap()
                .status,
            200
        );
    }
}

#[tokio::test]
async fn the_version_is_one_that_exists_and_etags_came_with_2023_09_01() {
    let sim = start(config()).await;
    let bearer = bearer(&sim).await;
    let ask = async |query: &str| {
        arm(&sim)
            .get(
                &format!("{}{query}", scale_set()),
                &[("Authorization", &bearer)],
            )
            .await
            .unwrap()
    };
    assert_refused(
        &ask("").await,
        400,
        "MissingApiVersionParameter",
        "required",
    );
    assert_refused(
        &ask("?api-version=2024-07-02").await,
        400,
        "InvalidApiVersionParameter",
        "2024-07-01",
    );
    assert_refused(
        &ask("?api-version=2024-07-01&api-version=2024-07-01").await,
        400,
        "InvalidRequest",
        "azure-sim:",
    );
    assert_refused(
        &ask("?api-version=2024-07-01&$expand=x").await,
        400,
        "InvalidRequest",
        "azure-sim:",
    );
    assert_eq!(ask("?api-version=2023-09-01").await.json()["etag"], "\"1\"");
    assert_eq!(
        ask("?api-version=2019-12-01").await.json().get("etag"),
        None
    );
}

#[tokio::test]
async fn the_list_of_subscriptions_is_empty_and_not_for_strangers() {
    let sim = start(config()).await;
    let listed = get(&sim, "/subscriptions").await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    assert_eq!(listed.json()["value"].as_array().map(Vec::len), Some(0));
    let stranger = arm(&sim)
        .get("/subscriptions?api-version=2022-12-01", &[])
        .await
        .unwrap();
    assert_eq!(stranger.status, 401);
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_refused() {
    let sim = start(config()).await;
    for path in [
        "/",
        "/subscriptions/",
        &scale_set().replace("Compute", "Network"),
        &format!("{}/virtualMachines/0", scale_set()),
    ] {
        assert_refused(
            &get(&sim, path).await,
            404,
            "InvalidResourceType",
            "azure-sim:",
        );
    }
    let bearer = bearer(&sim).await;
    let path = format!("{}?api-version={VERSION}", scale_set());
    for method in ["PUT", "DELETE", "POST"] {
        let answer = arm(&sim)
            .request(method, &path, &[("Authorization", &bearer)], b"")
            .await
            .unwrap();
        assert_refused(&answer, 405, "MethodNotAllowed", method);
    }
    let answer = arm(&sim)
        .get(
            &path,
            &[("Authorization", &bearer), ("Host", "management.azure.com")],
        )
        .await
        .unwrap();
    assert_refused(&answer, 400, "InvalidRequest", "Host");
}

#[tokio::test]
async fn what_is_not_there_is_said_as_arm_says_it() {
    let sim = start(config()).await;
    for (path, code) in [
        (scale_set().replace("/s/", "/t/"), "SubscriptionNotFound"),
        (scale_set().replace("/G/", "/h/"), "ResourceGroupNotFound"),
        (scale_set().replace("np", "gone"), "ResourceNotFound"),
    ] {
        assert_refused(
            &get(&sim, &path).await,
            404,
            code,
            "could not be found"
                .replace(
                    "could not be",
                    if code == "ResourceNotFound" {
                        "was not"
                    } else {
                        "could not be"
                    },
                )
                .as_str(),
        );
    }
    assert_eq!(
        get(&sim, &scale_set().to_uppercase()).await.status,
        200,
        "ids ignore case"
    );
}

#[tokio::test]
async fn a_scale_set_shows_its_identities_with_their_ids() {
    let mut config = config();
    config.arm.computes[0].system_assigned = Some(system());
    config.arm.computes[0].identities =
        vec![reader().resource_id.to_uppercase(), identity("deleted")];
    let sim = start(config).await;
    let shown = get(&sim, &scale_set()).await.json();
    assert_eq!(shown["identity"]["type"], "SystemAssigned, UserAssigned");
    assert_eq!(shown["identity"]["principalId"], system().object_id);
    let listed = &shown["identity"]["userAssignedIdentities"];
    assert_eq!(
        listed[reader().resource_id.to_uppercase()]["clientId"],
        reader().client_id
    );
    assert_eq!(
        listed[identity("deleted")],
        json!({}),
        "it was deleted while it was assigned"
    );
    assert_eq!(shown["properties"]["provisioningState"], "Succeeded");
    assert_eq!(shown["type"], "Microsoft.Compute/virtualMachineScaleSets");
}

#[tokio::test]
async fn every_answer_says_what_remains_and_an_empty_bucket_is_429_until_the_next_minute() {
    let mut config = config();
    config.arm.minute_ms = 1500;
    let sim = start(config).await;
    let bearer = bearer(&sim).await;
    let path = format!("{}?api-version={VERSION}", scale_set());
    let ask = async || {
        arm(&sim)
            .get(&path, &[("Authorization", &bearer)])
            .await
            .unwrap()
    };
    let first = ask().await;
    let remaining: Vec<_> = first
        .headers
        .get_all("x-ms-ratelimit-remaining-resource")
        .iter()
        .collect();
    assert_eq!(
        remaining,
        [
            "Microsoft.Compute/GetVMScaleSetResource;35",
            "Microsoft.Compute/GetVMScaleSetSubscription;2399"
        ]
    );
    assert_eq!(
        first.header("x-ms-ratelimit-remaining-subscription-reads"),
        Some("249")
    );
    assert_eq!(first.header("x-ms-request-charge"), Some("1"));
    let mut refused = ask().await;
    for _ in 0..200 {
        if refused.status == 429 {
            break;
        }
        refused = ask().await;
    }
    assert_refused(&refused, 429, "OperationNotAllowed", "too many requests");
    assert_eq!(
        refused.json()["error"]["details"][0]["target"],
        "GetVMScaleSetResource"
    );
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait));
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(ask().await.status, 200);
    let charged = arm_calls(&sim)
        .into_iter()
        .filter(|call| call.status == Some(429))
        .all(|call| call.charges.is_empty());
    assert!(charged, "a refused call costs nothing");
}

#[tokio::test]
async fn the_front_door_counts_each_principal_for_itself() {
    let mut config = config();
    config.managed_identities.push(writer());
    config.arm.buckets = [(
        podgate_testkit::ArmLimit::Reads,
        podgate_testkit::ArmBucket {
            capacity: 1,
            per_minute: 1,
        },
    )]
    .into();
    let sim = start(config).await;
    assert_eq!(get(&sim, &scale_set()).await.status, 200);
    assert_refused(
        &get(&sim, &scale_set()).await,
        429,
        "SubscriptionRequestsThrottled",
        "reads",
    );
    sim.remove_managed_identity(&reader().client_id);
    let other = ask_imds(&sim, "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com").await;
    let bearer = format!("Bearer {}", other.json()["access_token"].as_str().unwrap());
    let path = format!("{}?api-version={VERSION}", scale_set());
    assert_eq!(
        arm(&sim)
            .get(&path, &[("Authorization", &bearer)])
            .await
            .unwrap()
            .status,
        200
    );
}
