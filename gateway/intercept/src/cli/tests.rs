use clap::{CommandFactory, Parser};

use super::*;

#[derive(Debug, Parser)]
struct Program {
    #[command(subcommand)]
    command: Intercept,
}

fn parse(arguments: &[&str]) -> Result<Intercept, clap::Error> {
    let program = std::iter::once("intercept").chain(arguments.iter().copied());
    Program::try_parse_from(program).map(|program| program.command)
}

fn rules(arguments: &[&str]) -> Rules {
    match parse(&[&["apply"], arguments].concat()).unwrap() {
        Intercept::Apply(rules) => rules,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definitions_do_not_contradict_each_other() {
    Program::command().debug_assert();
}

#[test]
fn without_options_the_metadata_address_of_azure_leads_to_the_gateways_listener() {
    let rules = rules(&[]);
    let pairs = vec![(
        "169.254.169.254".parse().unwrap(),
        "169.254.170.24".parse().unwrap(),
    )];
    assert_eq!(rules.pairs(), pairs);
    assert_eq!((rules.metadata_port, rules.listen_port), (80, 2579));
    assert!(!rules.block_wire_server && !rules.allow_network_plugin_kubenet);
}

#[test]
fn ipv6_needs_both_addresses() {
    parse(&["apply", "--metadata-ipv6", "fd00::1"]).unwrap_err();
    parse(&["apply", "--listen-address-ipv6", "fd00::1"]).unwrap_err();
    let both = [
        "--metadata-ipv6",
        "fd00::1",
        "--listen-address-ipv6",
        "fd00::2",
    ];
    assert_eq!(rules(&both).pairs().len(), 2);
}

#[test]
fn interfaces_and_names_that_could_change_a_rule_or_a_path_are_refused() {
    for uplink in [
        "eth0\"",
        "eth0 accept",
        "eth*",
        "",
        "a-name-of-16-byt",
        "e;drop",
    ] {
        parse(&["apply", "--uplink", uplink]).unwrap_err();
    }
    for daemonset in [
        "podgate",
        "a/b/c",
        "/b",
        "a/",
        "a/../x",
        "A/b",
        "a/b?watch=1",
    ] {
        parse(&["watch", "--daemonset", daemonset]).unwrap_err();
    }
}

#[test]
fn port_zero_is_refused() {
    parse(&["apply", "--listen-port", "0"]).unwrap_err();
    parse(&["apply", "--metadata-port", "0"]).unwrap_err();
}
