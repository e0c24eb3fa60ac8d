//! The pages of flags: written from the flags themselves.

use std::collections::BTreeSet;

use clap::{Arg, Command, CommandFactory};
use podgate_controller::settings::Settings;
use podgate_gateway::config::Config;

use crate::root;

#[test]
fn every_flag_of_the_gateway_is_listed_as_the_program_has_it() {
    listed("docs/flags.md", "gateway/src/config.rs", Config::command());
}

#[test]
fn every_flag_of_the_controller_is_listed_as_the_program_has_it() {
    listed(
        "docs/flags-controller.md",
        "controller/src/settings.rs",
        Settings::command(),
    );
}

fn listed(page: &str, source: &str, mut command: Command) {
    let rendered = flags(&command, source);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(page), &rendered).unwrap();
    }
    let written = std::fs::read_to_string(root().join(page)).unwrap_or_default();
    assert!(
        written == rendered,
        "{page} is not what the program says; write it anew with UPDATE_DOCS=1"
    );
    for flag in flags_in(&command.render_long_help().to_string()) {
        assert!(
            flags_in(&written).contains(&flag),
            "{flag} is in --help and not in {page}"
        );
    }
}

/// Words that begin with two hyphens.
fn flags_in(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '-';
    text.split(|character| !is_part(character))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(str::to_owned)
        .collect()
}

fn flags(command: &Command, source: &str) -> String {
    let mut page = format!(
        "# Flags of {}\n\n\
         <!-- Written by `UPDATE_DOCS=1 cargo test -p podgate-e2e --test docs`; change {source} instead. -->\n\n\
         A flag on the command line comes before its variable in the environment, that before the default. Durations are\n\
         written `10s`, `1m30s`, `500ms`, or in seconds; lists with commas. `--help` prints these, `--version` the version.\n",
        command.get_name()
    );
    let mut heading = Some("");
    for arg in command.get_arguments() {
        if heading != arg.get_help_heading() {
            heading = arg.get_help_heading();
            let title = heading
                .map(|heading| format!("\n## {heading}\n"))
                .unwrap_or_default();
            page.push_str(&format!(
                "{title}\n| flag | default | environment | meaning |\n|---|---|---|---|\n"
            ));
        }
        page.push_str(&row(arg));
    }
    page
}

fn row(arg: &Arg) -> String {
    let long = arg.get_long().map(|long| format!("`--{long}`"));
    let short = arg.get_short().map(|short| format!("`-{short}`"));
    let aliases = arg.get_all_aliases().unwrap_or_default();
    let names: Vec<String> = short
        .into_iter()
        .chain(long)
        .chain(aliases.iter().map(|alias| format!("`--{alias}`")))
        .collect();
    let environment = arg.get_env().map_or("–".to_owned(), |name| {
        format!("`{}`", name.to_string_lossy())
    });
    let meaning = cell(&arg.get_long_help().or(arg.get_help()).unwrap().to_string());
    format!(
        "| {} | {} | {environment} | {meaning}{} |\n",
        names.join(", "),
        default(arg),
        choice(arg)
    )
}

fn default(arg: &Arg) -> String {
    let values: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    match (values.is_empty(), arg.is_required_set()) {
        (false, _) => format!("`{}`", values.join(",")),
        (true, true) => "mandatory".to_owned(),
        (true, false) => "–".to_owned(),
    }
}

/// The values of a flag that takes one of a few.
fn choice(arg: &Arg) -> String {
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    match values.is_empty() || values.contains(&"`true`".to_owned()) {
        true => String::new(),
        false => format!(" {}", values.join(" or ")),
    }
}

fn cell(text: &str) -> String {
    let sentence = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|");
    match sentence.ends_with(['.', ':']) {
        true => sentence,
        false => format!("{sentence}."),
    }
}
