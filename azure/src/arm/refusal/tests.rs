use serde_json::json;

use super::*;
use crate::arm::error::Scope;

const ID: &str = "/subscriptions/5ab50000-0000-4000-8000-000000000001/resourcegroups/My.Group(1)/providers/Microsoft.ManagedIdentity/userAssignedIdentities/";
const VMSS: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/np";

fn answer(status: u16, code: &str, message: &str) -> ArmError {
    raw(
        status,
        &json!({"error": {"code": code, "message": message}}).to_string(),
        None,
    )
}

fn raw(status: u16, body: &str, retry_after: Option<&str>) -> ArmError {
    let mut answer = Response::builder().status(status);
    if let Some(value) = retry_after {
        answer = answer.header("retry-after", value);
    }
    of_answer(
        "changing scale set np",
        &answer
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap(),
    )
}

fn names(error: &ArmError) -> Vec<&str> {
    error.identities().iter().map(ResourceId::name).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// As reported by users of aad-pod-identity.
fn identity_service(status: &str, response: &str) -> String {
    format!(
        "Identity operation for resource '{VMSS}' failed with error 'Failed to perform resource identity operation. \
         Status: '{status}'. Response: '{response}'.'."
    )
}

#[test]
fn throttling_is_read_from_the_header_and_from_the_text() {
    let spoken = identity_service(
        "429",
        r#"{"error":{"code":"429","message":"Request is temporarily throttled because resource x has issued too many requests. Retry after 20 seconds."}}"#,
    );
    for status in [400, 429] {
        let error = answer(status, "FailedIdentityOperation", &spoken);
        assert_eq!(
            error.class,
            ErrorClass::Throttled {
                retry_after: seconds(20),
                scope: Scope::Resource
            }
        );
    }
    let body = json!({"error": {"code": "FailedIdentityOperation", "message": spoken}}).to_string();
    assert_eq!(
        raw(429, &body, Some("7")).retry_after(),
        Some(seconds(7)),
        "the header wins"
    );
    assert_eq!(
        answer(429, "OperationNotAllowed", "x").retry_after(),
        Some(seconds(60))
    );
    assert_eq!(
        answer(429, "x", "Retry after 2 minutes").retry_after(),
        Some(seconds(120))
    );
    assert_eq!(
        answer(429, "x", "retry after 99999999999 minutes").retry_after(),
        Some(LONGEST_RETRY_AFTER)
    );
    assert_eq!(
        answer(429, "x", "retry after 99999999999999999999999 s").retry_after(),
        Some(seconds(60))
    );
}

#[test]
fn throttling_is_of_the_subscription_or_of_one_resource() {
    let scope = |body: &serde_json::Value| match raw(429, &body.to_string(), Some("1")).class {
        ErrorClass::Throttled { scope, .. } => scope,
        other => panic!("{other:?}"),
    };
    let compute = |limit: &str| {
        json!({"error": {
            "code": "OperationNotAllowed",
            "message": "The server rejected the request because too many requests have been received for this subscription.",
            "details": [{"code": "TooManyRequests", "target": limit, "message": "{\"allowedRequestCount\":12}"}],
        }})
    };
    assert_eq!(scope(&compute("HighCostGet30Min")), Scope::Subscription);
    assert_eq!(scope(&compute("UpdateVMScaleSetResource")), Scope::Resource);
    assert_eq!(
        scope(&json!({"error": {"code": "SubscriptionRequestsThrottled"}})),
        Scope::Subscription
    );
    assert_eq!(
        scope(&json!({"error": {"code": "RetryableErrorDueToAnotherOperation"}})),
        Scope::Resource
    );
}

#[test]
fn identities_that_are_not_there_are_named() {
    let response = format!(
        r#"{{"error":{{"code":"BadRequest","message":"Resource '{ID}gone' was not found."}}}}"#
    );
    let error = answer(
        400,
        "FailedIdentityOperation",
        &identity_service("BadRequest", &response),
    );
    assert!(
        matches!(error.class, ErrorClass::Identities(_)),
        "{error:?}"
    );
    assert_eq!(names(&error), ["gone"]);
    let error = answer(
        404,
        "ResourceNotFound",
        &format!("The Resource {ID}a.b, and ({ID}c_-1). {ID}C_-1"),
    );
    assert_eq!(
        names(&error),
        ["a.b", "C_-1"],
        "each once, whatever its case"
    );
}

#[test]
fn identities_that_may_not_be_assigned_are_named() {
    let message = format!(
        "The client 'x' with object id 'x' has permission to perform action 'Microsoft.Compute/virtualMachineScaleSets/write' \
         on scope '{VMSS}'; however, it does not have permission to perform action \
         'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '{ID}a,{ID}B' or the \
         linked scope(s) are invalid."
    );
    let error = answer(403, "LinkedAuthorizationFailed", &message);
    assert!(matches!(error.class, ErrorClass::LinkedAuthorization(_)));
    assert_eq!(names(&error), ["a", "B"]);
    assert!(
        error.to_string().contains("Managed Identity Operator"),
        "{error}"
    );
    assert!(error.message.len() < 2000);
}

#[test]
fn each_status_has_its_class() {
    for (status, category) in [
        (302, "unavailable"),
        (400, "invalid"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (405, "invalid"),
        (408, "unavailable"),
        (409, "conflict"),
        (412, "precondition_failed"),
        (429, "throttled"),
        (500, "unavailable"),
        (503, "unavailable"),
    ] {
        for body in [
            "",
            "<html>",
            "null",
            r#"{"error":7}"#,
            r#"{"code":"X","message":"y"}"#,
        ] {
            assert_eq!(
                raw(status, body, None).class.category(),
                category,
                "{status} {body}"
            );
        }
    }
    assert_eq!(raw(503, "", Some("9")).retry_after(), Some(seconds(9)));
    assert_eq!(raw(409, "", Some("9")).retry_after(), Some(seconds(9)));
}

#[test]
fn what_is_going_is_told_from_what_is_busy() {
    for message in [
        "The scale set np is being deleted.",
        "VM 'v' is marked for deletion.",
    ] {
        assert_eq!(
            answer(409, "OperationNotAllowed", message).class,
            ErrorClass::Deleting
        );
    }
    assert_eq!(
        answer(409, "ResourceGroupBeingDeleted", "x").class,
        ErrorClass::Deleting
    );
    assert_eq!(
        answer(409, "AnotherOperationInProgress", "x")
            .class
            .category(),
        "conflict"
    );
}

#[test]
fn what_the_identity_service_says_counts_not_the_status_around_it() {
    for (status, category) in [
        ("Conflict", "conflict"),
        ("409", "conflict"),
        ("InternalServerError", "unavailable"),
        ("503", "unavailable"),
        ("BadRequest", "invalid"),
    ] {
        let error = answer(
            400,
            "FailedIdentityOperation",
            &identity_service(status, "{}"),
        );
        assert_eq!(error.class.category(), category, "{status}");
    }
}

#[test]
fn an_operation_that_failed_is_classed_by_its_code_alone() {
    let class = |code: &str, message: &str| {
        let body = json!({"status": "Failed", "error": {"code": code, "message": message}});
        of_operation("x", "Failed", body.to_string().as_bytes())
            .class
            .category()
    };
    assert_eq!(class("OperationPreempted", ""), "conflict");
    assert_eq!(
        class(
            "InternalExecutionError",
            "An internal execution error occurred."
        ),
        "unavailable"
    );
    assert_eq!(class("TooManyRequests", ""), "throttled");
    assert_eq!(
        class("FailedIdentityOperation", &format!("'{ID}x' was not found")),
        "identities"
    );
    assert_eq!(class("VMExtensionProvisioningError", ""), "invalid");
    let silent = of_operation("changing x", "Canceled", b"{}");
    assert_eq!(
        silent.to_string(),
        "changing x failed: the operation ended as Canceled, without a reason"
    );
}

#[test]
fn messages_are_bounded_and_of_one_line() {
    let error = answer(
        400,
        "a b",
        &format!("first\r\n\u{1b}[31m{}", "x".repeat(100_000)),
    );
    assert_eq!(error.code, None, "that is no code");
    assert!(error.message.chars().count() <= 1025 && !error.message.contains(char::is_control));
    let many: String = (0..10_000).map(|n| format!("'{ID}n{n}' ")).collect();
    assert_eq!(answer(400, "x", &many).identities().len(), MAX_NAMED);
}

proptest::proptest! {
    #[test]
    fn no_answer_makes_it_panic(status in 100..600_u16, body in "\\PC{0,80}", message in "\\PC{0,80}") {
        raw(status, &body, None);
        answer(status, &message, &format!("{message}/subscriptions/{message} status: '{message} retry after {message}"));
    }
}
