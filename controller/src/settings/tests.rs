use std::path::Path;
use std::time::Duration;

use podgate_azure::credential::CredentialKind;

use super::*;

fn read(flags: &[&str]) -> Result<Settings, clap::Error> {
    let words = ["podgate-controller"].iter().chain(flags);
    Settings::read(words.map(OsString::from))
}

const CLIENT: &str = "11111111-1111-1111-1111-111111111111";
const OTHER: &str = "22222222-2222-2222-2222-222222222222";

#[test]
fn the_old_controllers_flags_keep_their_names() {
    let settings = read(&[
        "--kubeconfig=/k",
        "--cloudconfig=/etc/kubernetes/azure.json",
        "--forceNamespaced=false",
        "--syncRetryDuration=3600s",
        "--leader-election-instance=mic-1",
        "--leader-election-namespace=kube-system",
        "--leader-election-name=mic",
        "--leader-election-duration=30s",
        "--http-probe-port=8081",
        "--prometheus-port=8889",
        "--createDeleteBatch=30",
        "--clientQps=5",
        "--identity-assignment-reconcile-interval=5m0s",
        "--log-format=JSON",
        "--custom-user-agent=shop",
    ])
    .unwrap();
    let candidacy = settings.candidacy();
    assert_eq!(
        (candidacy.instance.as_str(), candidacy.name.as_str()),
        ("mic-1", "mic")
    );
    assert_eq!(candidacy.duration.renew_deadline(), Duration::from_secs(15));
    let plan = settings.plan(None);
    assert_eq!(plan.drift, Duration::from_secs(300));
    assert!(!plan.rules.namespaced);
    let hour = Duration::from_secs(3600);
    assert_eq!(settings.sync_retry_duration.get(), hour);
    let pace = settings.client_qps.map(PerSecond::period);
    assert_eq!(pace, Some(Duration::from_millis(200)));
    let agent = settings.user_agent();
    assert!(agent.to_str().unwrap().ends_with(" shop"), "{agent:?}");
    assert!(settings.retired.given().is_empty());
}

#[test]
fn each_retired_flag_is_taken_and_named_with_what_does_its_work() {
    let flags = [
        "--enableProfile",
        "--enableScaleFeatures=true",
        "--enable-type-upgrade=false",
        "--config-map-name=c",
        "--type-upgrade-status-key=k",
        "--update-user-msi-max-retry=2",
        "--update-user-msi-retry-interval=1s",
        "-v=5",
        "--vmodule=a=1",
        "--logtostderr",
        "--alsologtostderr=false",
        "--stderrthreshold=2",
        "--log_dir=/l",
        "--log_file=/f",
        "--log_file_max_size=1800",
        "--one_output",
        "--add_dir_header",
        "--skip_headers",
        "--skip_log_headers",
        "--log_backtrace_at=:0",
    ];
    let given = read(&flags).unwrap().retired.given();
    assert_eq!(given.len(), flags.len(), "{given:?}");
    for (flag, (named, why)) in flags.iter().zip(given) {
        assert!(
            flag.starts_with(named) && why.len() > 5,
            "{flag}: {named} {why}"
        );
    }
}

#[test]
fn one_dash_does_as_it_did_in_go() {
    let settings = read(&[
        "-leader-election-name",
        "mic",
        "-forceNamespaced",
        "-createDeleteBatch=7",
        "-v",
        "3",
    ])
    .unwrap();
    assert_eq!(settings.leader_election_name, "mic");
    assert!(settings.force_namespaced && settings.retired.verbosity.as_deref() == Some("3"));
    assert_eq!(settings.create_delete_batch.get(), 7);
    assert!(read(&["-unheard-of=1"]).is_err());
    let version = read(&["-version"]).unwrap_err();
    assert_eq!(version.kind(), clap::error::ErrorKind::DisplayVersion);
}

#[test]
fn without_flags_it_is_the_old_controller_but_for_what_made_it_slow_and_open() {
    let settings = read(&[]).unwrap();
    assert_eq!(settings.leader_election_namespace, "default");
    assert_eq!(settings.leader_election_name, "aad-pod-identity-mic");
    assert_eq!(
        (settings.http_probe_port, settings.prometheus_port),
        (8080, 8888)
    );
    let plan = settings.plan(None);
    assert_eq!(plan.drift, Duration::from_secs(180));
    assert_eq!(
        (plan.linger, plan.coalesce),
        (Duration::from_secs(30), Duration::from_millis(100))
    );
    assert!(plan.immutable.is_empty() && !settings.keep_completed_pods);
    assert!(settings.client_qps.is_none(), "no limit of our own");
    assert!(
        plan.rules.namespaced,
        "bindings across namespaces only where asked for"
    );
    let duration = settings.candidacy().duration;
    assert_eq!(duration.get(), Duration::from_secs(15));
    assert_eq!(duration.renew_deadline(), Duration::from_millis(7500));
    assert_eq!(duration.retry(), Duration::from_millis(3750));
    assert!(!settings.candidacy().instance.is_empty(), "the host's name");
}

#[test]
fn immutable_identities_are_client_ids_and_the_controllers_own_is_one_of_them() {
    let settings = read(&[&format!("--immutable-user-msis={CLIENT}, ,")]).unwrap();
    let own: ClientId = OTHER.parse().unwrap();
    assert_eq!(settings.plan(Some(&own)).immutable.len(), 2);
    assert!(
        read(&["--immutable-user-msis="])
            .unwrap()
            .immutable_user_msis
            .is_empty()
    );
    let error = read(&["--immutable-user-msis=kubelet"])
        .unwrap_err()
        .to_string();
    assert!(error.contains("kubelet"), "{error}");
}

#[test]
fn a_value_that_cannot_be_is_refused_before_anything_starts() {
    for flag in [
        "--arm-url=http://management.example/",
        "--authority=http://login.example/",
        "--custom-user-agent=a\r\nX-Evil: b",
        "--metadata-ip=imds",
    ] {
        assert!(read(&[flag]).is_err(), "{flag}");
    }
}

/// Each flag for a duration or a number, with values that it takes and values that it refuses.
const BOUNDS: [(&str, &[&str], &[&str]); 7] = [
    (
        "removal-linger",
        &["0", "0s", "30s", "24h"],
        &["-3s", "25h", "soon"],
    ),
    (
        "coalesce",
        &["0", "100ms", "1m"],
        &["-1ms", "61s", "1h", "soon"],
    ),
    (
        "identity-assignment-reconcile-interval",
        &["1s", "3m", "5m0s", "24h"],
        &["0", "0s", "999ms", "25h", "-3m", "soon"],
    ),
    (
        "syncRetryDuration",
        &["1s", "3600s", "3600", "720h"],
        &["0", "0s", "1ms", "721h", "18446744073709551615", "soon"],
    ),
    (
        "leader-election-duration",
        &["1s", "15s", "1h"],
        &["0", "0s", "999ms", "2h", "soon"],
    ),
    (
        "createDeleteBatch",
        &["1", "20", "10000"],
        &["0", "-1", "10001", "1.5", "many"],
    ),
    (
        "clientQps",
        &["0.1", "5", "5.5", "10000"],
        &[
            "0",
            "-1",
            "0.01",
            "10001",
            "4294967295",
            "NaN",
            "inf",
            "fast",
        ],
    ),
];

#[test]
fn every_duration_and_every_number_has_bounds() {
    for (flag, right, wrong) in BOUNDS {
        for value in right {
            assert!(
                read(&[&format!("--{flag}={value}")]).is_ok(),
                "{flag}={value}"
            );
        }
        for value in wrong {
            let error = read(&[&format!("--{flag}={value}")]).unwrap_err();
            let told = error.to_string();
            assert!(
                told.contains(flag) && told.contains(value),
                "{flag}={value}: {told}"
            );
        }
    }
}

#[test]
fn no_duration_and_no_number_is_missing_among_those_with_bounds() {
    let command = Settings::command();
    let measured = |argument: &&clap::Arg| {
        let names = argument.get_value_names().unwrap_or_default();
        let is_live = argument.get_help_heading().is_none();
        is_live
            && names
                .iter()
                .any(|name| ["DURATION", "N"].contains(&name.as_str()))
    };
    let flags = command.get_arguments().filter(measured);
    let mut flags: Vec<&str> = flags.filter_map(clap::Arg::get_long).collect();
    let mut bounded = BOUNDS.map(|(flag, ..)| flag);
    flags.sort_unstable();
    bounded.sort_unstable();
    assert_eq!(flags, bounded);
}

#[test]
fn a_mistyped_variable_is_noticed() {
    let names = [
        "PODGATE_COALESCE",
        "PODGATE_COALESE",
        "CLOUD",
        "FORCENAMESPACED",
    ]
    .map(str::to_owned);
    assert_eq!(unknown_variables(names.into_iter()), ["PODGATE_COALESE"]);
}

fn azure(flags: &[&str], variables: &[(&str, &str)]) -> Result<AzureAccess, AzureAccessError> {
    read(flags).unwrap().azure(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn azure_json_says_where_azure_is_and_who_the_controller_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("azure.json");
    let json = format!(
        r#"{{"cloud":"AzureChinaCloud","useManagedIdentityExtension":true,"userAssignedIdentityID":"{CLIENT}"}}"#
    );
    std::fs::write(&path, json).unwrap();
    let flag = format!("--cloudconfig={}", path.display());
    let access = azure(&[&flag], &[("CLOUD", "AzurePublicCloud")]).unwrap();
    assert_eq!(
        access.endpoints.arm.as_str(),
        "https://management.chinacloudapi.cn/"
    );
    assert!(matches!(
        access.credential,
        CredentialKind::ManagedIdentity(_)
    ));
    assert_eq!(access.own, Some(CLIENT.parse().unwrap()));
    assert_eq!(access.imds.as_str(), "http://169.254.169.254/");
}

#[test]
fn the_variables_do_where_there_is_no_file_and_flags_replace_urls_of_the_cloud() {
    let variables = [
        ("CLOUD", "AzurePublicCloud"),
        ("TENANT_ID", OTHER),
        ("CLIENT_ID", CLIENT),
        ("CLIENT_SECRET", "hunter2"),
    ];
    let access = azure(&["--arm-url=https://127.0.0.1:4443/"], &variables).unwrap();
    assert_eq!(access.endpoints.arm.as_str(), "https://127.0.0.1:4443/");
    assert_eq!(
        access.endpoints.authority,
        podgate_azure::cloud::Cloud::Public.authority()
    );
    assert!(matches!(access.credential, CredentialKind::Secret { .. }));
    assert!(!format!("{access:?}").contains("hunter2"));
    let urls = [
        "--arm-url=https://127.0.0.1:4443/",
        "--authority=https://127.0.0.1:4444/",
        "--metadata-ip=::1",
        "--metadata-port=4445",
    ];
    let access = azure(&urls, &[("USE_MSI", "True")]).unwrap();
    assert_eq!(
        access.imds.as_str(),
        "http://[::1]:4445/",
        "a cloud of one's own needs no name"
    );
    assert_eq!(access.own, None);
}

#[test]
fn what_is_missing_is_named_with_where_it_was_looked_for() {
    let error = azure(&[], &[]).unwrap_err().to_string();
    assert!(
        error.starts_with("the environment: ") && error.contains("cloud (CLOUD)"),
        "{error}"
    );
    let error = azure(&["--cloudconfig=/nowhere/azure.json"], &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/nowhere/azure.json, named by --cloudconfig"),
        "{error}"
    );
    let unset = [
        ("CLOUD", "AzureStackCloud"),
        ("USE_MSI", "true"),
        ("AZURE_ENVIRONMENT_FILEPATH", "/nowhere/custom.json"),
    ];
    let error = azure(&[], &unset).unwrap_err().to_string();
    assert!(
        error.contains("/nowhere/custom.json, named by AZURE_ENVIRONMENT_FILEPATH"),
        "{error}"
    );
    assert!(Path::new("/nowhere").metadata().is_err());
}

#[test]
fn the_help_names_the_other_command() {
    let help = read(&["--help"]).unwrap_err().to_string();
    assert!(help.contains("podgate-controller retire --help"), "{help}");
}
