use super::*;

fn parse(flags: &[&str]) -> Result<Config, clap::Error> {
    let base = ["podgate-gateway", "--standalone=."];
    Config::try_parse_from(base.iter().chain(flags))
}

#[test]
fn the_old_gateways_flags_keep_their_names() {
    let config = parse(&[
        "--nmi-port=2580",
        "--nmi-listen-address=0.0.0.0",
        "--metadata-ip=169.254.169.254",
        "--metadata-port=80",
        "--http-probe-port=8085",
        "--operation-mode=Managed",
        "--forceNamespaced=false",
        "--block-instance-metadata=True",
        "--metadata-header-required=false",
        "--set-retry-after-header",
        "--find-identity-retry-interval=2",
        "--retry-attempts-for-created=3",
        "--retry-attempts-for-assigned=1",
        "--log-format=json",
        "--prometheus-port=9090",
        "--MICNamespace=default",
        "--enableScaleFeatures=true",
        "--ipt-update-interval-sec=60",
        "--enable-conntrack-deletion",
        "-v=2",
        "--kubelet-config=/etc/default/kubelet",
    ])
    .unwrap();
    let rules = config.assignment_rules();
    assert_eq!(
        (rules.mode, rules.namespaced, rules.wait),
        (Mode::Managed, false, Duration::from_secs(8))
    );
    assert!(config.block_instance_metadata && !config.metadata_header_required);
    let retired: Vec<&str> = config
        .retired
        .given()
        .iter()
        .map(|(flag, _)| *flag)
        .collect();
    assert_eq!(retired.len(), 6, "each is named in the log: {retired:?}");
}

#[test]
fn the_world_comes_from_a_folder_or_from_a_node_and_from_one_of_them() {
    let of = |flags: &[&str]| {
        Config::try_parse_from([&["podgate-gateway"], flags].concat())
            .map_err(|error| error.to_string())
    };
    let node = of(&["--node=aks-1", "--kubeconfig=/k"]).unwrap();
    assert_eq!(node.node.as_ref().map(NodeName::as_str), Some("aks-1"));
    assert!(node.shares_port() && !parse(&[]).unwrap().shares_port());
    for (flags, words) in [
        (&[] as &[&str], "--standalone"),
        (&[], "--node"),
        (&["--standalone=.", "--node=a"], "cannot be used with"),
        (
            &["--standalone=.", "--kubeconfig=/k"],
            "cannot be used with",
        ),
        (&["--node=a,b"], "no name of a node"),
    ] {
        let told = of(flags).unwrap_err();
        assert!(told.contains(words), "{flags:?}: {told}");
    }
}

#[test]
fn the_old_defaults_of_100_seconds_are_cut_to_what_sdks_wait() {
    let config = parse(&[
        "--retry-attempts-for-created=16",
        "--retry-attempts-for-assigned=4",
    ])
    .unwrap();
    assert_eq!(config.assignment_rules().wait, LONGEST_WAIT);
}

#[test]
fn binding_across_namespaces_is_off_unless_asked_for() {
    assert!(parse(&[]).unwrap().assignment_rules().namespaced);
    assert!(
        parse(&["--forceNamespaced"])
            .unwrap()
            .assignment_rules()
            .namespaced
    );
}

#[test]
fn an_authority_that_is_no_https_url_is_refused() {
    for text in [
        "http://login.example/",
        "login.example",
        "https://user@login.example/",
        "https://login.example/?a=b",
    ] {
        assert!(parse(&[&format!("--authority={text}")]).is_err(), "{text}");
    }
}

#[test]
fn a_mistyped_flag_is_answered_with_the_right_one() {
    let error = parse(&["--operation-mod=managed"]).unwrap_err().to_string();
    assert!(error.contains("--operation-mode"), "{error}");
}

#[test]
fn the_metadata_address_and_the_listeners_own_are_served_hosts() {
    let hosts = parse(&["--allowed-hosts=imds.local"])
        .unwrap()
        .hosts("127.0.0.1:2579".parse().unwrap());
    for host in [
        "169.254.169.254",
        "169.254.169.254:80",
        "127.0.0.1:2579",
        "imds.local",
    ] {
        assert!(
            hosts.iter().any(|known| known == host),
            "{host} in {hosts:?}"
        );
    }
}

#[test]
fn a_mistyped_variable_is_noticed() {
    let names = ["PODGATE_NMI_PORT", "PODGATE_NMI_PROT", "PATH"].map(str::to_owned);
    assert_eq!(unknown_variables(names.into_iter()), ["PODGATE_NMI_PROT"]);
}
