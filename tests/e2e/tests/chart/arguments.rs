//! The programs take the arguments that the chart gives them, in every mode.

use std::ffi::OsString;
use std::fs;

use clap::Parser;
use podgate_controller::settings::Settings;
use podgate_gateway::config::Config;
use serde_json::Value;

use crate::helm::{modes, repository};

/// Of a container, as the kubelet would pass them; none where the mode does not have it.
pub(crate) fn arguments(golden: &str, container: &str) -> Option<Vec<String>> {
    let kinds = ["DaemonSet", "Deployment", "Job"].map(|kind| format!("\nkind: {kind}\n"));
    let documents = golden
        .split("\n---")
        .filter(|text| kinds.iter().any(|kind| text.contains(kind)));
    let containers = documents.flat_map(|text| {
        let set: Value = serde_saphyr::from_str(text).unwrap();
        let containers = set["spec"]["template"]["spec"]["containers"].as_array();
        containers.cloned().unwrap()
    });
    let mut named = containers.filter(|one| one["name"] == container);
    let container = named.next()?;
    let words = container["args"].as_array().unwrap().iter();
    let word = |word: &Value| word.as_str().unwrap().replace("$(NODE_NAME)", "node-1");
    Some(words.map(word).collect())
}

fn config(mode: &str) -> Config {
    let golden = fs::read_to_string(repository("tests/chart/golden").join(mode)).unwrap();
    let words = ["podgate-gateway".to_owned()]
        .into_iter()
        .chain(arguments(&golden, "gateway").unwrap());
    Config::try_parse_from(words).unwrap_or_else(|error| panic!("{mode}: {error}"))
}

#[test]
fn the_gateway_takes_what_the_chart_gives_it_and_none_of_it_is_without_effect() {
    for mode in modes() {
        let config = config(mode.file_name().unwrap().to_str().unwrap());
        assert_eq!(config.retired.given(), []);
        assert_eq!(config.node.unwrap().as_str(), "node-1");
        // A bare emptyDir is everybody's: the cache is a folder inside of one.
        assert_eq!(
            config
                .code_cache
                .unwrap()
                .parent()
                .unwrap()
                .to_str()
                .unwrap(),
            "/var/cache/podgate"
        );
    }
}

#[test]
fn the_controller_takes_what_the_chart_gives_it_and_none_of_it_is_without_effect() {
    let mut standard = 0;
    for mode in modes() {
        let name = mode.file_name().unwrap();
        let golden = fs::read_to_string(repository("tests/chart/golden").join(name)).unwrap();
        let Some(words) = arguments(&golden, "controller") else {
            continue;
        };
        let words = ["podgate-controller".to_owned()].into_iter().chain(words);
        let settings = Settings::read(words.map(OsString::from))
            .unwrap_or_else(|error| panic!("{}: {error}", mode.display()));
        assert_eq!(settings.retired.given(), [], "{}", mode.display());
        standard += 1;
    }
    assert!(standard > 3);
}

#[test]
fn the_old_charts_values_give_the_old_charts_gateway() {
    let config = config("old-chart-set.yaml");
    assert_eq!(
        (config.http_probe_port, config.prometheus_port),
        (8086, Some(9090))
    );
    assert_eq!(
        (
            config.retry_attempts_for_created,
            config.retry_attempts_for_assigned
        ),
        (Some(3), Some(1))
    );
    assert_eq!(config.find_identity_retry_interval, 2);
    assert!(
        config.block_instance_metadata
            && !config.metadata_header_required
            && config.force_namespaced
    );
    assert!(!self::config("old-chart.yaml").force_namespaced);
}
