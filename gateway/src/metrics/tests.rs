use super::*;

#[test]
fn the_old_series_keep_their_names() {
    let metrics = Metrics::default();
    metrics.operation(&Operation {
        route: Route::Token,
        status: 200,
        namespace: Some("shop"),
        resource: Some(&"https://vault.azure.net/".parse().unwrap()),
        elapsed: Duration::from_micros(300),
    });
    metrics.imds(ImdsOperation::UserAssigned, Duration::from_millis(20), true);
    let text = metrics.render();
    for expected in [
        "aadpodidentity_nmi_operations_duration_seconds_count{operation_type=\"/metadata/identity/oauth2/token\",status_code=\"200\",namespace=\"shop\",resource=\"https://vault.azure.net\"} 1",
        "aadpodidentity_imds_operations_duration_seconds_count{operation_type=\"adal_token_msi_userassignedid\"} 1",
        "aadpodidentity_imds_operations_errors_count{operation_type=\"adal_token_msi_userassignedid\"} 1",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn callers_cannot_make_new_series() {
    let metrics = Metrics::default();
    for number in 0..1000 {
        metrics.operation(&Operation {
            route: Route::Token,
            status: 200,
            namespace: Some(&format!("namespace-{number}")),
            resource: Some(&format!("https://{number}.example").parse().unwrap()),
            elapsed: Duration::from_micros(300),
        });
    }
    let series = metrics
        .render()
        .lines()
        .filter(|line| line.contains("duration_seconds_count"))
        .count();
    assert!(series <= MAX_NAMESPACES + 1, "{series}");
}
