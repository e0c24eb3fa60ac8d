use super::*;

const QUICK: Duration = Duration::from_millis(15);

fn change() -> Ask {
    Ask::Change(podgate_azure::arm::IdentityChange::default())
}

fn has(metrics: &Metrics, lines: &[&str]) {
    let text = metrics.render();
    for line in lines {
        assert!(text.lines().any(|there| there == *line), "{line}\n{text}");
    }
}

#[test]
fn the_old_series_keep_their_names_and_buckets() {
    let metrics = Metrics::default();
    metrics.wrote("create", QUICK, true);
    metrics.wrote("replace", QUICK, true);
    metrics.wrote("remove", QUICK, true);
    metrics.wrote("create", QUICK, false);
    metrics.wrote("patch", QUICK, false);
    metrics.asked(ComputeKind::ScaleSet, &change(), QUICK, false);
    metrics.asked(ComputeKind::VirtualMachine, &Ask::Look, QUICK, true);
    metrics.cycle(QUICK, Backlog::default());
    metrics.leads();
    has(
        &metrics,
        &[
            "aadpodidentity_assigned_identity_addition_duration_seconds_count 1",
            "aadpodidentity_assigned_identity_addition_count 1",
            "aadpodidentity_assigned_identity_update_count 1",
            "aadpodidentity_assigned_identity_deletion_count 1",
            "aadpodidentity_assigned_identity_deletion_duration_seconds_bucket{le=\"0.02\"} 1",
            "aadpodidentity_assigned_identity_deletion_duration_seconds_bucket{le=\"0.01\"} 0",
            "aadpodidentity_kubernetes_api_operations_errors_count{operation_type=\"assigned_identity_addition\"} 1",
            "aadpodidentity_kubernetes_api_operations_errors_count{operation_type=\"update_azure_assigned_identity_status\"} 1",
            "aadpodidentity_cloud_provider_operations_duration_seconds_bucket{le=\"1200.0\",operation_type=\"vmss_update\"} 1",
            "aadpodidentity_cloud_provider_operations_errors_count{operation_type=\"vmss_update\"} 1",
            "aadpodidentity_cloud_provider_operations_duration_seconds_count{operation_type=\"vm_get\"} 1",
            "aadpodidentity_mic_cycle_count 1",
            "aadpodidentity_mic_cycle_duration_seconds_count 1",
            "aadpodidentity_mic_new_leader_election_count 1",
        ],
    );
}

#[test]
fn own_series_say_what_is_left_to_do_and_who_does_it() {
    let metrics = Metrics::new(&Arc::default());
    metrics.leads();
    metrics.cycle(
        QUICK,
        Backlog {
            records: 7,
            writes: 3,
            quarantined: 2,
            foreign: 5,
            oldest: None,
        },
    );
    metrics.assignments(States {
        created: 1,
        assigned: 40,
        ..States::default()
    });
    metrics.called(CallKind::Patch, "throttled");
    metrics.called(CallKind::Patch, "ok");
    metrics.called(CallKind::Poll, "ok");
    metrics.called(CallKind::Poll, "ok");
    metrics.notice_dropped();
    metrics.unreadable();
    has(
        &metrics,
        &[
            "podgate_controller_leader 1",
            "podgate_controller_queue_records 7",
            "podgate_controller_writes_under_way 3",
            "podgate_controller_quarantined_identities 2",
            "podgate_controller_foreign_identities 5",
            "podgate_controller_assignments{state=\"assigned\"} 40",
            "podgate_controller_assignments{state=\"unassigned\"} 0",
            "podgate_controller_azure_requests_total{method=\"patch\",outcome=\"throttled\"} 1",
            "podgate_controller_azure_requests_total{method=\"patch\",outcome=\"ok\"} 1",
            "podgate_controller_azure_requests_total{method=\"poll\",outcome=\"ok\"} 2",
            "podgate_controller_notices_dropped_total 1",
            "podgate_source_errors_total 1",
        ],
    );
}

fn age(metrics: &Metrics) -> f64 {
    let text = metrics.render();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("podgate_controller_queue_age_seconds "));
    line.unwrap().parse().unwrap()
}

#[test]
fn the_queues_age_is_that_of_whoever_waits_longest_and_grows_while_nothing_happens() {
    let metrics = Metrics::default();
    let waits = |oldest| Backlog {
        oldest,
        ..Backlog::default()
    };
    assert!(age(&metrics) < 0.001);
    let since = Instant::now().checked_sub(Duration::from_secs(40));
    metrics.cycle(QUICK, waits(since));
    let first = age(&metrics);
    assert!((40.0..50.0).contains(&first), "{first}");
    std::thread::sleep(QUICK);
    assert!(
        age(&metrics) > first,
        "without a cycle between the two looks"
    );
    metrics.cycle(QUICK, waits(None));
    assert!(age(&metrics) < 0.001, "nobody waits any more");
}

#[test]
fn words_of_nobody_make_no_series() {
    let metrics = Metrics::default();
    for verb in ["patch", "anything", "else"] {
        metrics.wrote(verb, QUICK, false);
    }
    let text = metrics.render();
    let series = text
        .lines()
        .filter(|line| line.contains("kubernetes_api_operations_errors_count{"));
    assert_eq!(series.count(), 1, "{text}");
}
