use std::collections::HashSet;

use super::*;

fn plugin() -> String {
    "team-rules".to_owned()
}

fn text() -> String {
    "…".to_owned()
}

fn at_load() -> Vec<PluginError> {
    let world = World::Policy;
    vec![
        PluginError::NotComponent {
            plugin: plugin(),
            cause: text(),
        },
        PluginError::ComponentTooLarge {
            plugin: plugin(),
            size: 2,
            limit: 1,
        },
        PluginError::WrongWorld {
            plugin: plugin(),
            expected: world,
            found: None,
        },
        PluginError::TooNew {
            plugin: plugin(),
            interface: text(),
            found: text(),
            supported: text(),
        },
        PluginError::TooOld {
            plugin: plugin(),
            interface: text(),
            found: text(),
            supported: text(),
        },
        PluginError::UnknownImport {
            plugin: plugin(),
            import: text(),
            world,
        },
        PluginError::NotGranted {
            plugin: plugin(),
            import: text(),
            grant: "clock",
        },
        PluginError::Mismatch {
            plugin: plugin(),
            world,
            cause: text(),
        },
        PluginError::Configuration {
            plugin: plugin(),
            key: "limits.call",
            cause: text(),
        },
        PluginError::Settings {
            plugin: plugin(),
            problems: vec![],
        },
    ]
}

fn in_a_call() -> Vec<PluginError> {
    vec![
        PluginError::Trap {
            plugin: plugin(),
            cause: text(),
            backtrace: vec![],
        },
        PluginError::Timeout {
            plugin: plugin(),
            limit: Duration::from_millis(100),
        },
        PluginError::Cpu {
            plugin: plugin(),
            limit: Duration::from_millis(100),
        },
        PluginError::Memory {
            plugin: plugin(),
            limit: 1,
        },
        PluginError::Table {
            plugin: plugin(),
            limit: 1,
        },
        PluginError::Oversized {
            plugin: plugin(),
            what: "answer",
            limit: 1,
        },
        PluginError::InvalidAnswer {
            plugin: plugin(),
            cause: text(),
        },
        PluginError::BypassNotGranted { plugin: plugin() },
        PluginError::Overloaded {
            plugin: plugin(),
            cause: "places",
        },
        PluginError::suspended(plugin()),
    ]
}

#[test]
fn every_error_names_its_plugin_and_has_a_category_of_its_own() {
    let all = [at_load(), in_a_call()].concat();
    let categories: HashSet<_> = all.iter().map(PluginError::category).collect();
    assert_eq!(categories.len(), all.len());
    for error in all {
        let text = error.to_string();
        assert!(
            text.starts_with("plugin team-rules: ") && !text.ends_with('.'),
            "{text}"
        );
    }
}

#[test]
fn a_crash_shows_the_functions_it_went_through() {
    let error = PluginError::Trap {
        plugin: plugin(),
        cause: "it divided by zero".into(),
        backtrace: vec!["rate".into(), "decide".into()],
    };
    assert!(
        error
            .to_string()
            .contains("it divided by zero (in rate < decide); "),
        "{error}"
    );
}
